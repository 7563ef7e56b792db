//! A file that has other names, held while the hub does something to one of them.
//!
//! A rename, a link more or less changes the time of the last change for all names of a file, though its content stays
//! what it is. Who held the file can tell what its identity is afterwards, also when the name is gone.

use std::path::Path;

use crate::fs::open::FileStamp;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// A held file.
#[derive(Debug)]
pub struct Held {
    before: FileStamp,
    file: system::Handle,
}

impl Held {
    /// Holds the regular file of this name if it has an identity, and other names.
    pub fn of(path: &Path) -> Option<Self> {
        Self::with_names(path, 2)
    }

    /// The same for a file that is about to get another name.
    pub fn before_link(path: &Path) -> Option<Self> {
        Self::with_names(path, 1)
    }

    fn with_names(path: &Path, at_least: u64) -> Option<Self> {
        let (before, file) = system::hold(path, at_least)?;
        before.identity.is_some().then_some(Self { before, file })
    }

    /// As it was when it was taken hold of.
    pub const fn before(&self) -> FileStamp {
        self.before
    }

    /// As it is now, if its size and time are what they were and its identity is not.
    pub fn changed(&self) -> Option<FileStamp> {
        let now = system::look_at_handle(&self.file)?;
        (now.is_like(self.before) && now != self.before).then_some(now)
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::open::stamp_path;

    #[test]
    fn what_a_removed_name_changed_is_told_by_the_handle() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&a, b"x").unwrap();
        assert!(Held::of(&a).is_none(), "it has one name");
        fs::hard_link(&a, &b).unwrap();
        let held = Held::of(&a).unwrap();
        assert!(held.changed().is_none());
        // The clock of change times has steps of some milliseconds.
        while held.changed().is_none() {
            fs::rename(&a, folder.path().join("c")).unwrap();
            fs::rename(folder.path().join("c"), &a).unwrap();
        }
        fs::remove_file(&a).unwrap();
        let (now, other) = (held.changed().unwrap(), stamp_path(&b).unwrap());
        assert!(now == other && now != held.before());
    }
}
