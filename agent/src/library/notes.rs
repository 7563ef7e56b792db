//! The digests on disk: one file that only grows, a line for each file that was read, the latest one counts. When most
//! of it is of the past it is written anew. Losing it costs reading files again, nothing else, so nobody waits for it
//! to be synced, and a full disk is no reason to fail.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared_io::durable;
use shared_protocol::RelPath;

use super::Known;

/// Lines that may be there besides those that count.
const SPARE_LINES: usize = 1_000;

/// The digests, as they are kept.
#[derive(Debug)]
pub(super) struct Notes {
    path: PathBuf,
    file: Option<File>,
    files: BTreeMap<RelPath, Known>,
    n_lines: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    path: std::borrow::Cow<'a, RelPath>,
    #[serde(flatten)]
    known: Known,
}

/// The file of earlier versions, which was written anew for each digest.
#[derive(Debug, Deserialize)]
struct Before {
    version: u32,
    files: BTreeMap<RelPath, Known>,
}

impl Notes {
    /// Reads what is there; a line that can't be read is none.
    pub(super) fn open(path: PathBuf) -> Self {
        let text = fs::read(&path).unwrap_or_default();
        let before = serde_json::from_slice::<Before>(&text).ok().filter(|before| before.version == 1);
        let mut notes = Self { path, file: None, files: BTreeMap::new(), n_lines: 0 };
        if let Some(before) = before {
            notes.files = before.files;
            notes.rewrite();
            return notes;
        }
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            notes.n_lines += 1;
            if let Ok(Line { path, known }) = serde_json::from_slice(line) {
                notes.files.insert(path.into_owned(), known);
            }
        }
        if text.last().is_some_and(|byte| *byte != b'\n') {
            // The next line must not run into half a one.
            notes.rewrite();
        }
        notes
    }

    /// What is known of a file.
    pub(super) fn get(&self, path: &RelPath) -> Option<&Known> {
        self.files.get(path)
    }

    /// Notes the content of a file.
    pub(super) fn keep(&mut self, path: &RelPath, known: Known) {
        if self.files.insert(path.clone(), known) == Some(known) {
            return;
        }
        self.n_lines += 1;
        if self.n_lines > 2 * self.files.len() + SPARE_LINES {
            return self.rewrite();
        }
        if self.file.is_none() {
            self.file = append(&self.path);
        }
        let is_written = self.file.as_mut().is_some_and(|file| file.write_all(&line_of(path, known)).is_ok());
        if !is_written {
            self.file = None;
        }
    }

    fn rewrite(&mut self) {
        let text: Vec<u8> = self.files.iter().flat_map(|(path, known)| line_of(path, *known)).collect();
        self.file = None;
        if durable::replace_lightly(&self.path, &text).is_ok() {
            self.n_lines = self.files.len();
        }
    }
}

fn append(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).ok()
}

fn line_of(path: &RelPath, known: Known) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Line { path: std::borrow::Cow::Borrowed(path), known }).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::Blake3;

    use super::*;
    use crate::library::Stamp;

    fn known(n: u64) -> Known {
        let stamp = Stamp { size_bytes: n, modified_ns: 1, inode: 1 };
        Known { stamp, blake3: Blake3::from_bytes([7; 32]) }
    }

    fn rel(n: u64) -> RelPath {
        RelPath::parse(&format!("loras/{n}")).unwrap()
    }

    #[test]
    fn what_is_written_grows_with_what_is_new_and_not_with_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.json");
        let mut notes = Notes::open(path.clone());
        for n in 0..3_000 {
            notes.keep(&rel(n), known(n));
        }
        let length = fs::metadata(&path).unwrap().len();
        assert!(length < 3_000 * 200, "{length}");
        notes.keep(&rel(1), known(1));
        assert_eq!(fs::metadata(&path).unwrap().len(), length, "what is known is not written again");
        for n in 0..30_000 {
            notes.keep(&rel(1), known(n));
        }
        assert!(fs::metadata(&path).unwrap().len() < 3 * length, "of the past nothing stays for ever");
        let again = Notes::open(path.clone());
        assert_eq!((again.files.len(), again.get(&rel(1))), (3_000, Some(&known(29_999))));
        File::options().write(true).open(&path).unwrap().set_len(200).unwrap();
        let mut torn = Notes::open(path.clone());
        torn.keep(&rel(9_999), known(1));
        assert!(Notes::open(path).get(&rel(9_999)).is_some());
    }

    #[test]
    fn what_an_earlier_version_noted_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.json");
        let before = serde_json::json!({ "version": 1, "files": { "loras/5": known(5) } });
        fs::write(&path, before.to_string()).unwrap();
        assert_eq!(Notes::open(path.clone()).get(&rel(5)), Some(&known(5)));
        assert_eq!(Notes::open(path).get(&rel(5)), Some(&known(5)), "in its new form, too");
    }
}
