//! What the disk of a folder does not offer, found out by trying.
//!
//! Locks, syncing of folders, and hard links are guarantees that network file systems may or may not give. None is
//! needed; knowing which are missing tells a person why something takes longer, or takes more room.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use shared_protocol::facts::DiskLack;
use uuid::Uuid;

use crate::locks::{Locked, try_lock};
use crate::system;

/// Names in a folder that are removed again.
struct Probe(Vec<PathBuf>);

impl Drop for Probe {
    fn drop(&mut self) {
        for path in &self.0 {
            // Made a moment ago, by us. One that stays is empty.
            fs::remove_file(path).ok();
        }
    }
}

/// Tries it out in an existing folder; what could not be tried is not told.
pub fn lacks(folder: &Path) -> Vec<DiskLack> {
    let name = |end: &str| folder.join(format!(".comfy-agent-probe-{}{end}", Uuid::new_v4().simple()));
    let (first, second) = (name(""), name("-2"));
    let mut made = Probe(Vec::new());
    let file = match OpenOptions::new().read(true).write(true).create_new(true).open(&first) {
        Ok(file) => file,
        Err(error) if is_refused(&error) => return vec![DiskLack::Writing],
        Err(_) => return Vec::new(),
    };
    made.0.push(first.clone());
    let mut lacks = Vec::new();
    if !has_locks(&file, &first) {
        lacks.push(DiskLack::Locks);
    }
    if system::sync_folder_strictly(folder).is_err() {
        lacks.push(DiskLack::FolderSync);
    }
    match fs::hard_link(&first, &second) {
        Ok(()) => made.0.push(second),
        Err(_) => lacks.push(DiskLack::HardLinks),
    }
    lacks
}

/// Whether a lock keeps anyone out.
fn has_locks(file: &File, path: &Path) -> bool {
    let other = OpenOptions::new().read(true).write(true).open(path);
    matches!(try_lock(file), Ok(Locked::Ours))
        && other.is_ok_and(|other| matches!(try_lock(&other), Ok(Locked::Theirs)))
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(lacks(folder.path()), []);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(lacks(&folder.path().join("none")), []);
    }
}
