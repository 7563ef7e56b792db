//! Whether what a source sends is a page in place of the file: told by its first bytes. Pure.

/// Bytes that are looked at.
pub(super) const LOOKED_AT: usize = 512;

/// What a page of HTML begins with, in lower case.
const HTML: [&str; 8] = ["<!doctype", "<html", "<head", "<body", "<title", "<script", "<meta", "<!--"];

/// A type of content that is a page, unless its first bytes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    /// HTML.
    Html,
    /// JSON.
    Json,
    /// Several parts in one body, which are never asked for.
    Parts,
}

impl PageKind {
    /// What a `Content-Type` says of a file of this name; none if it is a file's, or just that of this file.
    pub(super) fn of(name: &str, content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let (kind, endings): (_, &[&str]) = match kind.to_ascii_lowercase().as_str() {
            "text/html" | "application/xhtml+xml" => (Self::Html, &["html", "htm", "xhtml"]),
            "application/json" | "application/problem+json" => (Self::Json, &["json", "ipynb"]),
            "multipart/byteranges" => (Self::Parts, &[]),
            _ => return None,
        };
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        (!endings.iter().any(|fine| ending.eq_ignore_ascii_case(fine))).then_some(kind)
    }

    /// Whether a file that is called so begins as such a page does.
    pub(super) fn begins(self, bytes: &[u8]) -> bool {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        match self {
            Self::Html => HTML
                .iter()
                .any(|tag| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag.as_bytes()))),
            Self::Json => matches!(text.first(), Some(b'{' | b'[')),
            Self::Parts => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        for page in ["<!DOCTYPE html>", " \r\n<html lang=en>", "\u{feff}<Html>", "<!-- x --><html>"] {
            assert!(PageKind::Html.begins(page.as_bytes()), "{page}");
        }
        for file in [&b"\x08\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\""[..], b"PK\x03\x04", b"GGUF", b"", b"<"] {
            assert!(!PageKind::Html.begins(file) && !PageKind::Json.begins(file), "{file:?}");
        }
        assert!(PageKind::Json.begins(b" {\"error\": 1}"));
    }

    #[test]
    fn a_page_is_not_the_file_unless_the_file_is_one() {
        assert_eq!(PageKind::of("x.safetensors", "text/HTML; charset=utf-8"), Some(PageKind::Html));
        assert_eq!(PageKind::of("config.JSON", "application/json"), None);
        assert_eq!(PageKind::of("config.json", "text/html"), Some(PageKind::Html));
        assert_eq!(PageKind::of("x.safetensors", "application/octet-stream"), None);
    }
}
