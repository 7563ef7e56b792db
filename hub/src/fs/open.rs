//! Opening people's files for reading, and the stamp by which a change is noticed.
//!
//! Only regular files are opened: never through a link, never a device or pipe, and never a cloud
//! placeholder, whose opening would download it.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::domain::identity::Identity;
use crate::domain::ticks::Ticks;
use crate::fs::FsError;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// Size, modification time and identity: as long as all stay, the content counts as unchanged.
///
/// Two stamps are equal if nothing speaks against it: an identity that is not known agrees with any, see
/// [`Identity::agree`].
#[derive(Debug, Clone, Copy)]
pub struct FileStamp {
    pub size_bytes: u64,
    /// Modification time, exactly as the file system keeps it.
    pub modified: Ticks,
    /// Where the file system keeps one that lasts, and it was looked at.
    pub identity: Option<Identity>,
}

impl PartialEq for FileStamp {
    fn eq(&self, other: &Self) -> bool {
        self.is_like(*other) && Identity::agree(self.identity, other.identity)
    }
}

impl FileStamp {
    /// As it was stored.
    pub const fn known(size_bytes: u64, modified: Ticks, identity: Option<Identity>) -> Self {
        Self { size_bytes, modified, identity }
    }

    /// What a file's metadata says, without an identity. A file system without times gives the epoch.
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().map(Ticks::from_system_time).unwrap_or_default();
        Self { size_bytes: metadata.len(), modified, identity: None }
    }

    /// The stamp of an open file whose metadata was looked at.
    pub fn of_open(file: &File, metadata: &Metadata) -> Self {
        Self { identity: system::identity(file, metadata), ..Self::of(metadata) }
    }

    /// The stamp of the file of a name whose metadata was looked at.
    pub fn of_named(path: &Path, metadata: &Metadata) -> Self {
        Self { identity: system::identity_at(path, metadata), ..Self::of(metadata) }
    }

    /// Whether size and time are the same, whatever the identities: so it is before and behind what the hub itself
    /// does to a name.
    pub fn is_like(self, other: Self) -> bool {
        (self.size_bytes, self.modified) == (other.size_bytes, other.modified)
    }

    /// The stamp of a file that the hub gave another name: a rename changes the identity. `now` is what a look told
    /// since; one that was changed has to be found by the next scan.
    #[must_use]
    pub fn behind_rename(self, now: Option<Self>) -> Self {
        now.filter(|now| now.is_like(self)).unwrap_or(Self { identity: None, ..self })
    }
}

/// Opens a regular file for reading. Others may still read, rename and delete it; on Windows they
/// can't write to it meanwhile.
#[cfg(test)]
pub fn open_for_reading(path: &Path) -> Result<File, FsError> {
    open_with_metadata(path).map(|(file, _)| file)
}

/// Opens what has this name for reading, unless it is a link or lies in a cloud.
#[cfg(windows)]
pub(super) fn open_plainly(path: &Path) -> io::Result<File> {
    system::open(path)
}

/// The same, with the metadata that was looked at on the way.
pub(super) fn open_with_metadata(path: &Path) -> Result<(File, Metadata), FsError> {
    let file = system::open(path).map_err(FsError::at("open", path))?;
    let metadata = file.metadata().map_err(FsError::at("look at", path))?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_a_file(path)) }
}

/// The stamp of an open file.
pub fn stamp(file: &File) -> io::Result<FileStamp> {
    file.metadata().map(|metadata| FileStamp::of_open(file, &metadata))
}

/// The stamp of the regular file that has this name now.
pub fn stamp_path(path: &Path) -> Result<FileStamp, FsError> {
    let metadata = fs::symlink_metadata(path).map_err(FsError::at("look at", path))?;
    if metadata.is_file() { Ok(FileStamp::of_named(path, &metadata)) } else { Err(not_a_file(path)) }
}

/// Whether the content lies in a cloud and would be fetched by reading it.
#[cfg(windows)]
pub fn is_placeholder(metadata: &Metadata) -> bool {
    system::is_placeholder(metadata)
}

/// Tells the system that the file will be read once from front to back.
pub fn advise_sequential(file: &File) {
    system::advise_sequential(file);
}

/// Lets the next read of a file come from the disk, as far as the system allows: what is still on its way
/// to the disk is written first, and what memory holds of the file is forgotten.
pub(super) fn forget(file: &File) {
    system::forget_cached(file);
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_full(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(super) fn not_a_file(path: &Path) -> FsError {
    FsError::refused("open", path, ErrorKind::Unsupported, "it is not a regular file")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_by_name_and_by_handle_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"12345").unwrap();
        let file = open_for_reading(&path).unwrap();
        assert_eq!(stamp(&file).unwrap(), stamp_path(&path).unwrap());
        assert_eq!(stamp_path(&path).unwrap().size_bytes, 5);
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open_for_reading(folder.path()).is_err());
        assert!(stamp_path(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn neither_links_nor_pipes_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("real"), b"x").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("real"), &link).unwrap();
        assert!(open_for_reading(&link).is_err());
        assert!(stamp_path(&link).is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        // Without O_NONBLOCK this would wait for a writer for ever.
        assert!(open_for_reading(&pipe).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn read_full_stops_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"12345").unwrap();
        let file = open_for_reading(&path).unwrap();
        let (mut first, mut rest) = ([0; 3], [0; 5]);
        assert_eq!(read_full(&file, &mut first).unwrap(), 3);
        assert_eq!(read_full(&file, &mut rest).unwrap(), 2);
        assert_eq!((&first, &rest), (b"123", b"45\0\0\0"));
    }
}
