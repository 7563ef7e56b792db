//! Copying one file, in steps between which a caller can write down how far it got.
//!
//! [`copy_to_part`] makes a finished file under a temporary name beside the destination, and
//! [`finish_part`] gives it its final name, which is therefore absent or right at any time. What is
//! returned is the hash of the bytes that were written. A copy that was interrupted goes on from the
//! last synced place, after the part file's beginning was read and verified again: its length says
//! nothing, because it is set in advance.

use shared_protocol::Blake3;

use crate::fs::content::{self, Buffers, ContentHash, Source};
use crate::fs::entry::{Entry, FileIdentity, several_names};
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, Flow, FsError};

mod large;
mod part;
#[cfg(unix)]
#[path = "copy/reserve_unix.rs"]
mod reserve;
#[cfg(windows)]
#[path = "copy/reserve_windows.rs"]
mod reserve;

use part::Part;

#[derive(Debug, Clone, Copy)]
pub struct CopyRequest<'a> {
    /// The file to copy.
    pub source: &'a Entry,
    /// The source as it was when the copy was decided on.
    pub expected: FileStamp,
    /// The temporary file; see [`crate::domain::temporary`].
    pub part: &'a Entry,
    /// Bytes of the part file that were reported as synced; 0 begins anew.
    pub resume_from: u64,
    /// What was reported with them. Without it nothing of the part file is believed.
    pub resume_proof: Option<Blake3>,
    /// SHA-256 beside BLAKE3.
    pub sha256: bool,
    /// Whether it may share the source's blocks where the file system can.
    pub may_share: bool,
    /// Bytes between two syncs of a big file; 0 leaves it to the end.
    pub sync_every: u64,
    /// Whether the part file is synced at the end. If not, [`sync_part`] has to follow.
    pub sync: bool,
}

/// Watches over one copy.
pub trait CopyControl {
    /// So many bytes are written. May block: that is how a copy is paused.
    fn progress(&mut self, bytes_done: u64) -> Flow;

    /// So many bytes of what an interrupted copy has written are read again, to be verified.
    fn checked(&mut self, bytes: u64) -> Flow {
        self.progress(bytes)
    }

    /// The part file's first `offset` bytes are on the disk. `proof` stands for their content.
    fn synced(&mut self, _offset: u64, _proof: Blake3) {}
}

impl<F: FnMut(u64) -> Flow> CopyControl for F {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        self(bytes_done)
    }
}

/// A part file that is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct CopiedPart {
    /// The hash of what was written.
    pub content: ContentHash,
    /// The part file's stamp, which the final file keeps.
    pub stamp: FileStamp,
    /// Which file it is: no other is given the final name.
    pub identity: FileIdentity,
}

/// Why there is no complete part file.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source is not, or no longer, the expected file. The part file is gone.
    #[error("the file has changed since it was last looked at")]
    SourceChanged,
    /// The control said so. The part file of a big file stays.
    #[error("stopped")]
    Stopped,
    /// The source could not be read.
    #[error(transparent)]
    Source(FsError),
    /// The part file could not be written. What a big one has got stays.
    #[error(transparent)]
    Destination(FsError),
}

impl From<TouchError> for CopyError {
    fn from(error: TouchError) -> Self {
        match error {
            TouchError::Changed => Self::SourceChanged,
            TouchError::Fs(error) => Self::Source(error),
        }
    }
}

/// Copies one file to its part file; see [`copy_to_part_with`].
pub fn copy_to_part(request: CopyRequest<'_>, control: &mut dyn CopyControl) -> Result<CopiedPart, CopyError> {
    copy_to_part_with(&mut Buffers::new(), request, control)
}

/// Copies one file to its part file, with buffers that are kept for the next.
pub fn copy_to_part_with(
    buffers: &mut Buffers,
    request: CopyRequest<'_>,
    control: &mut dyn CopyControl,
) -> Result<CopiedPart, CopyError> {
    let copied = copy(buffers, request, control);
    if matches!(copied, Err(CopyError::SourceChanged)) {
        // It can never become a copy of what is there now.
        request.part.clean_up();
    }
    copied
}

fn copy(
    buffers: &mut Buffers,
    request: CopyRequest<'_>,
    control: &mut dyn CopyControl,
) -> Result<CopiedPart, CopyError> {
    let mut source = Source::open(request.source, request.expected)?;
    let (part, content) = if content::is_small(request.expected.size_bytes) {
        copy_small(buffers, &source, request, control)?
    } else {
        large::copy(buffers, &mut source, request, control)?
    };
    source.check_unchanged()?;
    let identity = part.finish(source.modified(), request.sync).map_err(CopyError::Destination)?;
    // By name and after closing: so it is how the next scan will see it, whatever became of the time.
    let stamp = request.part.stamp().map_err(CopyError::Destination)?;
    Ok(CopiedPart { content, stamp, identity })
}

/// A small file has no half-way: it is begun anew after every failure.
fn copy_small<'a>(
    buffers: &mut Buffers,
    source: &Source<'_>,
    request: CopyRequest<'a>,
    control: &mut dyn CopyControl,
) -> Result<(Part<'a>, ContentHash), CopyError> {
    proceed(control.progress(0))?;
    let bytes = buffers.small(request.expected.size_bytes);
    source.read_small(bytes)?;
    let mut part = Part::create(request.part).map_err(CopyError::Destination)?;
    if let Err(error) = part.write(bytes) {
        // On a full disk it would only take the room of others.
        request.part.clean_up();
        return Err(CopyError::Destination(error));
    }
    Ok((part, ContentHash::of_small(bytes, request.sha256)))
}

fn proceed(flow: Flow) -> Result<(), CopyError> {
    match flow {
        Flow::Continue => Ok(()),
        Flow::Stop => Err(CopyError::Stopped),
    }
}

/// Puts a part file's content on the disk for good.
pub fn sync_part(part: &Entry) -> Result<(), FsError> {
    part::sync(part)
}

/// Gives a complete part file its final name, unless that is taken; it has to be the file that was written.
/// The folder's sync is the caller's, so that one serves many files.
pub fn finish_part(part: &Entry, identity: &FileIdentity, dest: &Entry) -> Result<(), FsError> {
    let now = part.identity()?;
    if !now.is(identity) || now.n_links != 1 {
        return Err(several_names(part.path()));
    }
    part.rename_no_clobber(dest)
}

#[cfg(test)]
#[path = "copy/tests.rs"]
mod tests;
