//! Whether a root is there now, and whether it is still the same one. A few system calls, so that it
//! can be asked every few seconds and before and after any work.

use std::io::ErrorKind;
use std::sync::Arc;

use shared_protocol::ids::RootId;

use crate::fs::entry::OpenRoot;
use crate::fs::volume::{self, VolumeSpace};
use crate::fs::{FsError, RootDir, marker};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// What a look at a root found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbedRoot {
    /// It is there and is the one that was adopted, or none was adopted yet.
    Online {
        /// Room on its volume; none where the system does not know.
        space: Option<VolumeSpace>,
        /// Whether files can be made in it.
        writable: bool,
        /// Its identity, if it has one.
        id: Option<RootId>,
    },
    /// It can't be reached.
    Offline { why: String },
    /// Another root is in its place.
    Swapped {
        /// The identity found.
        found: RootId,
    },
    /// A folder is there, but not the mark of the root that was adopted: perhaps the disk that
    /// belongs there is not mounted.
    MarkerMissing {
        /// Whether a mark could be made.
        writable: bool,
    },
    /// The mark is there and can't be understood.
    MarkerDamaged { why: String },
}

/// Opens a root to work in it, if it is the expected one. What is opened is what was verified.
pub fn open(root: &RootDir, expected: Option<RootId>) -> Result<Arc<OpenRoot>, ProbedRoot> {
    let opened = OpenRoot::open(root).and_then(|opened| {
        let id = if expected.is_some() { marker::read_in(&opened)? } else { None };
        Ok((opened, id))
    });
    match opened {
        Ok((opened, id)) if id == expected => Ok(opened),
        Ok((_, Some(found))) => Err(ProbedRoot::Swapped { found }),
        Ok((_, None)) => Err(ProbedRoot::MarkerMissing { writable: system::is_writable(root.path()) }),
        Err(error) => Err(not_usable(&error)),
    }
}

/// Looks at a root. `expected` is the identity in the index, if the root was adopted.
pub fn probe(root: &RootDir, expected: Option<RootId>) -> ProbedRoot {
    look_at_root(root, expected).unwrap_or_else(|error| not_usable(&error))
}

fn not_usable(error: &FsError) -> ProbedRoot {
    let why = error.to_string();
    if error.cause.kind() == ErrorKind::InvalidData {
        ProbedRoot::MarkerDamaged { why }
    } else {
        ProbedRoot::Offline { why }
    }
}

fn look_at_root(root: &RootDir, expected: Option<RootId>) -> Result<ProbedRoot, FsError> {
    root.check_present()?;
    let space = volume::space(root.path())?;
    let writable = system::is_writable(root.path());
    Ok(match marker::read(root)? {
        id if expected.is_none() || id == expected => ProbedRoot::Online { space, writable, id },
        Some(found) => ProbedRoot::Swapped { found },
        None => ProbedRoot::MarkerMissing { writable },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::exclusion::ROOT_MARKER;

    #[test]
    fn a_root_goes_through_its_states() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models");
        let root = RootDir::open(&path).unwrap();
        assert!(matches!(probe(&root, None), ProbedRoot::Offline { .. }), "not there");

        fs::create_dir(&path).unwrap();
        assert!(matches!(probe(&root, None), ProbedRoot::Online { writable: true, id: None, .. }));
        let id = marker::adopt(&root).unwrap();
        assert!(matches!(probe(&root, Some(id)), ProbedRoot::Online { id: Some(found), .. } if found == id));

        let other = RootId::new();
        assert_eq!(probe(&root, Some(other)), ProbedRoot::Swapped { found: id });

        fs::write(path.join(ROOT_MARKER), "{").unwrap();
        assert!(matches!(probe(&root, Some(id)), ProbedRoot::MarkerDamaged { .. }));

        fs::remove_file(path.join(ROOT_MARKER)).unwrap();
        assert_eq!(probe(&root, Some(id)), ProbedRoot::MarkerMissing { writable: true });
    }

    #[test]
    fn a_file_is_no_root() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models");
        fs::write(&path, b"").unwrap();
        let status = probe(&RootDir::open(&path).unwrap(), None);
        assert!(matches!(status, ProbedRoot::Offline { why } if why.contains("not a folder")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_root_may_be_readable_only() {
        use std::os::unix::fs::PermissionsExt;
        crate::fs::ordinary_user::as_ordinary_user(|| {
            let folder = tempfile::tempdir().unwrap();
            let root = RootDir::open(folder.path()).unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
            assert!(matches!(probe(&root, None), ProbedRoot::Online { writable: false, .. }));
            assert!(marker::adopt(&root).is_err());
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
            assert!(matches!(probe(&root, None), ProbedRoot::Online { writable: true, .. }));
        });
    }
}
