//! Files that are the hub's own and nobody else's: tokens, keys, and what people keep.
//!
//! On Windows a folder below `%LOCALAPPDATA%`, which the data folder is by default, is its user's
//! alone, and what is made in it inherits that; nothing is set here.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes a file for this user only, or empties the one that is there.
pub fn create(path: &Path) -> io::Result<File> {
    let file = options().truncate(true).open(path)?;
    // One that was there keeps its mode.
    tighten(path)?;
    Ok(file)
}

/// Opens a file for this user only, and makes it if it is not there.
pub fn open(path: &Path) -> io::Result<File> {
    let file = options().truncate(false).open(path)?;
    tighten(path)?;
    Ok(file)
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a folder with those above it, the last one for this user only.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    tighten(path)
}

/// Takes everybody else's rights to a file or folder of the hub; a link is left as it is. What
/// belongs to another user, who decides about it, stays too.
#[cfg(unix)]
pub fn tighten(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::symlink_metadata(path)?;
    let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
    let others = metadata.permissions().mode() & 0o077;
    if metadata.is_symlink() || others == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!(%error, path = %path.display(), "others may read a file of the hub");
            Ok(())
        }
        done => done,
    }
}

/// On Windows files inherit the rights of their folder.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
pub fn tighten(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Tightens what is directly in a folder, as far as it is a file whose name `is_ours`.
pub fn tighten_files(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_ours(&entry.file_name().to_string_lossy()) {
            // One that has just gone needs nothing.
            tighten(&entry.path()).ok();
        }
    }
}

/// Whether others than this user may read a file or folder.
#[cfg(unix)]
pub fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// On Windows: whether it lies outside of the folders that are the user's alone.
#[cfg(not(unix))]
pub fn is_open_to_others(path: &Path) -> bool {
    let own = directories::BaseDirs::new();
    !own.is_some_and(|own| path.starts_with(own.home_dir()) || path.starts_with(own.data_local_dir()))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_ours_alone_and_what_was_open_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        create(&new).unwrap();
        assert_eq!(mode(&new), 0o600);
        fs::write(&old, "text").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
        open(&old).unwrap();
        assert_eq!((mode(&old), fs::read_to_string(&old).unwrap().as_str()), (0o600, "text"));
        let inner = folder.path().join("a/b");
        make_folder(&inner).unwrap();
        assert_eq!(mode(&inner), 0o700);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_open_to_others(&inner));
        make_folder(&inner).unwrap();
        assert!(!is_open_to_others(&inner));
    }

    #[test]
    fn only_files_of_the_hub_are_touched() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["hub.db", "theirs"] {
            fs::write(folder.path().join(name), "").unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("theirs"), folder.path().join("hub.db-link")).unwrap();
        tighten_files(folder.path(), |name| name.starts_with("hub.db"));
        assert_eq!(mode(&folder.path().join("hub.db")), 0o600);
        assert_eq!(mode(&folder.path().join("theirs")), 0o644);
    }
}
