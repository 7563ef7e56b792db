//! Volumes on Linux.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{StatFs, fstat, fstatvfs, major, minor, statfs, statvfs};

use super::mounts::{MountEntry, mount_of};
use super::{VolumeKind, VolumeSpace};

pub(super) fn space(folder: &Path) -> io::Result<Option<VolumeSpace>> {
    let facts = statvfs(folder)?;
    Ok(VolumeSpace::known(facts.f_bavail.saturating_mul(facts.f_frsize), facts.f_blocks.saturating_mul(facts.f_frsize)))
}

/// The file system's own number, which survives a restart where the device's does not.
pub(super) fn lasting_id(folder: &Path) -> Option<String> {
    statvfs(folder).ok().map(|facts| facts.f_fsid).filter(|id| *id != 0).map(|id| format!("fsid:{id:x}"))
}

/// The file system's own number. Servers and FUSE have none, and that of their device is made up at each mount: there
/// the table of mounts says what is mounted.
pub(super) fn disk_of(open: &File, path: &Path) -> io::Result<String> {
    let number = fstatvfs(open)?.f_fsid;
    if number != 0 {
        return Ok(format!("fsid:{number:x}"));
    }
    Ok(match mount_of(path) {
        Some(mount) => format!("{}:{}", mount.fs_type, mount.source.display()),
        None => format!("device:{:x}", fstat(open)?.st_dev),
    })
}

/// The numbers are those of `statfs(2)`.
pub(super) fn kind(folder: &Path) -> VolumeKind {
    let Ok(facts) = statfs(folder) else { return VolumeKind::Unknown };
    match number(&facts) {
        // NFS SMB CIFS SMB2 9P CEPH AFS CODA NCP vboxsf vmhgfs
        0x6969 | 0x517b | 0xff53_4d42 | 0xfe53_4d42 | 0x0102_1997 | 0x00c3_6400 | 0x5346_414f | 0x7375_7245
        | 0x564c | 0x786f_4256 | 0xbacb_acbc => VolumeKind::Network,
        // tmpfs ramfs
        0x0102_1994 | 0x8584_58f6 => VolumeKind::Memory,
        // FUSE: local disks and servers alike, told apart by name.
        0x6573_5546 => mount_of(folder).map_or(VolumeKind::Unknown, |mount| fuse_kind(folder, &mount)),
        _ => disk_kind(folder),
    }
}

/// A file system's number in `statfs(2)`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the field's width and sign differ by architecture; the numbers have 32 bits"
)]
const fn number(facts: &StatFs) -> u32 {
    facts.f_type as u32
}

/// Whether files keep their number and change time from one mount to the next: known of these, and of no other.
pub(super) const fn is_lasting(facts: &StatFs) -> bool {
    matches!(
        number(facts),
        // ext2-4 XFS Btrfs ZFS F2FS bcachefs JFS ReiserFS tmpfs ramfs overlay
        0xef53
            | 0x5846_5342
            | 0x9123_683e
            | 0x2fc1_2fc1
            | 0xf2f5_2010
            | 0xca45_1a4e
            | 0x3153_464a
            | 0x5265_4973
            | 0x0102_1994
            | 0x8584_58f6
            | 0x794c_7630
    )
}

/// Whether folders keep their number from one mount to the next: a server of NFS gives it, though not a change time that
/// could be held against that of the client.
pub(super) const fn numbers_folders(facts: &StatFs) -> bool {
    is_lasting(facts) || number(facts) == 0x6969
}

/// `fuseblk` is a local disk (NTFS, exFAT); of the others only those with a known local meaning are.
fn fuse_kind(folder: &Path, mount: &MountEntry) -> VolumeKind {
    match mount.fs_type.as_str() {
        "fuseblk" => disk_kind(folder),
        "fuse.mergerfs" | "fuse.bindfs" | "fuse.fuse-overlayfs" | "fuse.gocryptfs" | "fuse.encfs" | "fuse.ntfs-3g" => {
            VolumeKind::Unknown
        }
        _ => VolumeKind::Network,
    }
}

fn disk_kind(folder: &Path) -> VolumeKind {
    let Ok(metadata) = fs::metadata(folder) else { return VolumeKind::Unknown };
    is_rotating(metadata.dev())
        // Btrfs and overlays have numbers of their own; the mount names the disk under them.
        .or_else(|| is_rotating(fs::metadata(mount_of(folder)?.source).ok()?.rdev()))
        .map_or(VolumeKind::Unknown, |rotating| if rotating { VolumeKind::Rotating } else { VolumeKind::Solid })
}

/// A partition has no queue of its own: its disk, one folder up, has.
fn is_rotating(device: u64) -> Option<bool> {
    let disk = Path::new("/sys/dev/block").join(format!("{}:{}", major(device), minor(device)));
    let real = fs::canonicalize(disk).ok()?;
    if is_guest_disk(&real) {
        return None;
    }
    let text = fs::read_to_string(real.join("queue/rotational"))
        .or_else(|_| fs::read_to_string(real.join("../queue/rotational")))
        .ok()?;
    Some(text.trim() == "1")
}

/// Whether this is a virtual machine's disk on a bus (virtio, Xen) that says "rotating" of every disk,
/// because the host does not tell what is under it.
fn is_guest_disk(device: &Path) -> bool {
    device.iter().any(|part| {
        let part = part.to_string_lossy();
        part.strip_prefix("virtio").is_some_and(|n| n.parse::<u32>().is_ok()) || part.starts_with("vbd-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(fs_type: &str) -> MountEntry {
        MountEntry { fs_type: fs_type.to_owned(), source: "server:/x".into() }
    }

    #[test]
    fn what_a_guest_hears_of_its_disk_is_not_believed() {
        let guest = |device| is_guest_disk(Path::new(device));
        assert!(guest("/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda/vda1"));
        assert!(guest("/sys/devices/vbd-51712/block/xvda"));
        assert!(!guest("/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda"));
    }

    #[test]
    fn an_unknown_fuse_file_system_counts_as_far_away() {
        let folder = Path::new("/proc");
        assert_eq!(fuse_kind(folder, &mount("fuse.sshfs")), VolumeKind::Network);
        assert_eq!(fuse_kind(folder, &mount("fuse.rclone")), VolumeKind::Network);
        assert_ne!(fuse_kind(folder, &mount("fuseblk")), VolumeKind::Network);
        assert_eq!(fuse_kind(folder, &mount("fuse.mergerfs")), VolumeKind::Unknown);
    }
}
