//! A file's facts on Windows: they come with the listing, without another look at the file.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use walkdir::DirEntry;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_LIST_DIRECTORY,
};

use super::identities::{self, Identities};
use super::{FileIdentity, NO_MOUNT};
use crate::domain::identity::Identity;
use crate::domain::ticks::Ticks;
use crate::fs::OwnFolder;
use crate::fs::open::{FileStamp, is_placeholder};

/// A folder to be listed, with what the system says of all its files at once.
pub(super) struct Folder {
    identities: Identities,
}

/// Where a folder lies.
pub(super) struct Place {
    /// The disk that is mounted on it, or [`NO_MOUNT`].
    pub(super) mount: String,
    /// The number of its device.
    pub(super) device: Option<u64>,
}

/// What a listing tells about a file.
pub(super) struct Facts {
    pub(super) size_bytes: u64,
    pub(super) modified: Ticks,
    pub(super) placeholder: bool,
    pub(super) identity: Option<FileIdentity>,
    pub(super) stands_by: Option<Identity>,
}

impl Folder {
    pub(super) fn open(path: &Path, may_be_link: bool) -> io::Result<Self> {
        let metadata = if may_be_link { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        if !metadata.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        let no_link = if may_be_link { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
        let open = OpenOptions::new()
            .access_mode(FILE_LIST_DIRECTORY)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | no_link)
            .open(path);
        // Without identities the folder is listed as it ever was.
        Ok(Self { identities: open.map(|folder| identities::of_folder(&folder)).unwrap_or_default() })
    }

    /// A volume that is mounted on a folder is a junction, and those are not gone through.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other system asks the open folder")]
    pub(super) fn place(&self, _device_above: Option<u64>) -> io::Result<Place> {
        Ok(Place { mount: NO_MOUNT.to_owned(), device: None })
    }

    /// Nothing can be mounted over a folder without making it a junction.
    #[allow(clippy::unused_self, reason = "the other system asks the open folder")]
    pub(super) fn is_still_at(&self, path: &Path, may_be_link: bool) -> io::Result<bool> {
        Self::open(path, may_be_link).map(|_| true)
    }

    /// Whether a folder in this one is the hub's data folder.
    #[allow(clippy::unused_self, reason = "the other system looks into the open folder")]
    pub(super) fn is_own(&self, entry: &DirEntry, own: &OwnFolder) -> bool {
        entry.metadata().is_ok_and(|metadata| own.is(entry.path(), &metadata))
    }

    /// Which names a file has would need each file opened.
    pub(super) fn facts(&self, entry: &DirEntry) -> io::Result<Facts> {
        let metadata =
            entry.metadata().map_err(|error| error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into()))?;
        let FileStamp { size_bytes, modified, .. } = FileStamp::of(&metadata);
        let stands_by = self.identities.get(entry.file_name()).copied();
        Ok(Facts { size_bytes, modified, placeholder: is_placeholder(&metadata), identity: None, stands_by })
    }
}
