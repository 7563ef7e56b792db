//! Texts of files whose encoding is not known.

use std::borrow::Cow;

use crate::metadata::cut;

/// Bytes of a text that are kept, and of one that is a fact of its own: a title, a name.
pub(super) const MAX_TEXT: usize = 64 * 1024;
pub(super) const MAX_FACT: usize = 2_000;

/// The text of a file: UTF-8, or UTF-16 where a byte order mark says so. What is no character of it is
/// replaced. `None` for what is no text: one with zero bytes.
pub(super) fn decoded(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let text = match *bytes {
        [0xef, 0xbb, 0xbf, ref rest @ ..] => String::from_utf8_lossy(rest),
        [0xff, 0xfe, ref rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, ref rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        _ => String::from_utf8_lossy(bytes),
    };
    (!text.contains('\0')).then_some(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A text without the space around it, cut; `None` if nothing is left.
pub(super) fn kept(text: &str, bytes: usize) -> Option<String> {
    let text = cut(text.trim(), bytes).trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// So many hexadecimal digits, small, if the text is nothing else and not zeros only.
pub(super) fn digest(text: &str, digits: usize) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("sha256:")).unwrap_or(text);
    let is_digest = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_digest && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_by_their_mark() {
        assert_eq!(decoded(b"\xef\xbb\xbfabc").as_deref(), Some("abc"));
        assert_eq!(decoded(b"\xff\xfea\0\xe9\0").as_deref(), Some("aé"));
        assert_eq!(decoded(b"\xfe\xff\0a\0\xe9").as_deref(), Some("aé"));
        assert_eq!(decoded(b"\xff\xfea\0\0\xd8x").as_deref(), Some("a\u{fffd}"));
        assert_eq!(decoded(b"caf\xe9").as_deref(), Some("caf\u{fffd}"));
        assert_eq!(decoded(b"a\0b\0"), None);
    }

    #[test]
    fn digests_are_digits_only() {
        assert_eq!(digest(" 0xABCDEF012345 ", 12).as_deref(), Some("abcdef012345"));
        assert_eq!(digest(&"0".repeat(64), 64), None);
        assert_eq!(digest("abc", 64), None);
        assert_eq!(digest(&"é".repeat(32), 64), None);
    }
}
