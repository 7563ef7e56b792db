//! The table of mounts, `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct MountEntry {
    /// `ext4`, `fuse.sshfs` …
    pub(super) fs_type: String,
    /// `/dev/sda1`, `server:/export` …
    pub(super) source: PathBuf,
}

/// The mount that a folder lies on.
pub(super) fn mount_of(folder: &Path) -> Option<MountEntry> {
    let folder = fs::canonicalize(folder).ok()?;
    find(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
}

/// The mount points below a folder.
pub(super) fn points_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(folder) = fs::canonicalize(folder) else { return Vec::new() };
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(parse).map(|(point, _)| point);
    points.filter_map(|point| point.strip_prefix(&folder).ok().map(Path::to_owned)).collect()
}

/// The deepest mount point around the folder; of several on one point the last counts.
fn find(table: &str, folder: &Path) -> Option<MountEntry> {
    let around = table.lines().filter_map(parse).filter(|(point, _)| folder.starts_with(point));
    around.max_by_key(|(point, _)| point.components().count()).map(|(_, mount)| mount)
}

/// `36 35 98:0 /root /point options optional… - type source options`
fn parse(line: &str) -> Option<(PathBuf, MountEntry)> {
    let (before, after) = line.split_once(" - ")?;
    let point = unescape(before.split(' ').nth(4)?);
    let mut after = after.split(' ');
    Some((point, MountEntry { fs_type: after.next()?.to_owned(), source: unescape(after.next()?) }))
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.first_chunk::<3>().filter(|_| *first == b'\\').and_then(|digits| octal(*digits));
        bytes.push(octal.unwrap_or(*first));
        rest = octal.and_then(|_| tail.get(3..)).unwrap_or(tail);
    }
    OsString::from_vec(bytes).into()
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    const TABLE: &str = "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        40 22 0:40 / /mnt/my\\040nas rw - fuse.sshfs me@nas:/models rw\n\
        41 22 0:41 / /mnt rw master:3 propagate_from:2 - nfs4 nas:/all rw\n";

    #[test]
    fn the_deepest_mount_counts() {
        let find = |folder: &str| find(TABLE, Path::new(folder)).unwrap();
        assert_eq!(find("/home/x").source, Path::new("/dev/vda1"));
        assert_eq!(find("/mnt/other").fs_type, "nfs4");
        assert_eq!(find("/mnt/my nas/loras").fs_type, "fuse.sshfs");
        assert_eq!(find("/mnt2").fs_type, "ext4", "compared by parts");
    }

    #[test]
    fn this_machine_has_mounts() {
        assert!(mount_of(Path::new("/proc")).is_some_and(|mount| mount.fs_type == "proc"));
    }
}
