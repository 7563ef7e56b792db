//! The picture that a header may hold. It is told where it is and what it says to be; its bytes are read
//! only when they are asked for, and never decoded here. What is not a picture is never fetched.

use std::io::{self, Read, Seek};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::cut;
use crate::description::Thumbnail;
use crate::safetensors::{LENGTH_BYTES, MAX_HEADER_BYTES, text_of};
use crate::source::Source;

/// Where the model specification has it.
pub(super) const SPECIFICATION: &str = "modelspec.thumbnail";

/// Where Stable Diffusion web UI's model database has a list of them.
const COVERS: &str = "ssmd_cover_images";

/// Pictures that browsers show and that can hold no script.
const SHOWABLE: [(&str, &str); 4] =
    [("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("UklGR", "image/webp"), ("R0lGOD", "image/gif")];

/// The picture in an entry of this name; `None` if such an entry is none.
pub(super) fn of_entry(key: &str, value: &str) -> Option<Thumbnail> {
    let media_type = match key {
        SPECIFICATION if value.trim().is_empty() => return None,
        SPECIFICATION => declared_type(value),
        COVERS => sniffed_type(first_cover(value)?).to_owned(),
        _ => return None,
    };
    let is_showable = SHOWABLE.iter().any(|(_, showable)| *showable == media_type);
    Some(Thumbnail { key: key.to_owned(), media_type, text_bytes: value.len() as u64, is_showable })
}

/// The type of a data address, or what else it is.
fn declared_type(value: &str) -> String {
    let value = value.trim_start();
    if let Some(rest) = value.strip_prefix("data:") {
        let declared = rest.split([';', ',']).next().unwrap_or_default();
        let declared = cut(declared, 64).to_ascii_lowercase();
        return if declared == "image/jpg" { "image/jpeg".to_owned() } else { declared };
    }
    if cut(value, 64).contains("://") {
        return "url".to_owned();
    }
    sniffed_type(value).to_owned()
}

fn sniffed_type(base64: &str) -> &'static str {
    SHOWABLE.iter().find(|(start, _)| base64.starts_with(start)).map_or("unknown", |(_, media_type)| media_type)
}

/// The first text of a JSON list, without reading what follows.
fn first_cover(list: &str) -> Option<&str> {
    let text = list.trim_start().strip_prefix('[')?.trim_start().strip_prefix('"')?;
    let text = text.split('"').next()?;
    Some(text.split_once(";base64,").map_or(text, |(_, data)| data)).filter(|text| !text.is_empty())
}

/// Reads the picture in the header of a safetensors file of this size: its bytes as they are, at most so
/// many. `None` if there is none, if it is larger, or if it is not of a sort that may be shown.
pub fn read_thumbnail(
    file: &mut (impl Read + Seek),
    size_bytes: u64,
    limit_bytes: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut source = Source::open(file, size_bytes)?;
    let Some(length) = source.start().first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return Ok(None);
    };
    if length > size_bytes.saturating_sub(LENGTH_BYTES) || length > MAX_HEADER_BYTES {
        return Ok(None);
    }
    let bytes = source.beginning(LENGTH_BYTES + length)?;
    Ok(std::str::from_utf8(bytes.get(8..).unwrap_or_default()).ok().and_then(|json| picture(json, limit_bytes)))
}

fn picture(header: &str, limit: usize) -> Option<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Header<'h> {
        #[serde(borrow, rename = "__metadata__")]
        metadata: std::collections::HashMap<String, &'h RawValue>,
    }
    let header: Header<'_> = serde_json::from_str(header).ok()?;
    let text = |key: &str| {
        let text = text_of(header.metadata.get(key)?.get())?;
        String::from_utf8(text.into_owned()).ok()
    };
    let decode = |data: &str| {
        let fits = data.len() / 4 <= limit / 3 + 1;
        fits.then(|| STANDARD.decode(data.trim()).ok()).flatten().filter(|bytes| bytes.len() <= limit)
    };
    if let Some(value) = text(SPECIFICATION)
        && of_entry(SPECIFICATION, &value)?.is_showable
    {
        return decode(value.split_once(',').map_or(value.as_str(), |(_, data)| data));
    }
    let covers = text(COVERS)?;
    of_entry(COVERS, &covers)?.is_showable.then(|| decode(first_cover(&covers)?)).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn file(metadata: &serde_json::Value) -> (io::Cursor<Vec<u8>>, u64) {
        let header = serde_json::to_vec(&serde_json::json!({"__metadata__": metadata})).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        let size = bytes.len() as u64;
        (io::Cursor::new(bytes), size)
    }

    #[test]
    fn a_picture_is_read_within_its_limit() {
        let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
        let text = format!("data:image/png;base64,{}", STANDARD.encode(&png));
        let (mut bytes, size) = file(&serde_json::json!({SPECIFICATION: text}));
        assert_eq!(read_thumbnail(&mut bytes, size, 100).unwrap(), Some(png.clone()));
        assert_eq!(read_thumbnail(&mut bytes, size, 5).unwrap(), None);
        let (mut bytes, size) = file(&serde_json::json!({COVERS: format!("[\"{}\", \"x\"]", STANDARD.encode(&png))}));
        assert_eq!(read_thumbnail(&mut bytes, size, 100).unwrap(), Some(png));
    }

    #[test]
    fn other_things_are_told_and_not_read() {
        for (value, media_type) in [
            ("data:image/svg+xml;base64,PHN2Zz4=", "image/svg+xml"),
            ("http://127.0.0.1:9/track.png", "url"),
            ("data:text/html,<script>", "text/html"),
            ("hello", "unknown"),
        ] {
            let told = of_entry(SPECIFICATION, value).unwrap();
            assert_eq!((told.media_type.as_str(), told.is_showable), (media_type, false));
            let (mut bytes, size) = file(&serde_json::json!({SPECIFICATION: value}));
            assert_eq!(read_thumbnail(&mut bytes, size, 1_000).unwrap(), None);
        }
        assert_eq!(of_entry(SPECIFICATION, " "), None);
        assert_eq!(of_entry(COVERS, "[]"), None);
    }
}
