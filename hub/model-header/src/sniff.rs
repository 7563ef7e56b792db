//! Which format a file is of, by its first bytes; what its extension promises; and what is no model at all.

use crate::description::size_words;
use crate::vocabulary::{DamageCode, Format};

/// The number that begins what PyTorch wrote before 1.6 (`MAGIC_NUMBER` in `torch/serialization.py`).
const LEGACY_MAGIC: [u8; 14] = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// What the first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Safetensors,
    Gguf,
    Zip,
    TorchLegacy,
    Tar,
    Pickle,
    Onnx,
    /// No model, and why.
    Not(DamageCode, String),
}

/// The format that an extension promises.
pub(crate) fn format_of_name(name: &str) -> Option<Format> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "safetensors" | "sft" => Some(Format::Safetensors),
        "gguf" => Some(Format::Gguf),
        "onnx" => Some(Format::Onnx),
        "pt" | "pth" | "ckpt" | "bin" | "pt2" => Some(Format::TorchZip),
        "pkl" | "pickle" => Some(Format::Pickle),
        _ => None,
    }
}

/// Whether a program that goes by the extension opens this content.
pub(crate) fn fits(by_name: Format, content: Format) -> bool {
    let is_torch =
        |format| matches!(format, Format::TorchZip | Format::TorchLegacy | Format::TorchTar | Format::Pickle);
    by_name == content || (is_torch(by_name) && is_torch(content))
}

/// What the first bytes say that the file is.
pub(crate) fn content(start: &[u8], size: u64, by_name: Option<Format>) -> Content {
    if size == 0 {
        return not(DamageCode::Empty, "Empty: there is not one byte in it.");
    }
    if start.starts_with(b"GGUF") {
        return Content::Gguf;
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Content::Zip;
    }
    if start.starts_with(&LEGACY_MAGIC) {
        return Content::TorchLegacy;
    }
    if let Some(not) = text(start, size) {
        return not;
    }
    if start.get(257..262) == Some(b"ustar") || is_old_tar(start) {
        return Content::Tar;
    }
    if by_name != Some(Format::Safetensors) && is_zero(start, size) {
        return not(DamageCode::ZeroFilled, "Zeros only: the file was set aside but never written.");
    }
    if looks_like_safetensors(start, size) {
        return Content::Safetensors;
    }
    match by_name {
        Some(Format::Onnx) => Content::Onnx,
        Some(Format::Safetensors) if !is_pickle(start) => Content::Safetensors,
        None if is_onnx(start) => Content::Onnx,
        Some(Format::Gguf) if !is_pickle(start) => not(DamageCode::UnknownContent, "It does not begin as GGUF does."),
        _ if is_pickle(start) => Content::Pickle,
        Some(Format::TorchZip | Format::TorchLegacy | Format::TorchTar | Format::Pickle) => {
            not(DamageCode::UnknownContent, "It begins as nothing that PyTorch writes.")
        }
        _ => not(DamageCode::UnknownContent, "It begins as no model does."),
    }
}

fn not(code: DamageCode, detail: impl Into<String>) -> Content {
    Content::Not(code, detail.into())
}

/// Pages, pointers and messages that were saved in place of a model.
fn text(start: &[u8], size: u64) -> Option<Content> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let trimmed = start.trim_ascii_start();
    if trimmed.starts_with(b"version https://git-lfs") {
        let detail = match pointed_size(trimmed) {
            Some(real) => format!("A git-lfs pointer, not weights: the model itself has {}.", size_words(real)),
            None => "A git-lfs pointer, not weights.".to_owned(),
        };
        return Some(not(DamageCode::GitLfsPointer, detail));
    }
    // A header of safetensors begins with its length, of which the last bytes are zero.
    let is_text = start.get(..8).is_none_or(|first| first.iter().all(|byte| *byte >= 9));
    if trimmed.starts_with(b"<") && is_text {
        return Some(not(DamageCode::Html, "A web page, not weights."));
    }
    let is_json = trimmed.starts_with(b"{\"") || trimmed.starts_with(b"{\n") || trimmed.starts_with(b"{ \"");
    if is_json && is_text && size < 10_000_000 {
        return Some(not(DamageCode::JsonError, message(trimmed)));
    }
    None
}

/// What a service answered in place of a model.
fn message(json: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(json.trim_ascii_end()).ok();
    let said =
        value.as_ref().and_then(|value| ["message", "error", "detail"].iter().find_map(|key| value.get(key)?.as_str()));
    match said {
        Some(said) => {
            let said: String = said.chars().take(200).flat_map(char::escape_debug).collect();
            format!("A message in JSON, not weights: \"{said}\".")
        }
        None => "Text in JSON, not weights.".to_owned(),
    }
}

fn pointed_size(pointer: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(pointer.get(..1_024).unwrap_or(pointer)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse().ok())
}

fn is_zero(start: &[u8], size: u64) -> bool {
    size >= 8 && start.iter().all(|byte| *byte == 0)
}

/// A length that the file has room for, and behind it the beginning of an object.
fn looks_like_safetensors(start: &[u8], size: u64) -> bool {
    let Some(length) = start.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else { return false };
    let object = start.get(8..).unwrap_or_default().trim_ascii_start().strip_prefix(b"{");
    let is_object = object.is_some_and(|rest| matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]));
    length <= size.saturating_sub(8) && length > 1 && is_object
}

/// Protocol 2 and later say so; before, a pickle is text that begins as what it holds does.
fn is_pickle(start: &[u8]) -> bool {
    let is_text = start.iter().take(8).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    let n_lines = start.iter().take(64).filter(|byte| **byte == b'\n').count();
    matches!(start, [0x80, 2..=5, ..])
        || matches!(start, [b'}' | b']' | b')', b'q', ..])
        || (is_text && matches!(start, [b'(', b'd' | b'l' | b't', ..]))
        || (is_text && start.first() == Some(&b'c') && n_lines >= 2)
}

/// Files that PyTorch wrote before 0.2 hold these members.
fn is_old_tar(start: &[u8]) -> bool {
    let name = start.get(..100).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    start.len() >= 512 && [&b"sys_info"[..], b"pickle", b"tensors", b"storages"].contains(&name)
}

/// A small version number, then the name of a producer.
fn is_onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=20, 0x12 | 0x3a | 0x42, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(start: &[u8], by_name: Option<Format>) -> Option<DamageCode> {
        match content(start, start.len() as u64, by_name) {
            Content::Not(code, _) => Some(code),
            _ => None,
        }
    }

    #[test]
    fn what_is_no_model_is_told() {
        for name in [Some(Format::Safetensors), Some(Format::Gguf), Some(Format::TorchZip), None] {
            assert_eq!(code(b"<!DOCTYPE html><html>", name), Some(DamageCode::Html));
            assert_eq!(code(b"  \n<html>", name), Some(DamageCode::Html));
            assert_eq!(code(b"{\"error\":\"Unauthorized\"}", name), Some(DamageCode::JsonError));
            let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
            assert_eq!(code(pointer, name), Some(DamageCode::GitLfsPointer));
            assert_eq!(code(b"", name), Some(DamageCode::Empty));
        }
        assert_eq!(code(&[0; 100], Some(Format::TorchZip)), Some(DamageCode::ZeroFilled));
        assert_eq!(code(b"hello, this is text", Some(Format::Gguf)), Some(DamageCode::UnknownContent));
        let said = content(b"{\"message\":\"log in\"}", 20, None);
        assert_eq!(said, not(DamageCode::JsonError, "A message in JSON, not weights: \"log in\"."));
    }

    #[test]
    fn content_wins_over_the_name() {
        let torch = [LEGACY_MAGIC.as_slice(), b"."].concat();
        assert_eq!(content(&torch, 15, Some(Format::Safetensors)), Content::TorchLegacy);
        assert_eq!(content(b"GGUF\x03\0\0\0", 8, Some(Format::Safetensors)), Content::Gguf);
        assert_eq!(content(b"\x02\0\0\0\0\0\0\0{}", 10, Some(Format::TorchZip)), Content::Safetensors);
        assert_eq!(content(b"\x80\x02}q\0.", 6, Some(Format::TorchZip)), Content::Pickle);
        assert_eq!(format_of_name("a.b.SFT"), Some(Format::Safetensors));
        assert!(fits(Format::TorchZip, Format::Pickle) && !fits(Format::Safetensors, Format::TorchZip));
    }
}
