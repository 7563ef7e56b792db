//! What programs that download leave beside a file.

use serde::Deserialize;

use super::Hint;
use crate::address::Address;
use crate::claim::Origin;
use crate::json::{Maybe, Text, parse, sha256};
use crate::sites::Sites;

/// They are some hundred bytes.
const MAX_BYTES: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DesktopFile {
    url: Text,
    #[serde(default)]
    expected_size: Maybe<u64>,
    #[serde(default)]
    etag: Maybe<Text>,
}

/// `<file>.dl-meta` of ComfyUI Desktop: `{url, expectedSize, etag?, lastModified?}`, written while it downloads and
/// left behind where it was interrupted (its `download.ts`, `DownloadMeta` and `META_SUFFIX`). The file beside it may
/// be cut, so the size tells whether it is whole.
pub fn desktop_metadata(file: &[u8], sites: &Sites) -> Option<Hint> {
    let told: DesktopFile =
        parse(file.get(..file.len().min(MAX_BYTES + 1)).filter(|file| file.len() <= MAX_BYTES)?).ok()?;
    Some(Hint {
        address: Some(Address::parse(&told.url.0, sites).ok()?),
        size_bytes: told.expected_size.0.filter(|size| *size > 0),
        // Hugging Face's tag of a large file is its SHA-256; other tags do not have its form.
        sha256: told.etag.0.and_then(|tag| sha256(&tag.0)),
        ..Hint::new(Origin::Sidecar)
    })
}

/// `.cache/huggingface/download/<file>.metadata` of `hf download --local-dir`: three lines, the commit, the tag (of a
/// large file its SHA-256) and the time (`huggingface_hub`, `_local_folder.py`, `read_download_metadata`). Which
/// repository it was is not told.
pub fn local_dir_metadata(file: &[u8]) -> Option<Hint> {
    let text = core::str::from_utf8(file.get(..file.len().min(1_024))?).ok()?;
    let mut lines = text.lines();
    let (commit, tag) = (lines.next()?.trim(), lines.next()?.trim());
    let digest = sha256(tag).filter(|_| crate::address::is_commit(commit))?;
    Some(Hint { sha256: Some(digest), ..Hint::new(Origin::HuggingFaceCache) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_download_tells_its_address() {
        let digest = "ab".repeat(32);
        let file = format!(
            r#"{{"url":"https://huggingface.co/a/b/resolve/main/x.pt","expectedSize":7,"etag":"\"{digest}\""}}"#
        );
        let hint = desktop_metadata(file.as_bytes(), &Sites::public()).unwrap();
        assert_eq!(hint.address.unwrap().to_string(), "hf://a/b@main/x.pt");
        assert_eq!((hint.size_bytes, hint.sha256.unwrap().to_hex()), (Some(7), digest));
        for other in [&b""[..], b"{}", br#"{"url": "http://127.0.0.1/x"}"#, br#"{"url": "https://x.example/?token=a"}"#]
        {
            assert_eq!(desktop_metadata(other, &Sites::public()), None);
        }
        assert_eq!(desktop_metadata(&vec![b' '; MAX_BYTES + 1], &Sites::public()), None);
    }

    #[test]
    fn a_local_folder_of_hugging_face() {
        let (commit, digest) = ("0".repeat(39) + "1", "cd".repeat(32));
        let hint = local_dir_metadata(format!("{commit}\n{digest}\n1700000000.5\n").as_bytes()).unwrap();
        assert_eq!(hint.sha256.unwrap().to_hex(), digest);
        let small = local_dir_metadata(format!("{commit}\n{commit}\n1.0\n").as_bytes());
        assert_eq!(small, None, "git's name of a small file is no digest of it");
        assert_eq!(local_dir_metadata(b"\xff"), None);
    }
}
