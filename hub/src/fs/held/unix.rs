//! Held by a handle that neither reads nor writes.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::fs::open::{FileStamp, stamp};

pub(super) type Handle = File;

pub(super) fn hold(path: &Path, at_least: u64) -> Option<(FileStamp, Handle)> {
    // Most files have one name: then nothing is opened.
    let has_names = |metadata: &fs::Metadata| metadata.is_file() && metadata.nlink() >= at_least;
    let metadata = fs::symlink_metadata(path).ok().filter(has_names)?;
    let flags = (OFlags::PATH | OFlags::NOFOLLOW).bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let same = file.metadata().ok().filter(|open| (open.dev(), open.ino()) == (metadata.dev(), metadata.ino()));
    same.and_then(|_| Some((stamp(&file).ok()?, file)))
}

pub(super) fn look_at_handle(file: &Handle) -> Option<FileStamp> {
    stamp(file).ok()
}
