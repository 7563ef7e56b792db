//! A connection at work on a content whose groups are known: what it takes, verifies, writes and keeps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use shared_protocol::GroupList;
use shared_protocol::groups::{GROUP_BYTES, group_value};

use super::Download;
use super::attempt::{AttemptEnd, BlockError, BlockSink, run_attempt};
use super::attempt_error::Consequence;
use super::chunk_scheduler::{ChunkScheduler, Run, WorkerId};
use super::earlier::Shares;
use super::part::PartFile;
use super::partial_groups::Partial;
use super::reachability::is_cut_off;
use super::source_client::{SourceClient, WantedRange};
use super::source_state::Brought;

/// What all connections of a download share.
pub(super) struct GroupedState {
    pub(super) scheduler: Mutex<ChunkScheduler>,
    pub(super) list: GroupList,
    pub(super) part: Arc<PartFile>,
    /// All sources, by their places.
    pub(super) clients: Vec<Arc<SourceClient>>,
    pub(super) writing: GroupLocks,
    /// What of earlier runs is verified by now, by who brought it.
    pub(super) settled: Arc<Mutex<Shares>>,
}

impl GroupedState {
    /// Counts the shares of who brought something that turned out to be wrong.
    fn count_wasted(&self, partial: &Partial) {
        for (bringer, n_bytes) in &partial.from {
            if let Some(client) = bringer.and_then(|source| self.clients.get(source)) {
                client.wasted.fetch_add(*n_bytes, Ordering::Relaxed);
            }
        }
    }
}

/// Sees to it that only one writes a group at a time: bytes that nothing verifies never come over those that are.
#[derive(Debug, Default)]
pub(super) struct GroupLocks {
    busy: Mutex<BTreeSet<u64>>,
    freed: Condvar,
}

/// A group that nobody else writes.
struct GroupGuard<'a> {
    locks: &'a GroupLocks,
    group: u64,
}

impl GroupLocks {
    fn lock(&self, group: u64) -> GroupGuard<'_> {
        let mut busy = self.busy.lock();
        while !busy.insert(group) {
            self.freed.wait(&mut busy);
        }
        GroupGuard { locks: self, group }
    }
}

impl Drop for GroupGuard<'_> {
    fn drop(&mut self) {
        self.locks.busy.lock().remove(&self.group);
        self.locks.freed.notify_all();
    }
}

/// Takes what one connection brings.
pub(super) struct WorkerSink {
    shared: Arc<GroupedState>,
    source: usize,
    client: Arc<SourceClient>,
    worker: WorkerId,
    /// Bytes that came of groups that were wanted.
    heard: Arc<AtomicU64>,
    /// The group that it goes on with, and what was there of it.
    base: Mutex<Option<(u64, Partial)>>,
}

impl WorkerSink {
    pub(super) fn new(shared: Arc<GroupedState>, source: usize, client: Arc<SourceClient>, worker: WorkerId) -> Self {
        Self { shared, source, client, worker, heard: Arc::default(), base: Mutex::default() }
    }

    /// Counts what comes.
    pub(super) fn heard(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.heard)
    }

    /// Hands it work, if there is any: where it begins and ends. It goes on from what is there.
    pub(super) fn claim(&self, size_bytes: u64) -> Option<(u64, u64)> {
        let mut scheduler = self.shared.scheduler.lock();
        if self.client.is_whole.load(Ordering::Relaxed) {
            scheduler.claim_all(self.worker);
            return Some((0, size_bytes));
        }
        let Run { from, to } = scheduler.claim(self.worker)?;
        let kept = scheduler.partials.before(from, self.source).map_or(0, |partial| partial.n_bytes);
        Some((from * GROUP_BYTES + kept, (to * GROUP_BYTES).min(size_bytes)))
    }

    fn base_of(&self, group: u64) -> Partial {
        self.base.lock().as_ref().filter(|(of, _)| *of == group).map(|(_, base)| base.clone()).unwrap_or_default()
    }
}

impl BlockSink for WorkerSink {
    fn open_block(&self, at: u64, kept: &mut Vec<u8>) -> Option<u64> {
        let (group, scheduler) = (at / GROUP_BYTES, self.shared.scheduler.lock());
        let begin = group * GROUP_BYTES;
        if !scheduler.wants(self.worker, group) {
            return None;
        }
        if at == begin {
            // The block before may be on its way to the disk still, and needs what it has.
            self.base.lock().take_if(|(of, _)| *of == group);
            return Some(begin);
        }
        let there = scheduler.partials.before(group, self.source).filter(|there| there.n_bytes == at - begin)?.clone();
        drop(scheduler);
        kept.resize(usize::try_from(there.n_bytes).ok()?, 0);
        if self.shared.part.read(begin, kept).is_err() {
            kept.clear();
            return None;
        }
        *self.base.lock() = Some((group, there));
        Some(begin)
    }

    fn end(&self) -> u64 {
        if self.client.is_stopped.load(Ordering::Relaxed) {
            return 0;
        }
        self.shared.scheduler.lock().end_of(self.worker) * GROUP_BYTES
    }

    fn expect_all(&self) {
        self.shared.scheduler.lock().claim_all(self.worker);
    }

    fn hear_bytes(&self, n_bytes: u64) {
        self.heard.fetch_add(n_bytes, Ordering::Relaxed);
    }

    fn accept_block(&self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let (group, shared) = (offset / GROUP_BYTES, &self.shared);
        let base = self.base_of(group);
        let own = bytes.len() as u64 - base.n_bytes;
        let value = usize::try_from(group).ok().and_then(|group| shared.list.values().get(group));
        if value != Some(&group_value(offset, bytes)) {
            let has_changed = self.client.has_changed.load(Ordering::Relaxed);
            let is_mixed = base.n_bytes > 0 && (has_changed || !base.is_all_of(Some(self.source)));
            shared.count_wasted(&base.with(Some(self.source), own));
            let partials = &mut shared.scheduler.lock().partials;
            if is_mixed {
                partials.doubt(group);
                return Ok(());
            }
            partials.forget(group);
            return Err(BlockError::Wrong);
        }
        let _guard = shared.writing.lock(group);
        if shared.scheduler.lock().held().has(group) {
            self.client.wasted.fetch_add(own, Ordering::Relaxed);
            return Ok(());
        }
        shared.part.write(offset, bytes).map_err(BlockError::Disk)?;
        let mut scheduler = shared.scheduler.lock();
        for (name, n_bytes) in &base.earlier {
            *shared.settled.lock().entry(name.clone()).or_default() += n_bytes;
        }
        for (bringer, n_bytes) in base.with(Some(self.source), own).from {
            if let Some(client) = bringer.and_then(|source| shared.clients.get(source)) {
                client.verified.fetch_add(n_bytes, Ordering::Relaxed);
            }
        }
        scheduler.note_arrived(group);
        Ok(())
    }

    fn keep_beginning(&self, offset: u64, bytes: &[u8]) {
        let (group, shared) = (offset / GROUP_BYTES, &self.shared);
        let base = self.base_of(group);
        let (before, own) = (base.n_bytes, bytes.len() as u64 - base.n_bytes);
        let partial = base.with(Some(self.source), own);
        let _guard = shared.writing.lock(group);
        if shared.scheduler.lock().is_longer(group, partial.n_bytes) {
            let fresh = bytes.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or_default();
            if shared.part.write(offset + before, fresh).is_ok() {
                shared.scheduler.lock().partials.keep(group, partial);
                return;
            }
        }
        self.client.wasted.fetch_add(own, Ordering::Relaxed);
    }
}

/// The work is taken back however the worker ends.
impl Drop for WorkerSink {
    fn drop(&mut self) {
        self.shared.scheduler.lock().release(self.worker);
    }
}

/// How a connection ended.
pub(super) struct EndedWorker {
    pub(super) source: usize,
    pub(super) worker: WorkerId,
    pub(super) end: AttemptEnd,
    pub(super) brought: Brought,
}

/// Fetches one run after the other, until there is none or the source fails.
pub(super) async fn run_worker(download: Arc<Download>, sink: WorkerSink, first: (u64, u64)) -> EndedWorker {
    let (source, worker, began) = (sink.source, sink.worker, Instant::now());
    let (client, heard, sink) = (Arc::clone(&sink.client), sink.heard(), Arc::new(sink));
    let mut run = Some(first);
    let mut end = AttemptEnd::Done;
    while let Some((from, to)) = run {
        let taker: Arc<dyn BlockSink> = Arc::<WorkerSink>::clone(&sink);
        end = run_attempt(&download, &client, WantedRange { from, to, same_file: false }, taker).await;
        // A source that sends the whole is started anew by whoever decides, if anything is left.
        let goes_on = matches!(end, AttemptEnd::Done)
            && !client.is_whole.load(Ordering::Relaxed)
            && !client.is_stopped.load(Ordering::Relaxed);
        run = if goes_on { sink.claim(download.order.size_bytes) } else { None };
    }
    let brought = Brought { bytes: heard.load(Ordering::Relaxed), time: began.elapsed() };
    drop(sink);
    if let AttemptEnd::Failed(failed) = &mut end
        && failed.error.is_of_network()
        && is_cut_off(&download, &client).await
    {
        failed.error.consequence = Consequence::CutOff;
    }
    EndedWorker { source, worker, end, brought }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests;
