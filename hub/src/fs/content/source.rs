//! Reading a file block by block, and noticing that it changed.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::thread::Scope;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, bounded};

use super::{BLOCK_BYTES, Block, BufferPool};
use crate::fs::at::At;
use crate::fs::open::{advise_sequential, read_full, stamp};
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, FsError};

/// Bytes read through one handle. An open file can't be written by others on Windows, so it is let go
/// from time to time.
const BYTES_PER_HANDLE: u64 = if cfg!(windows) { 256 << 20 } else { u64::MAX };

/// A file that must stay as it is while it is read.
pub(in crate::fs) struct Source<'a> {
    at: At<'a>,
    expected: FileStamp,
    /// As exact as the system keeps it, for a copy.
    modified: Option<SystemTime>,
    file: File,
    read_by_handle: u64,
    bytes_per_handle: u64,
}

impl<'a> Source<'a> {
    /// Opens the file and checks that it is the one that was looked at before.
    pub(in crate::fs) fn open(at: impl Into<At<'a>>, expected: FileStamp) -> Result<Self, TouchError> {
        let at = at.into();
        let (file, metadata) = at.open()?;
        let found = FileStamp::of_open(&file, &metadata);
        if found != expected {
            return Err(TouchError::Changed);
        }
        Ok(Self {
            at,
            // With the identity that it has now, also where none was known.
            expected: found,
            modified: metadata.modified().ok(),
            file,
            read_by_handle: 0,
            bytes_per_handle: BYTES_PER_HANDLE,
        })
    }

    /// A file of the hub's own, through a handle that it has already.
    pub(in crate::fs) fn own(path: &'a Path, file: File) -> Result<Self, FsError> {
        let metadata = file.metadata().map_err(FsError::at("look at", path))?;
        let expected = FileStamp::of(&metadata);
        // To open it again would fail on Windows, where it is open for writing.
        Ok(Self { at: At::Path(path), expected, modified: None, file, read_by_handle: 0, bytes_per_handle: u64::MAX })
    }

    pub(in crate::fs) fn file(&self) -> &File {
        &self.file
    }

    pub(in crate::fs) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Reads the whole of a small file.
    pub(in crate::fs) fn read_small(&self, buffer: &mut [u8]) -> Result<(), TouchError> {
        let read = read_full(&self.file, buffer).map_err(|error| self.unreadable(error))?;
        if read == buffer.len() { Ok(()) } else { Err(TouchError::Changed) }
    }

    /// What was read before the error is behind the file's position: that is where the trouble is.
    fn unreadable(&self, error: std::io::Error) -> FsError {
        let offset = (&self.file).stream_position().ok();
        let error = FsError::new("read", self.at.path(), error);
        match offset {
            Some(offset) => error.at_offset(offset),
            None => error,
        }
    }

    /// Checks at the end that the open file has not changed. Enough for what was read at once: a file that takes its
    /// name just now is found by the next scan, as one that takes it a moment later is.
    pub(in crate::fs) fn check_open_file(&self) -> Result<(), TouchError> {
        let now = stamp(&self.file).map_err(FsError::at("look at", self.at.path()))?;
        // A rename or a second name is no change of what is read; by name more is asked.
        if now.is_like(self.expected) { Ok(()) } else { Err(TouchError::Changed) }
    }

    /// Checks at the end that neither the open file nor the one of that name has changed.
    pub(in crate::fs) fn check_unchanged(&self) -> Result<(), TouchError> {
        self.check_open_file()?;
        match self.at.stamp() {
            Ok(now) if now == self.expected => Ok(()),
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Err(TouchError::Changed),
        }
    }

    pub(in crate::fs) fn seek(&mut self, offset: u64) -> Result<(), TouchError> {
        self.file.seek(SeekFrom::Start(offset)).map_err(FsError::at("read", self.at.path()))?;
        advise_sequential(&self.file);
        Ok(())
    }

    pub(in crate::fs) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), TouchError> {
        if self.read_by_handle >= self.bytes_per_handle {
            self.check_unchanged()?;
            let again = Self::open(self.at, self.expected)?;
            self.file = again.file;
            self.read_by_handle = 0;
            self.seek(offset)?;
        }
        self.read_small(buffer)?;
        self.read_by_handle += buffer.len() as u64;
        Ok(())
    }
}

/// Reads a range in a thread of its own, as far ahead as there are buffers. The range begins at the
/// start of a group. An error is the last that comes.
pub(in crate::fs) fn read_blocks<'scope>(
    scope: &'scope Scope<'scope, '_>,
    source: &'scope mut Source<'_>,
    range: Range<u64>,
    pool: &BufferPool,
) -> Receiver<Result<Block, TouchError>> {
    let (filled, blocks) = bounded(1);
    let (home, free) = (pool.home.clone(), pool.free.clone());
    scope.spawn(move || {
        if let Err(error) = source.seek(range.start) {
            filled.send(Err(error)).ok();
            return;
        }
        let mut offset = range.start;
        while offset < range.end {
            let Ok(mut buffer) = free.recv() else { return };
            let len = usize::try_from((range.end - offset).min(BLOCK_BYTES)).unwrap_or(0);
            let read = source.read_at(offset, buffer.get_mut(..len).unwrap_or_default());
            let block = Block::new(offset, buffer, len, home.clone());
            offset = block.end();
            let failed = read.is_err();
            // Nobody receives any more once the work was stopped.
            if filled.send(read.map(|()| block)).is_err() || failed {
                return;
            }
        }
    });
    blocks
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::fs::Buffers;
    use crate::fs::open::stamp_path;

    fn read_all(source: &mut Source<'_>, size: u64) -> Result<Vec<u8>, TouchError> {
        let pool = Buffers::new().lend(size);
        std::thread::scope(|scope| {
            let mut all = Vec::new();
            for block in read_blocks(scope, source, 0..size, &pool) {
                let block = block?;
                assert_eq!(block.offset(), all.len() as u64);
                all.extend_from_slice(block.bytes());
            }
            Ok(all)
        })
    }

    #[test]
    fn blocks_make_the_file_even_through_several_handles() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes: Vec<u8> = (0..6 * BLOCK_BYTES + 77).map(|n| n.to_le_bytes().iter().fold(0, |a, b| a ^ b)).collect();
        std::fs::write(&path, &bytes).unwrap();
        let stamp = stamp_path(&path).unwrap();
        for bytes_per_handle in [1, 2 * BLOCK_BYTES, u64::MAX] {
            let mut source = Source::open(&path, stamp).unwrap();
            source.bytes_per_handle = bytes_per_handle;
            assert!(read_all(&mut source, stamp.size_bytes).unwrap() == bytes);
            source.check_unchanged().unwrap();
        }
    }

    /// Windows keeps writers off as long as it is open.
    #[cfg(windows)]
    #[test]
    fn a_file_that_is_read_can_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"12345").unwrap();
        let source = Source::open(&path, stamp_path(&path).unwrap()).unwrap();
        assert!(File::options().write(true).open(&path).is_err());
        drop(source);
        File::options().write(true).open(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_shorter_file_is_a_changed_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, vec![1; 3 << 20]).unwrap();
        let stamp = stamp_path(&path).unwrap();
        let mut source = Source::open(&path, stamp).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(2 << 20).unwrap();
        assert!(matches!(read_all(&mut source, 3 << 20), Err(TouchError::Changed)));
        assert!(matches!(Source::open(&path, stamp), Err(TouchError::Changed)));
    }

    #[test]
    fn a_file_replaced_under_the_reader_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("x"), folder.path().join("y"));
        std::fs::write(&path, b"one").unwrap();
        std::fs::write(&other, b"longer").unwrap();
        let source = Source::open(&path, stamp_path(&path).unwrap()).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(matches!(source.check_unchanged(), Err(TouchError::Changed)));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.check_unchanged(), Err(TouchError::Changed)));
    }
}
