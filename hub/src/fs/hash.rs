//! Hashing a file: BLAKE3 with the values of its groups, and SHA-256 beside it.
//!
//! A big file can be stopped and gone on with: from time to time the state is offered as a
//! [`HashCheckpoint`]. The result is the hash of one content or none: a file that changes meanwhile is
//! an error.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::fs::content::{self, Buffers, ContentHash, Digests, GroupDigest, InPlace, Pool, Source, read_blocks};
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, Flow, FsError};

mod checkpoint;

pub use checkpoint::HashCheckpoint;

/// Bytes between two checkpoints.
const CHECKPOINT_BYTES: u64 = 256 << 20;

/// Up to this size threads cost more than they bring: a group is hashed while it is still in the
/// processor's cache, and where it helps several files are read at once. Tests take both ways with
/// smaller files.
const MIDDLE_BYTES: u64 = if cfg!(test) { 3 << 20 } else { 64 << 20 };

/// What to compute beside BLAKE3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashOptions {
    /// SHA-256 too.
    pub sha256: bool,
}

/// Watches over the hashing of one file.
pub trait HashControl {
    /// So many bytes have been read. May block: that is how hashing is paused.
    fn progress(&mut self, bytes_done: u64) -> Flow;

    /// The state to go on from later: offered every 256 MiB, and when a file over 64 MiB is stopped.
    fn checkpoint(&mut self, _checkpoint: &HashCheckpoint) {}
}

impl<F: FnMut(u64) -> Flow> HashControl for F {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        self(bytes_done)
    }
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The file is not, or no longer, the expected one.
    #[error("the file has changed since it was last looked at")]
    Changed,
    /// The control said so.
    #[error("stopped")]
    Stopped,
    /// The system refused.
    #[error(transparent)]
    Fs(FsError),
}

impl From<TouchError> for HashError {
    fn from(error: TouchError) -> Self {
        match error {
            TouchError::Changed => Self::Changed,
            TouchError::Fs(error) => Self::Fs(error),
        }
    }
}

/// Hashes one file; see [`hash_file_with`].
pub fn hash_file(
    path: &Path,
    expected: FileStamp,
    options: HashOptions,
    resume: Option<HashCheckpoint>,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    hash_file_with(&mut Buffers::new(), path, expected, options, resume, control)
}

/// Hashes one file with buffers that are kept for the next. It goes on from `resume` if that belongs to
/// the expected file, else from the beginning.
pub fn hash_file_with(
    buffers: &mut Buffers,
    path: &Path,
    expected: FileStamp,
    options: HashOptions,
    resume: Option<HashCheckpoint>,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    let mut source = Source::open(path, expected)?;
    let content = if content::is_small(expected.size_bytes) {
        proceed(control, 0)?;
        let bytes = buffers.small(expected.size_bytes);
        source.read_small(bytes)?;
        ContentHash::of_small(bytes, options.sha256)
    } else if expected.size_bytes <= MIDDLE_BYTES {
        hash_middle(&mut source, expected, options, buffers, control)?
    } else {
        let start = checkpoint::start(resume, expected, options);
        let pool = buffers.lend(expected.size_bytes - start.offset);
        let content = hash_large(&mut source, expected, start, &pool, control);
        buffers.take_back(&pool);
        content?
    };
    source.check_unchanged()?;
    Ok(content)
}

/// Hashes group by group in this thread.
fn hash_middle(
    source: &mut Source,
    expected: FileStamp,
    options: HashOptions,
    buffers: &mut Buffers,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    let size_bytes = expected.size_bytes;
    let mut digests = InPlace::new(options.sha256);
    let mut done = 0;
    while done < size_bytes {
        proceed(control, done)?;
        let group = buffers.small(size_bytes - done);
        source.read_small(group)?;
        digests.absorb(done, group);
        done += group.len() as u64;
    }
    control.progress(done);
    digests.finish(size_bytes).map_err(|_| HashError::Changed)
}

fn hash_large(
    source: &mut Source,
    expected: FileStamp,
    start: checkpoint::Start,
    pool: &Pool,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    let size_bytes = expected.size_bytes;
    proceed(control, start.offset)?;
    thread::scope(|scope| {
        let mut saved = start.offset;
        let digests = Digests::start(scope, GroupDigest { values: start.values }, start.sha256);
        for block in read_blocks(scope, source, start.offset..size_bytes, pool) {
            let block = Arc::new(block?);
            digests.take(&block);
            let done = block.end();
            drop(block);
            let flow = control.progress(done);
            if done == size_bytes {
                // Too late to stop.
                continue;
            }
            let is_due = flow == Flow::Stop || done - saved >= CHECKPOINT_BYTES;
            if is_due && let Some(checkpoint) = HashCheckpoint::take(&digests, expected, done) {
                saved = done;
                control.checkpoint(&checkpoint);
            }
            if flow == Flow::Stop {
                return Err(HashError::Stopped);
            }
        }
        digests.finish(size_bytes).map_err(|_| HashError::Changed)
    })
}

fn proceed(control: &mut dyn HashControl, bytes_done: u64) -> Result<(), HashError> {
    match control.progress(bytes_done) {
        Flow::Continue => Ok(()),
        Flow::Stop => Err(HashError::Stopped),
    }
}

#[cfg(test)]
#[path = "hash/tests.rs"]
mod tests;
