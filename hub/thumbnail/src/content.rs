//! What the bytes are. The content decides, never the name of the file.

use image::ImageFormat;

use crate::ThumbnailError;

/// A format that is decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Png,
    Jpeg,
    WebP,
    Gif,
}

impl Content {
    /// Tells the format by the first bytes.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, ThumbnailError> {
        if bytes.is_empty() {
            return Err(ThumbnailError::Empty);
        }
        match image::guess_format(bytes) {
            Ok(ImageFormat::Png) => Ok(Self::Png),
            Ok(ImageFormat::Jpeg) => Ok(Self::Jpeg),
            Ok(ImageFormat::WebP) => Ok(Self::WebP),
            Ok(ImageFormat::Gif) => Ok(Self::Gif),
            _ => Err(ThumbnailError::WrongFormat { what: other(bytes) }),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        }
    }

    pub(crate) fn format(self) -> ImageFormat {
        match self {
            Self::Png => ImageFormat::Png,
            Self::Jpeg => ImageFormat::Jpeg,
            Self::WebP => ImageFormat::WebP,
            Self::Gif => ImageFormat::Gif,
        }
    }
}

/// Names what people are likely to have put there instead.
fn other(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..bytes.len().min(1_024)).unwrap_or_default();
    if let Some(brand) = start.get(4..12).and_then(|part| part.strip_prefix(b"ftyp")) {
        return match brand {
            b"avif" | b"avis" => "an AVIF picture",
            b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1" => "an HEIC picture",
            _ => "a video",
        };
    }
    if start.starts_with(b"\x1a\x45\xdf\xa3") {
        return "a video";
    }
    if start.starts_with(b"BM") {
        return "a BMP picture";
    }
    if start.starts_with(b"II*\0") || start.starts_with(b"MM\0*") {
        return "a TIFF picture";
    }
    if start.starts_with(b"\xff\x0a") || start.starts_with(b"\0\0\0\x0cJXL ") {
        return "a JPEG XL picture";
    }
    let text = start.trim_ascii_start().to_ascii_lowercase();
    let holds = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    match text.first() {
        Some(b'<') if holds(b"<svg") => "an SVG drawing, which may hold programs",
        Some(b'<') if holds(b"<html") || holds(b"<!doctype html") => "a web page",
        _ => "no picture of a known format",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_preview_is_named() {
        for (bytes, what) in [
            (&b"\0\0\0\x20ftypavif\0\0\0\0"[..], "an AVIF picture"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "an HEIC picture"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
            (b"\x1a\x45\xdf\xa3\x01\0\0\0", "a video"),
            (b" <?xml version='1.0'?><svg onload='x()'/>", "an SVG drawing, which may hold programs"),
            (b"<!DOCTYPE html><p>", "a web page"),
            (b"BM\x01\x02\x03", "a BMP picture"),
            (b"hello", "no picture of a known format"),
            (b"\x89PN", "no picture of a known format"),
        ] {
            assert_eq!(Content::of(bytes).unwrap_err(), ThumbnailError::WrongFormat { what });
        }
        assert_eq!(Content::of(b"").unwrap_err(), ThumbnailError::Empty);
        let said = Content::of(b"\0\0\0\x20ftypavif\0\0\0\0").unwrap_err().to_string();
        assert_eq!(said, "This is an AVIF picture. Previews are PNG, JPEG, WebP or GIF.");
    }
}
