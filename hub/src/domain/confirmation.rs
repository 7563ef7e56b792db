//! What has to be typed before files go: one rule of safety for every dialog, for plans and for the API.
//!
//! A few files go with one click. Many, or a large part of what is there, go only if someone typed the
//! verb and how many they are, which nobody does by mistake.

/// Files that may go without typing anything.
const A_FEW: u64 = 10;

/// What has to be typed before so many files go; `is_grave` says that even a few need it.
pub fn words(verb: &str, n_files: u64, is_grave: bool) -> Option<String> {
    (n_files > A_FEW || is_grave).then(|| format!("{verb} {n_files}"))
}

/// Whether so large a part of a side would go that even a few files need to be typed.
pub const fn is_over_a_fifth(part: u64, whole: u64) -> bool {
    part.saturating_mul(5) > whole
}

/// Whether what was typed is what was asked for.
pub fn is_said(expected: Option<&str>, typed: &str) -> bool {
    expected.is_none_or(|expected| expected == typed.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_or_much_has_to_be_typed() {
        assert_eq!(words("REMOVE", 10, false), None);
        assert_eq!(words("REMOVE", 11, false).as_deref(), Some("REMOVE 11"));
        assert_eq!(words("EVICT", 1, is_over_a_fifth(200, 1_000)), None);
        assert_eq!(words("EVICT", 1, is_over_a_fifth(201, 1_000)).as_deref(), Some("EVICT 1"));
    }

    #[test]
    fn the_words_are_typed_as_they_are() {
        assert!(is_said(None, "") && is_said(Some("DELETE 2"), " DELETE 2 "));
        assert!(!is_said(Some("DELETE 2"), "delete 2") && !is_said(Some("DELETE 2"), ""));
    }
}
