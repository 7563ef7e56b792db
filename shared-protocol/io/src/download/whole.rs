//! A download that is verified only as a whole: small files, and contents whose group list nobody has.
//!
//! One stream after the other, in order of the sources. When one breaks off, the next goes on from the
//! same byte, since the digest at the end judges them all. If it does not fit, everything is
//! thrown away: the liar is known if all came from one source, and from then on every source is taken by
//! itself, so that the liar shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::Mutex;
use shared_protocol::Blake3;

use super::attempt::{AttemptEnd, BlockError, BlockSink, run_attempt};
use super::attempt_error::AttemptError;
use super::part::PartFile;
use super::room::Reservation;
use super::source_client::{FailedAttempt, SourceClient, WantedRange};
use super::source_pool::SourcePool;
use super::throughput::{TICK, ThroughputMeter};
use super::{Download, DownloadError};

#[derive(Default)]
struct HashedPrefix {
    hasher: blake3::Hasher,
    /// Everything before it is written and hashed.
    next: u64,
    /// How much of it each source brought.
    from: BTreeMap<usize, u64>,
}

struct Stream {
    state: Mutex<HashedPrefix>,
    part: Arc<PartFile>,
    size_bytes: u64,
}

impl Stream {
    fn next(&self) -> u64 {
        self.state.lock().next
    }

    fn is_right(&self, expected: &Blake3) -> bool {
        self.state.lock().hasher.finalize().as_bytes() == expected.as_bytes()
    }
}

/// Takes what one source sends.
struct StreamSink {
    stream: Arc<Stream>,
    client: Arc<SourceClient>,
    source: usize,
    from: u64,
}

impl BlockSink for StreamSink {
    fn wants(&self, offset: u64) -> bool {
        offset >= self.from
    }

    fn end(&self) -> u64 {
        self.stream.size_bytes
    }

    fn expect_all(&self) {}

    fn accept_block(&self, offset: u64, bytes: &[u8]) -> Result<bool, BlockError> {
        let mut state = self.stream.state.lock();
        if offset != state.next {
            // Written by an attempt that was over already.
            return Ok(false);
        }
        self.stream.part.write(offset, bytes).map_err(BlockError::Disk)?;
        state.hasher.update(bytes);
        state.next += bytes.len() as u64;
        *state.from.entry(self.source).or_default() += bytes.len() as u64;
        self.client.verified.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        drop(state);
        Ok(true)
    }
}

impl Stream {
    /// Throws everything away; tells which sources it came from.
    fn restart(&self, pool: &SourcePool) -> Vec<usize> {
        let before = std::mem::take(&mut *self.state.lock());
        for (source, n_bytes) in &before.from {
            if let Some(member) = pool.members.get(*source) {
                // It was counted when it came.
                member.client.verified.fetch_sub(*n_bytes, Ordering::Relaxed);
                member.client.wasted.fetch_add(*n_bytes, Ordering::Relaxed);
            }
        }
        before.from.into_keys().collect()
    }

    /// Whether something is there that another source brought.
    fn is_mixed_with(&self, source: usize) -> bool {
        self.state.lock().from.keys().any(|other| *other != source)
    }
}

/// Fetches all of it.
pub(super) async fn run(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    pool: &mut SourcePool,
    room: &Reservation,
) -> Result<(), DownloadError> {
    let size_bytes = download.order.size_bytes;
    let stream = Arc::new(Stream { state: Mutex::default(), part: Arc::clone(part), size_bytes });
    let mut meter = ThroughputMeter::new(0);
    let (mut furthest, mut is_alone) = (0, false);
    loop {
        if stream.next() == size_bytes {
            if stream.is_right(&download.order.blake3) {
                return Ok(());
            }
            is_alone = true;
            match stream.restart(pool)[..] {
                [] => return Err(DownloadError::NotItself),
                [liar] => {
                    let error = AttemptError::wrong_bytes("its file has another content");
                    judge_failure(download, pool, liar, &FailedAttempt { error, is_redirected: false }, furthest)?;
                }
                _ => download.report.warn("What several sources sent is not the content: now each is taken by itself."),
            }
        }
        let Some(source) = choose_source(pool) else { return Err(DownloadError::NoSource) };
        let Some(member) = pool.members.get_mut(source) else { return Err(DownloadError::NoSource) };
        if member.not_before > Instant::now() {
            tokio::select! {
                () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
                () = tokio::time::sleep_until(member.not_before.into()) => continue,
            }
        }
        if is_alone && stream.is_mixed_with(source) {
            stream.restart(pool);
        }
        match stream_from(download, &stream, pool, source, room, &mut meter).await? {
            AttemptEnd::Done => {}
            AttemptEnd::Disk(error) => return Err(error.into()),
            AttemptEnd::Failed(failure) => {
                // Nothing is verified before the end: what counts as progress is getting further than ever.
                furthest = furthest.max(stream.next());
                if failure.error.code == "changed" {
                    stream.restart(pool);
                }
                judge_failure(download, pool, source, &failure, furthest)?;
            }
        }
    }
}

/// Streams from one source what it has.
async fn stream_from(
    download: &Arc<Download>,
    stream: &Arc<Stream>,
    pool: &mut SourcePool,
    source: usize,
    room: &Reservation,
    meter: &mut ThroughputMeter,
) -> Result<AttemptEnd, DownloadError> {
    let Some(member) = pool.members.get_mut(source) else { return Err(DownloadError::NoSource) };
    member.state.note_attempt();
    member.n_workers = 1;
    let client = Arc::clone(&member.client);
    let from = stream.next();
    let same_file = stream.state.lock().from.contains_key(&source);
    if !same_file {
        client.forget_file();
    }
    let sink = Arc::new(StreamSink { stream: Arc::clone(stream), client: Arc::clone(&client), source, from });
    let attempt = run_attempt(download, &client, WantedRange { from, to: stream.size_bytes, same_file }, sink);
    tokio::pin!(attempt);
    let mut tick = tokio::time::interval(TICK);
    let end = loop {
        tokio::select! {
            biased;
            () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
            end = &mut attempt => break end,
            _ = tick.tick() => {
                pool.add_work_time(TICK);
                room.set_left(stream.size_bytes - stream.next());
                meter.report_progress(download, stream.next(), Some(client.name()));
            }
        }
    };
    if let Some(member) = pool.members.get_mut(source) {
        member.n_workers = 0;
    }
    meter.report_progress(download, stream.next(), None);
    Ok(end)
}

/// The best source that may be asked now, else the one that may be asked soonest.
fn choose_source(pool: &SourcePool) -> Option<usize> {
    let now = Instant::now();
    let live = pool.live();
    let at = |i: &usize| pool.members.get(*i).map(|member| member.not_before);
    live.iter().copied().find(|i| at(i).is_some_and(|at| at <= now)).or_else(|| live.iter().copied().min_by_key(at))
}

fn judge_failure(
    download: &Download,
    pool: &mut SourcePool,
    source: usize,
    failure: &FailedAttempt,
    furthest: u64,
) -> Result<(), DownloadError> {
    match pool.members.get_mut(source) {
        Some(member) => member.judge_failure(download, failure, furthest, false),
        None => Ok(()),
    }
}
