//! Opening on Unix.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags, fadvise};

use crate::domain::identity::Identity;
use crate::fs::volume;

/// `O_NOFOLLOW` refuses a link as the last part, `O_NONBLOCK` keeps a pipe from blocking the open;
/// it means nothing to regular files.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

/// Only a hint: a file system that does not take it reads all the same.
pub(super) fn advise_sequential(file: &File) {
    fadvise(file, 0, None, Advice::Sequential).ok();
}

/// Pages that were not written yet would be kept.
pub(super) fn forget_cached(file: &File) {
    if file.sync_data().is_ok() {
        fadvise(file, 0, None, Advice::DontNeed).ok();
    }
}

/// The identity of an open file.
pub(super) fn identity(file: &File, metadata: &Metadata) -> Option<Identity> {
    volume::keeps_identities(file).then(|| of(metadata))
}

/// The identity of the file of this name.
pub(super) fn identity_at(path: &Path, metadata: &Metadata) -> Option<Identity> {
    volume::keeps_identities_at(path).then(|| of(metadata))
}

fn of(metadata: &Metadata) -> Identity {
    crate::fs::identity::of_inode(metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}
