//! How sizes and numbers are written for people, in pages and in reasons.

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// A size in the units Explorer counts in, with three digits: `6.46 GiB`.
pub fn bytes(size: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = size as f64;
    let mut unit = 0;
    // 999.5 would be written with four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 {
        format!("{size} {name}")
    } else if value < 9.995 {
        format!("{value:.2} {name}")
    } else if value < 99.95 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

/// `1 file` or `12,345 files`, by the noun for one.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(i64::try_from(n).unwrap_or(i64::MAX)), if n == 1 { "" } else { "s" })
}

/// A number with its thousands set apart: `12,345`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0 B")]
    #[case(999, "999 B")]
    #[case(1000, "0.98 KiB")]
    #[case(1024, "1.00 KiB")]
    #[case(1_048_576, "1.00 MiB")]
    #[case(10_480_000, "9.99 MiB")]
    #[case(10_485_000, "10.0 MiB")]
    #[case(6_938_078_334, "6.46 GiB")]
    #[case(442_381_631_488, "412 GiB")]
    #[case(u64::MAX, "16384 PiB")]
    fn sizes_have_three_digits(#[case] size: u64, #[case] text: &str) {
        assert_eq!(bytes(size), text);
    }

    #[rstest]
    #[case(0, "0")]
    #[case(999, "999")]
    #[case(1000, "1,000")]
    #[case(-1_234_567, "-1,234,567")]
    fn thousands_are_set_apart(#[case] number: i64, #[case] text: &str) {
        assert_eq!(count(number), text);
    }
}
