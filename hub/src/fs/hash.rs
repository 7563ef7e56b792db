//! Hashing a file: BLAKE3 with the values of its groups, and SHA-256 beside it.
//!
//! A big file can be stopped and gone on with: from time to time the state is offered as a
//! [`HashCheckpoint`]. The result is the hash of one content or none: a file that changes meanwhile is
//! an error.

use std::sync::{Arc, LazyLock};
use std::thread;

use crate::fs::at::At;
use crate::fs::content::{self, BufferPool, Buffers, ContentHash, Digests, GroupDigest, InPlace, Source, read_blocks};
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
    /// Threads of its own for a big file. Right for one file at a time; where as many files as the
    /// machine has cores are read at once, handing blocks over only costs.
    pub threads: bool,
}

/// Whether a file may have threads of its own while so many are hashed at once.
pub fn has_cores_to_spare(n_files: usize) -> bool {
    // Asking takes longer than hashing a small file.
    static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(2, usize::from));
    2 * n_files <= *CORES
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
pub fn hash_file<'a>(
    at: impl Into<At<'a>>,
    expected: FileStamp,
    options: HashOptions,
    resume: Option<HashCheckpoint>,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    hash_file_with(&mut Buffers::new(), at, expected, options, resume, control)
}

/// Hashes one file with buffers that are kept for the next. It goes on from `resume` if that belongs to
/// the expected file, else from the beginning.
pub fn hash_file_with<'a>(
    buffers: &mut Buffers,
    at: impl Into<At<'a>>,
    expected: FileStamp,
    options: HashOptions,
    resume: Option<HashCheckpoint>,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    let mut source = Source::open(at, expected)?;
    if content::is_small(expected.size_bytes) {
        proceed(control, 0)?;
        let bytes = buffers.small(expected.size_bytes);
        source.read_small(bytes)?;
        source.check_open_file()?;
        // Too late to stop.
        control.progress(expected.size_bytes);
        return Ok(ContentHash::of_small(bytes, options.sha256));
    }
    let start = checkpoint::start(resume, expected, options);
    let content = if options.threads && expected.size_bytes > MIDDLE_BYTES {
        let pool = buffers.lend(expected.size_bytes - start.offset);
        let content = hash_by_threads(&mut source, expected, start, &pool, control);
        buffers.take_back(&pool);
        content?
    } else {
        hash_in_place(&mut source, expected, start, buffers, control)?
    };
    source.check_unchanged()?;
    Ok(content)
}

/// Hashes group by group in this thread.
fn hash_in_place(
    source: &mut Source<'_>,
    expected: FileStamp,
    start: checkpoint::Start,
    buffers: &mut Buffers,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    let size_bytes = expected.size_bytes;
    let mut saved = Saved::at(start.offset, expected);
    let mut done = start.offset;
    let mut digests = InPlace::going_on(start.values, start.sha256);
    proceed(control, done)?;
    source.seek(done)?;
    while done < size_bytes {
        let group = buffers.small(size_bytes - done);
        source.read_at(done, group)?;
        digests.absorb(done, group);
        done += group.len() as u64;
        saved.go_on(control, done, || Some(HashCheckpoint::of(expected, done, &digests)))?;
    }
    digests.finish(size_bytes).map_err(|_| HashError::Changed)
}

/// Hashes blocks of several groups: one thread reads ahead, one computes each digest.
fn hash_by_threads(
    source: &mut Source<'_>,
    expected: FileStamp,
    start: checkpoint::Start,
    pool: &BufferPool,
    control: &mut dyn HashControl,
) -> Result<ContentHash, HashError> {
    let size_bytes = expected.size_bytes;
    proceed(control, start.offset)?;
    thread::scope(|scope| {
        let mut saved = Saved::at(start.offset, expected);
        let digests = Digests::start(scope, GroupDigest { values: start.values }, start.sha256);
        for block in read_blocks(scope, source, start.offset..size_bytes, pool) {
            let block = Arc::new(block?);
            digests.take_block(&block);
            let done = block.end();
            drop(block);
            saved.go_on(control, done, || HashCheckpoint::taken_at(&digests, expected, done))?;
        }
        digests.finish(size_bytes).map_err(|_| HashError::Changed)
    })
}

/// How far the last checkpoint of a file was.
struct Saved {
    offset: u64,
    size_bytes: u64,
}

impl Saved {
    const fn at(offset: u64, expected: FileStamp) -> Self {
        Self { offset, size_bytes: expected.size_bytes }
    }

    /// Tells how far the file is, offers a checkpoint when one is due, and stops if the control says so.
    fn go_on(
        &mut self,
        control: &mut dyn HashControl,
        done: u64,
        checkpoint: impl FnOnce() -> Option<HashCheckpoint>,
    ) -> Result<(), HashError> {
        let flow = control.progress(done);
        if done == self.size_bytes {
            // Too late to stop.
            return Ok(());
        }
        let stops = flow == Flow::Stop;
        let is_due = self.size_bytes > MIDDLE_BYTES && (stops || done - self.offset >= CHECKPOINT_BYTES);
        if is_due && let Some(checkpoint) = checkpoint() {
            self.offset = done;
            control.checkpoint(&checkpoint);
        }
        if stops { Err(HashError::Stopped) } else { Ok(()) }
    }
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
