//! Copying a big file: one thread reads, two hash, and this one writes.
//!
//! However a copy begins, fresh, resumed or cloned, it comes down to the same: the part file has a
//! right beginning, which is read to be hashed, and the rest comes from the source.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use reflink_copy::{ReflinkSupport, check_reflink_support};
use shared_protocol::Blake3;
use shared_protocol::groups::GROUP_BYTES;

use super::part::Part;
use super::{CopyControl, CopyError, CopyRequest, proceed};
use crate::fs::content::{BufferPool, Buffers, ContentHash, Digests, GroupDigest, Source, read_blocks};
use crate::fs::rename::TouchError;
use crate::fs::{Flow, FsError};

/// The beginning that a part file has already.
#[derive(Clone, Copy)]
struct Beginning {
    /// A whole number of groups, or everything.
    bytes: u64,
    /// What its content must prove to be.
    proof: Option<Blake3>,
}

const NOTHING: Beginning = Beginning { bytes: 0, proof: None };

pub(super) fn copy<'a>(
    buffers: &mut Buffers,
    source: &mut Source<'_>,
    request: CopyRequest<'a>,
    control: &mut dyn CopyControl,
) -> Result<(Part<'a>, ContentHash), CopyError> {
    proceed(if request.resume_from > 0 { control.checked(0) } else { control.progress(0) })?;
    let pool = buffers.lend(request.expected.size_bytes);
    let (mut part, beginning) = begin(source, request).map_err(CopyError::Destination)?;
    let mut copied = fill(&mut part, beginning, source, request, &pool, control);
    if let Ok(None) = copied {
        // The beginning was not what had been written: nothing of it is worth keeping. Closed first: a
        // name whose file is open stays taken on Windows.
        drop(part);
        part = fresh(request).map_err(CopyError::Destination)?;
        copied = fill(&mut part, NOTHING, source, request, &pool, control);
    }
    buffers.take_back(&pool);
    // Without a beginning to prove there is always a result.
    Ok((part, copied?.ok_or(CopyError::SourceChanged)?))
}

/// Opens the part file: as it was left, as a clone, or fresh.
fn begin<'a>(source: &Source<'_>, request: CopyRequest<'a>) -> Result<(Part<'a>, Beginning), FsError> {
    let size_bytes = request.expected.size_bytes;
    let bytes = request.resume_from;
    if bytes > 0
        && bytes < size_bytes
        && bytes.is_multiple_of(GROUP_BYTES)
        && request.resume_proof.is_some()
        && let Some(part) = Part::reopen(request.part, bytes)?
    {
        return Ok((part, Beginning { bytes, proof: request.resume_proof }));
    }
    if request.may_share && may_share_blocks(request.source.path(), request.part.path()) {
        let part = Part::create(request.part)?;
        if part.clone_from(source.file()) {
            return Ok((part, Beginning { bytes: size_bytes, proof: None }));
        }
    }
    Ok((fresh(request)?, NOTHING))
}

/// Asked first, because a failed try leaves marks on Windows. Linux only knows by trying.
fn may_share_blocks(source: &Path, part: &Path) -> bool {
    let folder = part.parent().unwrap_or(part);
    !matches!(check_reflink_support(source, folder), Ok(ReflinkSupport::NotSupported) | Err(_))
}

/// An empty part file that has all the room it needs.
fn fresh(request: CopyRequest<'_>) -> Result<Part<'_>, FsError> {
    let part = Part::create(request.part)?;
    if let Err(error) = part.reserve(request.expected.size_bytes) {
        // Some of the room may be taken already.
        request.part.clean_up();
        return Err(error);
    }
    Ok(part)
}

/// Makes the part file complete. `None` if its beginning does not prove right.
fn fill(
    part: &mut Part<'_>,
    beginning: Beginning,
    source: &mut Source<'_>,
    request: CopyRequest<'_>,
    pool: &BufferPool,
    control: &mut dyn CopyControl,
) -> Result<Option<ContentHash>, CopyError> {
    let size_bytes = request.expected.size_bytes;
    let written = (beginning.bytes > 0).then(|| part.as_source()).transpose();
    let mut written = written.map_err(CopyError::Destination)?;
    thread::scope(|scope| {
        let sha256 = request.sha256.then(sha2::Sha256::default);
        let digests = Digests::start(scope, GroupDigest::default(), sha256);
        if let Some(written) = &mut written {
            // A clone is there at once: reading it is the whole work.
            let is_clone = beginning.bytes == size_bytes;
            for block in read_blocks(scope, written, 0..beginning.bytes, pool) {
                let block = Arc::new(block.map_err(|error| part_error(request.part.path(), error))?);
                digests.take_block(&block);
                proceed(if is_clone { control.progress(block.end()) } else { control.checked(block.end()) })?;
            }
            if beginning.proof.is_some() && digests.groups(GroupDigest::proof) != beginning.proof {
                return Ok(None);
            }
            if !is_clone {
                // Only now it is known to be what was written: nothing else may grow.
                part.reserve(size_bytes).map_err(CopyError::Destination)?;
            }
        }
        part.seek(beginning.bytes).map_err(CopyError::Destination)?;
        let mut synced = beginning.bytes;
        for block in read_blocks(scope, source, beginning.bytes..size_bytes, pool) {
            let block = Arc::new(block?);
            digests.take_block(&block);
            part.write(block.bytes()).map_err(CopyError::Destination)?;
            let done = block.end();
            drop(block);
            let flow = control.progress(done);
            if done == size_bytes {
                // Too late to stop, too early to sync.
                continue;
            }
            if flow == Flow::Stop || (request.sync_every > 0 && done - synced >= request.sync_every) {
                part.sync_data().map_err(CopyError::Destination)?;
                synced = done;
                if let Some(proof) = digests.groups(GroupDigest::proof) {
                    control.synced(done, proof);
                }
            }
            if flow == Flow::Stop {
                return Err(CopyError::Stopped);
            }
        }
        digests.finish(size_bytes).map(Some).map_err(|_| CopyError::SourceChanged)
    })
}

/// Trouble with the part file is the destination's.
fn part_error(part: &Path, error: TouchError) -> CopyError {
    CopyError::Destination(match error {
        TouchError::Fs(error) => error,
        TouchError::Changed => FsError::refused("read", part, ErrorKind::InvalidData, "another program changes it"),
    })
}
