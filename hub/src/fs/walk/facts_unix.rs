//! A file's facts on Unix: one `fstatat` in the open folder, which spares the kernel the way down from
//! the top for each file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, OFlags, Stat, StatxAttributes, StatxFlags, fstat, fstatvfs, statat, statx};
use rustix::io::Errno;
use walkdir::DirEntry;

use super::{FileIdentity, NO_MOUNT};
use crate::domain::identity::Identity;
use crate::domain::ticks::Ticks;
use crate::fs::OwnFolder;
use crate::fs::identity::of_inode;
use crate::fs::volume;

/// An open folder.
pub(super) struct Folder {
    open: File,
    keeps_identities: bool,
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
        let nofollow = if may_be_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::DIRECTORY | nofollow;
        let open = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        Ok(Self { keeps_identities: volume::keeps_identities(&open), open })
    }

    /// Asks the open folder itself. A folder of another device than the one around it counts as mounted,
    /// too: a subvolume of Btrfs is one, and old kernels don't tell of mounts.
    pub(super) fn place(&self, device_above: Option<u64>) -> io::Result<Place> {
        let stat = fstat(&self.open)?;
        let is_boundary = is_mount_root(&self.open)? || device_above.is_some_and(|above| above != stat.st_dev);
        let mount = if is_boundary { self.disk(&stat) } else { NO_MOUNT.to_owned() };
        Ok(Place { mount, device: Some(stat.st_dev) })
    }

    /// The file system's own number, which survives a restart where the device's does not, and which of its
    /// folders is mounted: a bind mount may show any of them.
    fn disk(&self, stat: &Stat) -> String {
        match fstatvfs(&self.open).map(|facts| facts.f_fsid) {
            Ok(id) if id != 0 => format!("fsid:{id:x}:{:x}", stat.st_ino),
            _ => format!("device:{:x}:{:x}", stat.st_dev, stat.st_ino),
        }
    }

    /// Whether the folder is still the one of this path.
    pub(super) fn is_still_at(&self, path: &Path, may_be_link: bool) -> io::Result<bool> {
        let flags = if may_be_link { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let (opened, found) = (fstat(&self.open)?, statat(CWD, path, flags)?);
        Ok((opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino))
    }

    /// Whether a folder in this one is the hub's data folder, perhaps mounted here once more.
    pub(super) fn is_own(&self, entry: &DirEntry, own: &OwnFolder) -> bool {
        let Some(identity) = own.identity() else { return false };
        statat(&self.open, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| stat.st_dev == identity.device && stat.st_ino == identity.file)
    }

    /// The facts of a file in this folder. One that is no regular file any more counts as gone.
    pub(super) fn facts(&self, entry: &DirEntry) -> io::Result<Facts> {
        let stat = statat(&self.open, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::NotFound.into());
        }
        let identity = FileIdentity { device: stat.st_dev, inode: stat.st_ino, n_links: stat.st_nlink };
        Ok(Facts {
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified: Ticks::from_unix(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            placeholder: false,
            identity: Some(identity),
            stands_by: self
                .keeps_identities
                .then(|| of_inode(stat.st_ino, stat.st_ctime, stat.st_ctime_nsec.cast_signed())),
        })
    }
}

/// Whether something is mounted on an open folder; `false` where the kernel does not tell.
fn is_mount_root(folder: &File) -> io::Result<bool> {
    match statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE) {
        Ok(facts) => Ok(facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        Err(Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
