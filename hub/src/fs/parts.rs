//! Removing temporary files that nobody goes on with; [`crate::domain::temporary`] is their registry.

use std::fs::File;
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use crate::domain::temporary::{Owner, owner_of};
use crate::fs::entry::{Entry, EntryKind, Folder, OpenRoot};
use crate::fs::{FsError, RootDir};

/// Removes the temporary files that a hub which was killed left of its own files in the root's folder: of the
/// marker, of the lists, of looks at what the disk can do. Another hub on the same share may be writing one just
/// now, so only old ones go. Tells how many.
pub fn remove_old_own(root: &RootDir, older_than: Duration) -> Result<usize, FsError> {
    let folder = Folder::open(&OpenRoot::open(root)?, None)?;
    let mut removed = 0;
    for name in folder.names()? {
        if name.kind != EntryKind::File || owner_of(&name.text) != Some(Owner::Hub) {
            continue;
        }
        let entry = folder.entry(&name.text);
        if is_older(&entry, older_than) {
            entry.discard()?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Opens the half-done file of a download, as it was left; an empty one where there is none that is only ours.
pub fn open_or_make(part: &Entry) -> Result<File, FsError> {
    if part.look()?.is_some() {
        match part.reopen() {
            Err(error) if error.cause.kind() == ErrorKind::InvalidData => part.discard()?,
            opened => return opened,
        }
    }
    part.create()
}

/// Whether a file is known to be older than that.
pub fn is_older(entry: &Entry, than: Duration) -> bool {
    let modified = entry.open_for_reading().ok().and_then(|(_, found)| found.modified().ok());
    modified.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > than)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_kill_left_of_the_hubs_own_files_goes_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let left = [
            ".model_sources.json.0123.part",
            ".model_sources.json.bak.0123.part",
            ".comfy-hub-evictions.json.0123.part",
            ".comfy-hub-root.json.0123.part",
            ".from.probe-0123456789abcdef0123456789abcdef.part",
        ];
        let stay =
            [".model_sources.json", ".model_sources.json.bak", ".comfy-hub-root.json", ".x.hub-1.part", "x.part"];
        for name in left.iter().chain(&stay) {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(remove_old_own(&root, Duration::from_mins(1)).unwrap(), 0, "one may be written just now");
        let long_ago = SystemTime::now() - Duration::from_mins(2);
        for name in left.iter().chain(&stay) {
            fs::File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        assert_eq!(remove_old_own(&root, Duration::from_mins(1)).unwrap(), left.len());
        assert!(stay.iter().all(|name| folder.path().join(name).exists()));
    }
}
