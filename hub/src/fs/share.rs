//! Two names for one file, or two files with the same bytes on the disk, and what a volume can do of it.

use std::fs::{self, File, FileTimes};
use std::path::Path;

use crate::fs::copy::{discard_part, part_path};
use crate::fs::rename::{TouchError, check_unchanged, sync_folder};
use crate::fs::{FileStamp, FsError, RootDir};

/// What the volume of a root can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Files with several names.
    pub hardlink: bool,
    /// Files that share their bytes until one of them changes.
    pub reflink: bool,
}

/// Tries out what the volume can do, with files of the hub's own that are gone afterwards.
pub fn abilities(root: &RootDir) -> Result<Abilities, FsError> {
    let token = uuid::Uuid::new_v4().simple().to_string();
    let [from, to] = ["from", "to"].map(|name| part_path(root.path(), name, &format!("probe-{token}")));
    let tried = try_out(&from, &to);
    for path in [&to, &from] {
        discard_part(path)?;
    }
    tried
}

fn try_out(from: &Path, to: &Path) -> Result<Abilities, FsError> {
    fs::write(from, [1; 4096]).map_err(FsError::at("create", from))?;
    let hardlink = fs::hard_link(from, to).is_ok();
    discard_part(to)?;
    let reflink = reflink_copy::reflink(from, to).is_ok();
    Ok(Abilities { hardlink, reflink })
}

/// Makes another name of a file.
pub fn link(file: &Path, name: &Path) -> Result<(), FsError> {
    fs::hard_link(file, name).map_err(FsError::at("link", name))
}

/// Makes a file that shares the bytes of `source`, with the time and permissions of `like`.
pub fn clone(source: &Path, dest: &Path, like: &Path) -> Result<(), FsError> {
    reflink_copy::reflink(source, dest).map_err(FsError::at("share the bytes for", dest))?;
    let metadata = fs::symlink_metadata(like).map_err(FsError::at("look at", like))?;
    let file = File::options().write(true).open(dest).map_err(FsError::at("open", dest))?;
    if let Ok(modified) = metadata.modified() {
        let times = FileTimes::new().set_modified(modified);
        file.set_times(times).map_err(FsError::at("set the time of", dest))?;
    }
    file.sync_all().map_err(FsError::at("sync", dest))?;
    fs::set_permissions(dest, metadata.permissions()).map_err(FsError::at("set the permissions of", dest))
}

/// Puts a temporary file in the place of an unchanged one, in one step.
pub fn replace(part: &Path, file: &Path, expected: FileStamp) -> Result<(), TouchError> {
    check_unchanged(file, expected)?;
    fs::rename(part, file).map_err(FsError::at("rename to", file))?;
    // Where both are names of one file already, a rename does nothing and leaves both.
    discard_part(part)?;
    if let Some(folder) = file.parent() {
        sync_folder(folder)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::fs::identity::is_same_file;
    use crate::fs::open::stamp_path;

    #[test]
    fn trying_out_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let able = abilities(&RootDir::open(folder.path()).unwrap()).unwrap();
        assert!(able.hardlink, "every disk that tests run on has hard links");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(abilities(&RootDir::open(&folder.path().join("away")).unwrap()).unwrap_err().is_not_found());
    }

    #[test]
    fn a_link_takes_the_place_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let [keeper, file, part] = ["keeper", "file", ".file.1.part"].map(|name| folder.path().join(name));
        fs::write(&keeper, b"same").unwrap();
        fs::write(&file, b"same").unwrap();
        for _ in 0..2 {
            link(&keeper, &part).unwrap();
            replace(&part, &file, stamp_path(&file).unwrap()).unwrap();
            assert!(is_same_file(&keeper, &file).unwrap());
            assert!(!part.exists(), "also where both were one file before");
        }
    }

    #[test]
    fn a_changed_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, part] = ["file", ".file.1.part"].map(|name| folder.path().join(name));
        fs::write(&file, b"old").unwrap();
        let stamp = stamp_path(&file).unwrap();
        fs::write(&file, b"someone wrote here").unwrap();
        fs::write(&part, b"new").unwrap();
        assert!(matches!(replace(&part, &file, stamp), Err(TouchError::Changed)));
        assert_eq!(fs::read(&file).unwrap(), b"someone wrote here");
    }
}
