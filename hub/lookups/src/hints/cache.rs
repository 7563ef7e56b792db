//! The cache of `huggingface_hub`, by the names in it alone: nothing is opened here.
//!
//! `models--OWNER--REPO/{refs/REVISION, blobs/TAG, snapshots/COMMIT/PATH}`, where a snapshot's file is a link to its
//! blob (on Windows without leave for links: a copy), and the tag of a large file is its SHA-256, of a small one git's
//! name of it (40 digits): `huggingface_hub`, `file_download.py` (`repo_folder_name`, `_hf_hub_download_to_cache_dir`).
//! Since 2026 blobs may lie in a folder that repositories share (`_shared_blobs.py`); a link leads there all the same.

use shared_protocol::Sha256;

use super::Hint;
use crate::address::{Address, HuggingFaceFile, RepoKind, is_commit};
use crate::claim::Origin;
use crate::json::sha256;

/// A file below `blobs/`, named by the SHA-256 that it has if it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedBlob {
    /// The digest that its name tells. It is read and compared before anything is done with it.
    pub sha256: Sha256,
}

impl CachedBlob {
    /// Reads a blob's name. Small files, and what is still being downloaded (`.incomplete`), are none.
    pub fn parse(name: &str) -> Option<Self> {
        let is_plain = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sha256(name).filter(|_| is_plain).map(|sha256| Self { sha256 })
    }
}

/// A file below `snapshots/`: which file of which repository it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedName {
    /// The file, pinned to its commit.
    pub file: HuggingFaceFile,
}

impl CachedName {
    /// Reads a path below the cache's folder, with `/`.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.splitn(4, '/');
        let (folder, snapshots, commit, inner) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (kind, repo) = repo_of(folder)?;
        if snapshots != "snapshots" || !is_commit(commit) {
            return None;
        }
        let file = HuggingFaceFile::new(&repo, Some(commit), Some(inner))?;
        Some(Self { file: HuggingFaceFile { kind, ..file } })
    }

    /// What it says of the file's content, given the last part of what its link leads to.
    pub fn hint(self, blob_name: Option<&str>) -> Hint {
        Hint {
            sha256: blob_name.and_then(CachedBlob::parse).map(|blob| blob.sha256),
            address: Some(Address::HuggingFace(self.file)),
            ..Hint::new(Origin::HuggingFaceCache)
        }
    }
}

fn repo_of(folder: &str) -> Option<(RepoKind, String)> {
    let (kind, repo) = folder.split_once("--")?;
    let kind = match kind {
        "models" => RepoKind::Model,
        "datasets" => RepoKind::Dataset,
        "spaces" => RepoKind::Space,
        _ => return None,
    };
    // Neither part may hold `--` (the site refuses such names).
    Some((kind, repo.replacen("--", "/", 1)))
}

/// The commit that a file below `refs/` holds.
pub fn read_ref(file: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(file.get(..file.len().min(100))?).ok()?.trim();
    is_commit(text).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_cache() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let name = CachedName::parse(&format!("models--a--b-c/snapshots/{commit}/d/x.safetensors")).unwrap();
        let digest = "ab".repeat(32);
        let hint = name.hint(Some(&digest));
        assert_eq!(hint.address.unwrap().to_string(), format!("hf://a/b-c@{commit}/d/x.safetensors"));
        assert_eq!(hint.sha256.unwrap().to_hex(), digest);
        let without_owner = CachedName::parse(&format!("models--gpt2/snapshots/{commit}/x.bin")).unwrap();
        assert_eq!(without_owner.hint(Some(commit)).sha256, None, "a small file has git's name");
        for other in [
            "",
            "models--a--b/blobs/x",
            "models--a--b/snapshots/main/x",
            &format!("models--a--b/snapshots/{commit}"),
            &format!("models--a--b/snapshots/{commit}/../x"),
            &format!("other--a--b/snapshots/{commit}/x"),
            &format!("models--a--b--c/snapshots/{commit}/x/../../y"),
        ] {
            assert_eq!(CachedName::parse(other), None, "{other}");
        }
        assert!(CachedBlob::parse(&digest).is_some());
        for other in [format!("{digest}.incomplete"), digest.to_uppercase(), commit.to_owned(), String::new()] {
            assert_eq!(CachedBlob::parse(&other), None, "{other}");
        }
        assert_eq!(read_ref(format!("{commit}\n").as_bytes()), Some(commit));
        assert_eq!(read_ref(b"main"), None);
    }
}
