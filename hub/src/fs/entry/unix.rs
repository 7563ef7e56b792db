//! Opened folders on Unix: every name is looked up in the handle, never from the top.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatxFlags, fstat, fstatvfs, linkat,
    mkdirat, openat, openat2, renameat, renameat_with, statat, statx, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use super::folder::{Listed, Mount};
use super::{EntryKind, FileIdentity, FoundEntry};
use crate::domain::included_link::FolderIdentity;
use crate::domain::ticks::Ticks;
use crate::fs::identity::of_inode;
use crate::fs::open::FileStamp;
use crate::fs::volume::{self, VolumeSpace};

/// An open folder.
pub(super) type Handle = File;

/// A name in an open folder.
type Name<'a> = (&'a Handle, &'a str);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The root itself may be a link.
pub(super) fn open_root(path: &Path) -> io::Result<Handle> {
    Ok(retry_on_intr(|| openat(CWD, path, FOLDER, Mode::empty()))?.into())
}

/// For keeping: an open folder is in nobody's way.
pub(super) const fn keep(folder: Handle) -> Handle {
    folder
}

pub(super) fn again(folder: &Handle) -> io::Result<Handle> {
    folder.try_clone()
}

/// Reaches a folder in one step, where the kernel can refuse links on the way by itself.
pub(super) fn open_at_once(from: &Handle, below: &str) -> Option<Handle> {
    let how = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
    retry_on_intr(|| openat2(from, below, FOLDER, Mode::empty(), how)).ok().map(File::from)
}

pub(super) fn open_folder(around: &Handle, name: &str) -> io::Result<Handle> {
    Ok(retry_on_intr(|| openat(around, name, FOLDER.union(OFlags::NOFOLLOW), Mode::empty()))?.into())
}

/// Enters the folder that a link leads to, and tells its real path. `full` is the link's.
pub(super) fn open_linked(around: &Handle, name: &str, full: &Path) -> io::Result<(Handle, PathBuf)> {
    let folder = retry_on_intr(|| openat(around, name, FOLDER, Mode::empty()))?;
    Ok((folder.into(), fs::canonicalize(full)?))
}

/// The same by path.
pub(super) fn follow(path: &Path) -> io::Result<(Handle, PathBuf)> {
    Ok((open_root(path)?, fs::canonicalize(path)?))
}

/// What tells a folder from others also after a restart. `path` is its real one.
pub(super) fn lasting(folder: &Handle, path: &Path) -> io::Result<FolderIdentity> {
    let number = fstat(folder)?.st_ino;
    Ok(FolderIdentity { disk: volume::disk_of(folder, path)?, file: volume::numbers_folders(folder).then_some(number) })
}

pub(super) fn folder_identity(folder: &Handle) -> io::Result<FileIdentity> {
    identity(folder)
}

pub(super) fn identity(file: &File) -> io::Result<FileIdentity> {
    Ok(identity_in(&fstat(file)?))
}

pub(super) fn identity_of(folder: &Handle, name: &str) -> io::Result<FileIdentity> {
    Ok(identity_in(&statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

#[allow(clippy::useless_conversion, reason = "the fields' widths differ by architecture")]
fn identity_in(stat: &Stat) -> FileIdentity {
    FileIdentity { device: stat.st_dev, file: stat.st_ino, n_links: stat.st_nlink.into() }
}

/// Whether the identities that [`look`] tells last on the folder's disk.
pub(super) fn keeps_identities(folder: &Handle) -> bool {
    volume::keeps_identities(folder)
}

pub(super) fn look(folder: &Handle, name: &str) -> io::Result<FoundEntry> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let modified = Ticks::from_unix(stat.st_mtime, stat.st_mtime_nsec.cast_signed());
    let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
    let kind = kind(FileType::from_raw_mode(stat.st_mode));
    let of_inode = || of_inode(stat.st_ino, stat.st_ctime, stat.st_ctime_nsec.cast_signed());
    let identity = (kind == EntryKind::File).then(of_inode);
    Ok(FoundEntry { kind, stamp: FileStamp { size_bytes, modified, identity } })
}

const fn kind(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

pub(super) fn names(folder: &Handle) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let text = entry.file_name().to_string_lossy().into_owned();
        if text == "." || text == ".." {
            continue;
        }
        let told = entry.file_type();
        let kind = if told == FileType::Unknown {
            statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .map_or(EntryKind::Other, |stat| kind(FileType::from_raw_mode(stat.st_mode)))
        } else {
            kind(told)
        };
        found.push(Listed { text, kind });
    }
    Ok(found)
}

/// `O_NOFOLLOW` refuses a link, `O_NONBLOCK` keeps a pipe from blocking the open.
pub(super) fn open_for_reading(folder: &Handle, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(folder, name, flags, Mode::empty()))?.into())
}

pub(super) fn create(folder: &Handle, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(folder, name, flags, Mode::from_raw_mode(0o666)))?.into())
}

pub(super) fn reopen(folder: &Handle, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(folder, name, flags, Mode::empty()))?.into())
}

pub(super) fn rename_no_clobber(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    match renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        // NFS and some FUSE file systems don't know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => by_link(from, to),
        result => Ok(result?),
    }
}

/// A new hard link never replaces. What was killed in between, so that one file has both names, is finished by
/// the next try; and where the old name can't be taken away, the new one goes again.
fn by_link(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    match link(from, to) {
        Err(error) if is_without_links(&error) => return by_look(from, to),
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !are_names_of_one(from, to) => return Err(error),
        _ => {}
    }
    unlink_or_undo(from, to, remove)
}

fn unlink_or_undo(
    from: Name<'_>,
    to: Name<'_>,
    unlink: impl FnOnce(&Handle, &str) -> io::Result<()>,
) -> io::Result<()> {
    unlink(from.0, from.1).inspect_err(|_| {
        // Only while the old name is really there: else the new one is the last.
        if are_names_of_one(from, to)
            && let Err(error) = remove(to.0, to.1)
        {
            tracing::warn!(%error, name = to.1, "a file has two names now");
        }
    })
}

/// Whether both names are there and lead to one file.
fn are_names_of_one(a: Name<'_>, b: Name<'_>) -> bool {
    let of = |name: Name<'_>| {
        let found = look(name.0, name.1).ok().filter(|found| found.kind == EntryKind::File);
        found.and_then(|_| identity_of(name.0, name.1).ok()).filter(|identity| identity.n_links > 1)
    };
    of(a).zip(of(b)).is_some_and(|(a, b)| (a.device, a.file) == (b.device, b.file))
}

fn is_without_links(error: &io::Error) -> bool {
    let codes = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

/// The last resort, for file systems with neither. Claiming the name with an empty file first would
/// be exclusive, but a crash would then leave that empty file as if it were the model.
fn by_look(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    match look(to.0, to.1) {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => replace(from, to),
        Err(error) => Err(error),
    }
}

pub(super) fn replace(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    Ok(renameat(from.0, from.1, to.0, to.1)?)
}

pub(super) fn link(file: Name<'_>, name: Name<'_>) -> io::Result<()> {
    Ok(linkat(file.0, file.1, name.0, name.1, AtFlags::empty())?)
}

pub(super) fn remove(folder: &Handle, name: &str) -> io::Result<()> {
    Ok(unlinkat(folder, name, AtFlags::empty())?)
}

/// On Unix the folder's permissions decide, not the file's.
pub(super) fn remove_own(folder: &Handle, name: &str) -> io::Result<()> {
    remove(folder, name)
}

pub(super) fn make_folder(around: &Handle, name: &str) -> io::Result<()> {
    Ok(mkdirat(around, name, Mode::from_raw_mode(0o777))?)
}

pub(super) fn remove_folder(around: &Handle, name: &str) -> io::Result<()> {
    Ok(unlinkat(around, name, AtFlags::REMOVEDIR)?)
}

pub(super) fn sync_folder(folder: &Handle) -> io::Result<()> {
    match folder.sync_all() {
        // Some network and FUSE file systems can't sync a folder; their server decides.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

pub(super) fn space(folder: &Handle) -> io::Result<Option<VolumeSpace>> {
    let facts = fstatvfs(folder)?;
    Ok(VolumeSpace::known(facts.f_bavail.saturating_mul(facts.f_frsize), facts.f_blocks.saturating_mul(facts.f_frsize)))
}

/// Two mounts of one disk share the device's number, parts of one Btrfs share the mount's.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) fn mount(folder: &Handle, identity: &FileIdentity) -> io::Result<Mount> {
    let mount = statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .ok()
        .filter(|facts| StatxFlags::from_bits_retain(facts.stx_mask).contains(StatxFlags::MNT_ID))
        .map_or(0, |facts| facts.stx_mnt_id);
    Ok(Mount { device: identity.device, mount })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_between_its_two_steps_is_finished_by_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let handle = open_root(folder.path()).unwrap();
        fs::write(&a, b"one").unwrap();
        fs::hard_link(&a, &b).unwrap();
        by_link((&handle, "a"), (&handle, "b")).unwrap();
        assert!(!a.exists() && b.exists());
    }

    #[test]
    fn a_name_that_can_t_go_leaves_no_second_one() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let handle = open_root(folder.path()).unwrap();
        fs::write(&a, b"one").unwrap();
        fs::hard_link(&a, &b).unwrap();
        let (from, to) = ((&handle, "a"), (&handle, "b"));
        unlink_or_undo(from, to, |_, _| Err(io::Error::other("I/O error"))).unwrap_err();
        assert!(a.exists() && !b.exists());
        // Where the old name went nevertheless, the new one is all there is.
        fs::hard_link(&a, &b).unwrap();
        let lies = |folder: &Handle, name: &str| {
            remove(folder, name)?;
            Err(io::Error::other("I/O error"))
        };
        unlink_or_undo(from, to, lies).unwrap_err();
        assert!(!a.exists() && b.exists());
    }

    #[test]
    fn the_ways_without_the_flag_overwrite_nothing_either() {
        for rename in [by_link, by_look] {
            let folder = tempfile::tempdir().unwrap();
            let (a, b) = (folder.path().join("a"), folder.path().join("b"));
            let handle = open_root(folder.path()).unwrap();
            fs::write(&a, b"new").unwrap();
            fs::write(&b, b"old").unwrap();
            assert_eq!(rename((&handle, "a"), (&handle, "b")).unwrap_err().kind(), ErrorKind::AlreadyExists);
            fs::remove_file(&b).unwrap();
            rename((&handle, "a"), (&handle, "b")).unwrap();
            assert_eq!(fs::read(&b).unwrap(), b"new");
            assert!(!a.exists());
        }
    }
}
