//! Small files that are either the old ones or the new ones, whatever happens: written beside, synced,
//! renamed, and the folder synced.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::FileError;
use crate::system;

/// Ending of a file that is being written; one that is found belongs to a write that was cut off.
pub const TEMPORARY: &str = "tmp";

/// Replaces a file, readable by its owner only. It is on the disk when this returns.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_private(path, content, true)?;
    sync_folder_of(path)
}

/// [`replace`] without waiting for the disk: for what may be lost with the power.
pub fn replace_lightly(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_private(path, content, false)
}

/// Makes what was written to a file last, where its disk offers that.
pub fn sync_bytes(file: &fs::File) -> io::Result<()> {
    system::sync_bytes(file)
}

/// Removes a file for good; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), FileError> {
    remove_lightly(path)?;
    sync_folder_of(path)
}

/// [`remove`] without waiting for the disk.
pub(crate) fn remove_lightly(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", path)(source)),
        _ => Ok(()),
    }
}

/// Makes a folder, with those above it.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::of("make the folder", path))
}

fn write_private(path: &Path, content: &[u8], is_synced: bool) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_beside(path, &path.with_file_name(name), content, &mut options, is_synced)
}

/// Writes `content` to a new file `beside`, made with these options, and gives it the name `path`: after a power
/// cut that is the old file or the new one, if the new one was synced.
pub(crate) fn write_beside(
    path: &Path,
    beside: &Path,
    content: &[u8],
    options: &mut OpenOptions,
    is_synced: bool,
) -> Result<(), FileError> {
    // An old one may have other rights, or be someone's link.
    remove_lightly(beside)?;
    let mut file = options.write(true).create_new(true).open(beside).map_err(FileError::of("make", beside))?;
    let written = file.write_all(content).and_then(|()| if is_synced { system::sync_file(&file) } else { Ok(()) });
    written.map_err(FileError::of("write", beside))?;
    fs::rename(beside, path).map_err(FileError::of("replace", path))
}

/// Makes a rename or removal last.
fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    system::sync_folder(folder).map_err(FileError::of("sync", folder))
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
