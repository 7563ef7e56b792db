//! Small files that are either the old ones or the new ones, whatever happens: written beside, synced,
//! renamed, and the folder synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried.
    pub verb: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// Makes the error of an attempt.
    pub fn of<'a>(verb: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Self + 'a {
        move |source| Self { verb, path: path.to_owned(), source }
    }
}

/// Ending of a file that is being written; one that is found belongs to a write that was cut off.
pub const TEMPORARY: &str = "tmp";

/// Replaces a file, readable by its owner only. It is on the disk when this returns.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_beside(path, content, true)?;
    sync_folder(path)
}

/// [`replace`] without waiting for the disk: for what may be lost with the power.
pub fn replace_lightly(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_beside(path, content, false)
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", path)(source)),
        _ => sync_folder(path),
    }
}

fn write_beside(path: &Path, content: &[u8], is_synced: bool) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    let beside = path.with_file_name(name);
    let written = own(&beside).and_then(|mut file| {
        file.write_all(content)?;
        if is_synced { file.sync_all() } else { Ok(()) }
    });
    written.map_err(FileError::of("write", &beside))?;
    fs::rename(&beside, path).map_err(FileError::of("replace", path))
}

/// Opens a file that is written anew, for its owner only.
fn own(path: &Path) -> io::Result<File> {
    // An old one may have other rights, or be someone's link.
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(source),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a rename or removal last.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(FileError::of("sync", folder))
}

/// Elsewhere a folder can't be opened; its file system journals names by itself.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature on every system")]
fn sync_folder(_path: &Path) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        // Left by a write that was cut off.
        fs::write(folder.path().join("x.json.tmp"), "half").unwrap();
        replace(&path, b"one").unwrap();
        replace_lightly(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
