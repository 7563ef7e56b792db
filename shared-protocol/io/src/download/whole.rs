//! A download that is verified only as a whole: small files, contents whose group list nobody has, and the
//! beginning of one whose list has not come yet.
//!
//! One stream after the other, in order of the sources. When one breaks off, the next goes on from the
//! same byte, and so does another run of the program, since the digest at the end judges them all. If it does not
//! fit, everything is thrown away: the liar is known if all came from one source, and from then on every source is
//! taken by itself, so that the liar shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::Mutex;
use shared_protocol::GroupList;
use shared_protocol::groups::GROUP_BYTES;

use super::attempt::{AttemptEnd, BlockError, BlockSink, run_attempt};
use super::attempt_error::{AttemptError, Consequence};
use super::expected::Digester;
use super::grouped::RECORD_EVERY;
use super::list::ListRequest;
use super::part::PartFile;
use super::partial_groups::Bringer;
use super::reachability::is_cut_off;
use super::room::Reservation;
use super::source_client::{FailedAttempt, SourceClient, WantedRange};
use super::source_pool::SourcePool;
use super::source_state::Brought;
use super::throughput::{TICK, ThroughputMeter};
use super::{Download, DownloadError, MOST_FAILED, blocking};
use crate::confine::PlaceError;
use crate::error::FileError;

struct HashedPrefix {
    digester: Digester,
    /// Everything before it is written and hashed.
    next: u64,
    /// How much of it each one brought.
    from: BTreeMap<Bringer, u64>,
}

impl HashedPrefix {
    fn nothing(sha256: bool) -> Self {
        Self { digester: Digester::new(sha256), next: 0, from: BTreeMap::new() }
    }

    fn add(&mut self, bytes: &[u8], bringer: Bringer) {
        self.digester.update(bytes);
        self.next += bytes.len() as u64;
        *self.from.entry(bringer).or_default() += bytes.len() as u64;
    }
}

struct Stream {
    state: Mutex<HashedPrefix>,
    part: Arc<PartFile>,
    size_bytes: u64,
}

/// Takes what one source sends.
struct StreamSink {
    stream: Arc<Stream>,
    client: Arc<SourceClient>,
    source: usize,
    from: u64,
}

impl StreamSink {
    /// Writes what of a block is new.
    fn add(&self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let mut state = self.stream.state.lock();
        let n_known = state.next.checked_sub(offset).and_then(|n| usize::try_from(n).ok());
        // Written by an attempt that was over already: nothing of it is new.
        let Some(fresh) = n_known.and_then(|n| bytes.get(n..)) else { return Ok(()) };
        self.stream.part.write(state.next, fresh)?;
        state.add(fresh, Some(self.source));
        self.client.verified.fetch_add(fresh.len() as u64, Ordering::Relaxed);
        drop(state);
        Ok(())
    }
}

impl BlockSink for StreamSink {
    fn open_block(&self, at: u64, _kept: &mut Vec<u8>) -> Option<u64> {
        (at >= self.from).then_some(at)
    }

    fn end(&self) -> u64 {
        if self.client.is_stopped.load(Ordering::Relaxed) { 0 } else { self.stream.size_bytes }
    }

    fn expect_all(&self) {}

    fn hear_bytes(&self, _n_bytes: u64) {}

    fn accept_block(&self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.add(offset, bytes).map_err(BlockError::Disk)
    }

    fn keep_beginning(&self, offset: u64, bytes: &[u8]) {
        if let Err(error) = self.add(offset, bytes) {
            tracing::debug!("what came last is not kept: {error}");
        }
    }
}

impl Stream {
    fn next(&self) -> u64 {
        self.state.lock().next
    }

    /// Whether it is the content; then that is noted.
    fn is_right(&self, download: &Download) -> bool {
        let found = self.state.lock().digester.digests();
        let is_right = download.order.expected.is(&found);
        if is_right {
            self.part.note_whole(found);
        }
        is_right
    }

    /// Reads what an earlier run has left.
    fn take_up(&self, n_bytes: u64, wants_to_stop: &dyn Fn() -> bool) -> Result<(), FileError> {
        let mut state = self.state.lock();
        let mut block = Vec::new();
        while state.next < n_bytes && !wants_to_stop() {
            block.resize(usize::try_from((n_bytes - state.next).min(GROUP_BYTES)).unwrap_or(1), 0);
            self.part.read(state.next, &mut block)?;
            state.add(&block, None);
        }
        drop(state);
        Ok(())
    }

    /// Throws everything away; tells who brought it.
    fn restart(&self, pool: &mut SourcePool) -> Vec<Bringer> {
        let nothing = HashedPrefix::nothing(self.part.wants_sha256());
        let before = std::mem::replace(&mut *self.state.lock(), nothing);
        for (bringer, n_bytes) in &before.from {
            if let Some(member) = bringer.and_then(|source| pool.members.get(source)) {
                // It was counted when it came.
                member.client.verified.fetch_sub(*n_bytes, Ordering::Relaxed);
                member.client.wasted.fetch_add(*n_bytes, Ordering::Relaxed);
            }
        }
        pool.limit_to(0);
        before.from.into_keys().collect()
    }

    /// Whether something is there that someone else brought.
    fn is_mixed_with(&self, source: usize) -> bool {
        self.state.lock().from.keys().any(|other| *other != Some(source))
    }
}

/// What there is to do.
struct Whole<'a> {
    download: &'a Arc<Download>,
    stream: Arc<Stream>,
    pool: &'a mut SourcePool,
    room: &'a Reservation,
    list: &'a mut ListRequest,
    meter: ThroughputMeter,
    recorded: (u64, Instant),
    /// How often the disk failed to keep something.
    n_failed: u32,
}

/// The list of a content of which something is there.
pub(super) struct Listed {
    pub(super) list: GroupList,
    /// Who brought all of what is there, if it was one source.
    pub(super) bringer: Option<usize>,
}

/// How a stream ended.
enum StreamEnd {
    Attempt(AttemptEnd, Brought),
    /// The list has come.
    Listed(GroupList),
}

/// Fetches all of it, or until its list has come.
pub(super) async fn run(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    list: &mut ListRequest,
    pool: &mut SourcePool,
    room: &Reservation,
) -> Result<Option<Listed>, DownloadError> {
    let size_bytes = download.order.size_bytes;
    let state = Mutex::new(HashedPrefix::nothing(part.wants_sha256()));
    let stream = Arc::new(Stream { state, part: Arc::clone(part), size_bytes });
    let (taking, cancel) = (Arc::clone(&stream), download.cancel.clone());
    blocking(move || match taking.part.kept_stream() {
        0 => taking.part.empty(),
        n_bytes => taking.take_up(n_bytes, &|| cancel.is_cancelled()),
    })
    .await?;
    pool.limit_to(stream.next());
    let meter = ThroughputMeter::new(stream.next());
    let recorded = (stream.next(), Instant::now());
    let mut whole = Whole { download, stream, pool, room, list, meter, recorded, n_failed: 0 };
    let result = whole.fetch().await;
    if !matches!(result, Ok(None)) {
        match whole.record().await {
            Err(DownloadError::Disk(error)) if error.is_full() => {}
            other => other?,
        }
    }
    let bringer = match whole.stream.state.lock().from.keys().collect::<Vec<_>>()[..] {
        [bringer] => *bringer,
        _ => None,
    };
    result.map(|list| list.map(|list| Listed { list, bringer }))
}

impl Whole<'_> {
    async fn fetch(&mut self) -> Result<Option<GroupList>, DownloadError> {
        let (download, stream) = (self.download, Arc::clone(&self.stream));
        let mut is_alone = false;
        loop {
            if stream.next() == stream.size_bytes {
                if stream.is_right(download) {
                    return Ok(None);
                }
                is_alone = true;
                match stream.restart(self.pool)[..] {
                    [] => return Err(DownloadError::NotItself),
                    [Some(liar)] => {
                        let error = AttemptError::wrong_bytes("its file has another content");
                        self.judge_failure(liar, &FailedAttempt::of(error), Brought::default())?;
                    }
                    [None] => download.report.warn("What was there already is not the content."),
                    _ => download
                        .report
                        .warn("What several sources sent is not the content: now each is taken by itself."),
                }
            }
            let now = Instant::now();
            self.pool.look_at_sources(download, std::time::Duration::ZERO, now);
            if self.pool.is_hopeless(now, download.tools.patience.give_up) {
                return Err(DownloadError::NoSource);
            }
            // Who waits for the hub's list has no use for its bytes: it has no more of a line for them.
            let is_pending = self.list.is_pending();
            let is_fine = |i: &usize| !is_pending || self.pool.members.get(*i).is_some_and(|m| !m.client.is_hub());
            let Some(source) = self.pool.ready(now).into_iter().find(is_fine) else {
                if let Some(list) = self.wait().await? {
                    return Ok(Some(list));
                }
                continue;
            };
            if is_alone && stream.is_mixed_with(source) {
                stream.restart(self.pool);
            }
            match self.stream_from(source).await? {
                StreamEnd::Listed(list) => return Ok(Some(list)),
                StreamEnd::Attempt(AttemptEnd::Done, _) => {}
                StreamEnd::Attempt(AttemptEnd::Disk(error), _) => return Err(error.into()),
                StreamEnd::Attempt(AttemptEnd::Failed(failure), brought) => {
                    if failure.error.code == "changed" {
                        stream.restart(self.pool);
                    }
                    self.judge_failure(source, &failure, brought)?;
                }
            }
        }
    }

    /// Waits a moment, because nobody may be asked now; for the list, too.
    async fn wait(&mut self) -> Result<Option<GroupList>, DownloadError> {
        let doing = self.pool.waiting_for();
        self.meter.report_progress(self.download, self.stream.next(), doing);
        tokio::select! {
            biased;
            () = self.download.cancel.cancelled() => Err(DownloadError::Cancelled),
            listed = self.list.wait(), if self.list.is_pending() => listed,
            () = tokio::time::sleep(TICK) => Ok(None),
        }
    }

    /// Streams from one source what it has.
    async fn stream_from(&mut self, source: usize) -> Result<StreamEnd, DownloadError> {
        let Some(member) = self.pool.members.get_mut(source) else { return Err(DownloadError::NoSource) };
        member.state.note_attempt();
        member.n_workers = 1;
        let (client, stream, download) = (Arc::clone(&member.client), Arc::clone(&self.stream), self.download);
        client.is_stopped.store(false, Ordering::Relaxed);
        let (from, began) = (stream.next(), Instant::now());
        let same_file = stream.state.lock().from.contains_key(&Some(source));
        if !same_file {
            client.forget_file();
        }
        let sink = Arc::new(StreamSink { stream: Arc::clone(&stream), client: Arc::clone(&client), source, from });
        let attempt = async {
            let wanted = WantedRange { from, to: stream.size_bytes, same_file };
            let mut end = run_attempt(download, &client, wanted, sink).await;
            let brought = Brought { bytes: stream.next().saturating_sub(from), time: began.elapsed() };
            if let AttemptEnd::Failed(failed) = &mut end
                && failed.error.is_of_network()
                && is_cut_off(download, &client).await
            {
                failed.error.consequence = Consequence::CutOff;
            }
            (end, brought)
        };
        let mut attempt = Box::pin(attempt);
        let mut tick = tokio::time::interval(TICK);
        let end = loop {
            tokio::select! {
                biased;
                () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
                listed = self.list.wait(), if self.list.is_pending() => if let Some(list) = listed? {
                    break StreamEnd::Listed(list);
                },
                (end, brought) = &mut attempt => break StreamEnd::Attempt(end, brought),
                _ = tick.tick() => {
                    self.pool.look_at_sources(download, TICK, Instant::now());
                    self.room.set_left(stream.size_bytes - stream.next());
                    self.meter.report_progress(download, stream.next(), Some(client.name()));
                    self.record_now_and_then().await?;
                }
            }
        };
        // Keeps what came last, before anyone looks how far it is.
        drop(attempt);
        if let Some(member) = self.pool.members.get_mut(source) {
            member.n_workers = 0;
        }
        self.meter.report_progress(download, stream.next(), None);
        Ok(end)
    }

    async fn record_now_and_then(&mut self) -> Result<(), DownloadError> {
        let (before, at) = self.recorded;
        if at.elapsed() < RECORD_EVERY || self.stream.next() == before {
            return Ok(());
        }
        match self.record().await {
            Err(DownloadError::Disk(error)) if error.is_full() => Ok(()),
            // What a disk once failed to keep it may have lost, whatever it says the next time.
            Err(DownloadError::Disk(PlaceError::File(error))) if error.is_passing() && self.n_failed < MOST_FAILED => {
                self.download.report.warn(format!("{error}: all of it is fetched again."));
                self.n_failed += 1;
                self.stream.part.doubt();
                self.stream.restart(self.pool);
                Ok(())
            }
            other => other,
        }
    }

    async fn record(&mut self) -> Result<(), DownloadError> {
        let part = Arc::clone(&self.stream.part);
        // What comes is counted with the state locked.
        let (next, sources) = {
            let state = self.stream.state.lock();
            (state.next, self.pool.reports())
        };
        self.recorded = (next, Instant::now());
        blocking(move || part.record_stream(next, sources)).await
    }

    fn judge_failure(&mut self, source: usize, failure: &FailedAttempt, brought: Brought) -> Result<(), DownloadError> {
        match self.pool.members.get_mut(source) {
            Some(member) => member.judge_failure(self.download, failure, brought),
            None => Ok(()),
        }
    }
}
