//! A half-done file that its caller has opened and will name: the hub does both by folders that it holds open, and
//! finds the file again by its own records.

use std::fs::File;
use std::path::PathBuf;

use parking_lot::{Mutex, RwLock};

use super::PartFile;
use crate::download::claim::{note_paths, successor};
use crate::download::expected::{Digests, Expected};

/// What is kept of a file that its caller names.
#[derive(Debug)]
pub(super) struct Placed {
    sha256: bool,
    digests: Mutex<Option<Digests>>,
}

impl PartFile {
    /// Takes an open file at a path. Its notes lie beside it under [`Self::note_names`].
    pub fn placed(file: File, path: PathBuf, expected: Expected, size_bytes: u64, sha256: bool) -> Self {
        let [journal, groups] = note_paths(&path);
        let sha256 = sha256 || matches!(expected, Expected::Sha256(_));
        Self {
            file: RwLock::new(file),
            dest: path.clone(),
            path,
            journal,
            groups,
            expected,
            size_bytes,
            is_nameless: false,
            placed: Some(Placed { sha256, digests: Mutex::default() }),
            is_over: Mutex::new(false),
        }
    }

    /// The names of what may lie beside a half-done file of this name.
    pub fn note_names(part: &str) -> [String; 4] {
        let [journal, groups] = note_paths(part.as_ref());
        [successor(&groups), groups, successor(&journal), journal].map(|path| path.to_string_lossy().into_owned())
    }

    /// Whether SHA-256 is to be taken beside BLAKE3.
    pub(in crate::download) fn wants_sha256(&self) -> bool {
        self.placed.as_ref().is_some_and(|placed| placed.sha256)
    }

    /// It is whole, and this is what it holds.
    pub(in crate::download) fn note_whole(&self, digests: Digests) {
        if let Some(placed) = &self.placed {
            *placed.digests.lock() = Some(digests);
        }
    }

    /// What it holds, once it is whole and was read as a whole.
    pub fn digests(&self) -> Option<Digests> {
        self.placed.as_ref().and_then(|placed| *placed.digests.lock())
    }
}
