//! What lies under a folder: free space, what kind of disk, and whether two folders share it.

use std::path::{Path, PathBuf};

use file_id::FileId;

use crate::fs::FsError;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

/// Room on a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeSpace {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes of the whole volume.
    pub total_bytes: u64,
}

impl VolumeSpace {
    /// What the system said of a volume, if that means anything: of some network and FUSE mounts it says 0
    /// of 0, which is no full disk.
    pub(super) const fn known(free_bytes: u64, total_bytes: u64) -> Option<Self> {
        if total_bytes == 0 { None } else { Some(Self { free_bytes, total_bytes }) }
    }
}

/// What kind of disk a folder lies on; it decides how many files are read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeKind {
    /// Another machine's disk.
    Network,
    /// Platters: seeking costs more than reading.
    Rotating,
    /// Flash.
    Solid,
    /// Main memory.
    Memory,
    /// The system does not say.
    Unknown,
}

/// Room on the volume of a folder; none where the system does not know.
pub fn space(folder: &Path) -> Result<Option<VolumeSpace>, FsError> {
    system::space(folder).map_err(FsError::at("measure", folder))
}

/// Where other volumes are mounted below a folder, as paths relative to it.
pub fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    #[cfg(target_os = "linux")]
    return mounts::points_below(folder);
    #[cfg(not(target_os = "linux"))]
    {
        // What is mounted in a folder is a junction to Windows, and not followed.
        let _ = folder;
        Vec::new()
    }
}

/// What kind of disk a folder, which need not exist yet, lies or would lie on.
pub fn kind(folder: &Path) -> VolumeKind {
    system::kind(&nearest_existing(folder))
}

/// Whether a folder, which need not exist yet, lies or would lie on another machine's disk.
pub fn is_network(folder: &Path) -> bool {
    kind(folder) == VolumeKind::Network
}

/// Whether this file's or folder's file system keeps a number and a change time for each file that last as long as the
/// file is not touched. Where numbers are made up per mount (FUSE, FAT, many servers), or what a client says of the
/// change time is not yet the server's, the answer is no: then size and time have to do, see docs/adr.
#[cfg(target_os = "linux")]
pub(in crate::fs) fn keeps_identities(open: &std::fs::File) -> bool {
    rustix::fs::fstatfs(open).is_ok_and(|facts| linux::is_lasting(&facts))
}

/// The same by name.
#[cfg(target_os = "linux")]
pub(in crate::fs) fn keeps_identities_at(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|facts| linux::is_lasting(&facts))
}

/// A text for the disk of an open folder that lasts over a restart where the system has one. `path` is its real one.
#[cfg(target_os = "linux")]
pub(in crate::fs) fn disk_of(open: &std::fs::File, path: &Path) -> std::io::Result<String> {
    linux::disk_of(open, path)
}

/// Whether a folder keeps its number from one mount to the next.
#[cfg(target_os = "linux")]
pub(in crate::fs) fn numbers_folders(open: &std::fs::File) -> bool {
    rustix::fs::fstatfs(open).is_ok_and(|facts| linux::numbers_folders(&facts))
}

/// A text that tells this volume from others on this machine.
pub fn volume_id(folder: &Path) -> Result<String, FsError> {
    if let Some(id) = system::lasting_id(folder) {
        return Ok(id);
    }
    Ok(match file_id(folder)? {
        FileId::Inode { device_id, .. } => format!("device:{device_id:x}"),
        FileId::LowRes { volume_serial_number, .. } => format!("serial:{volume_serial_number:x}"),
        FileId::HighRes { volume_serial_number, .. } => format!("serial:{volume_serial_number:x}"),
    })
}

fn file_id(path: &Path) -> Result<FileId, FsError> {
    file_id::get_file_id(path).map_err(FsError::at("look at", path))
}

/// The folder itself or its nearest parent that is there.
fn nearest_existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_and_a_volume() {
        let folder = tempfile::tempdir().unwrap();
        let space = space(folder.path()).unwrap().unwrap();
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
        assert!(!volume_id(folder.path()).unwrap().is_empty());
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        assert_eq!(volume_id(folder.path()).unwrap(), volume_id(&inner).unwrap());
    }

    #[test]
    fn nothing_of_nothing_is_unknown_and_nothing_of_something_is_full() {
        assert_eq!(VolumeSpace::known(0, 0), None);
        assert_eq!(VolumeSpace::known(0, 9), Some(VolumeSpace { free_bytes: 0, total_bytes: 9 }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_without_room_of_its_own_is_unknown() {
        assert_eq!(super::space(Path::new("/proc")).unwrap(), None);
    }

    #[test]
    fn what_is_not_there_has_no_room_but_a_kind() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("not/there");
        assert!(space(&missing).unwrap_err().is_not_found());
        assert_eq!(kind(&missing), kind(folder.path()));
        assert_eq!(is_network(&missing), is_network(folder.path()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_told_from_disks() {
        let shm = Path::new("/dev/shm");
        assert_eq!(kind(shm), VolumeKind::Memory, "/dev/shm is a tmpfs on every Linux");
        assert!(!is_network(shm));
    }
}
