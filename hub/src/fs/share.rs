//! Two names for one file, or two files with the same bytes on the disk, and what a volume can do of it.

use std::fs::FileTimes;
use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::temporary::probe_name;
use crate::fs::entry::{Entry, Folder, OpenRoot};
use crate::fs::rename::{TouchError, check_unchanged};
use crate::fs::{FileStamp, FsError};

/// What the volume of a root can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Files with several names.
    pub hardlink: bool,
    /// Files that share their bytes until one of them changes.
    pub reflink: bool,
}

/// Tries out what the volume can do, with files of the hub's own that are gone afterwards.
pub fn abilities(root: &Arc<OpenRoot>) -> Result<Abilities, FsError> {
    let folder = Folder::open(root, None)?;
    let [from, to] = ["from", "to"].map(|name| folder.entry(&probe_name(name)));
    let tried = try_out(&from, &to);
    to.clean_up();
    from.clean_up();
    tried
}

fn try_out(from: &Entry, to: &Entry) -> Result<Abilities, FsError> {
    from.create()?.write_all(&[1; 4096]).map_err(FsError::at("write", from.path()))?;
    let hardlink = from.link(to).is_ok();
    to.discard()?;
    let reflink = clone(from, to, from).is_ok();
    Ok(Abilities { hardlink, reflink })
}

/// Makes a file that shares the bytes of `source`, with the time and permissions of `like`.
pub fn clone(source: &Entry, dest: &Entry, like: &Entry) -> Result<(), FsError> {
    let (bytes, _) = source.open_for_reading()?;
    let (_, metadata) = like.open_for_reading()?;
    let file = dest.create()?;
    reflink_copy::reflink_file(&bytes, &file).map_err(FsError::at("share the bytes for", dest.path()))?;
    if let Ok(modified) = metadata.modified() {
        let times = FileTimes::new().set_modified(modified).set_accessed(SystemTime::now());
        file.set_times(times).map_err(FsError::at("set the time of", dest.path()))?;
    }
    file.sync_all().map_err(FsError::at("sync", dest.path()))?;
    file.set_permissions(metadata.permissions()).map_err(FsError::at("set the permissions of", dest.path()))
}

/// Puts a temporary file in the place of an unchanged one, in one step.
pub fn replace(part: &Entry, file: &Entry, expected: FileStamp) -> Result<(), TouchError> {
    check_unchanged(file, expected)?;
    part.replace(file)?;
    // Where both are names of one file already, a rename does nothing and leaves both.
    part.discard()?;
    Ok(file.folder().sync()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::RootDir;
    use crate::fs::entry::testing::entry;
    use crate::fs::identity::is_same_file;

    #[test]
    fn trying_out_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let able = abilities(&OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap()).unwrap();
        assert!(able.hardlink, "every disk that tests run on has hard links");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_takes_the_place_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let [keeper, file, part] = ["keeper", "file", ".file.1.part"].map(|name| entry(folder.path(), name));
        fs::write(keeper.path(), b"same").unwrap();
        fs::write(file.path(), b"same").unwrap();
        for _ in 0..2 {
            keeper.link(&part).unwrap();
            replace(&part, &file, file.stamp().unwrap()).unwrap();
            assert!(is_same_file(keeper.path(), file.path()).unwrap());
            assert!(!part.path().exists(), "also where both were one file before");
        }
    }

    #[test]
    fn a_changed_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, part] = ["file", ".file.1.part"].map(|name| entry(folder.path(), name));
        fs::write(file.path(), b"old").unwrap();
        let stamp = file.stamp().unwrap();
        fs::write(file.path(), b"someone wrote here").unwrap();
        fs::write(part.path(), b"new").unwrap();
        assert!(matches!(replace(&part, &file, stamp), Err(TouchError::Changed)));
        assert_eq!(fs::read(file.path()).unwrap(), b"someone wrote here");
    }
}
