//! What is known of running transfers only while they run.

mod groups;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

use groups::LiveGroups;

pub use groups::GroupView;

use crate::domain::ids::TransferId;
use crate::domain::rate::Rate;
use crate::fs::CancelFlag;
use crate::fs::entry::Mount;
use crate::services::throughput_meter::ThroughputMeter;

/// How a running transfer is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LiveView {
    pub bytes_done: u64,
    /// Of a copy that was interrupted: bytes that were read again so far, while it checks what is there.
    pub bytes_checked: Option<u64>,
    /// How fast it goes, or checks.
    pub bytes_per_second: u64,
    /// Seconds left at this rate; unknown while it checks.
    pub eta_seconds: Option<u64>,
}

struct Running {
    size_bytes: u64,
    bytes_done: u64,
    bytes_checked: Option<u64>,
    /// What the database says: the difference is what the summary does not know yet.
    bytes_stored: u64,
    rate: Rate,
    last: Instant,
    stop: CancelFlag,
    /// Where it writes, once that is known.
    mount: Option<Mount>,
}

impl Running {
    fn new(size_bytes: u64, bytes_stored: u64, now: Instant) -> Self {
        Self {
            size_bytes,
            bytes_done: bytes_stored,
            bytes_checked: None,
            bytes_stored,
            rate: Rate::default(),
            last: now,
            stop: CancelFlag::new(),
            mount: None,
        }
    }

    /// Takes how far it got, and tells how many bytes that are more.
    fn progress(&mut self, bytes_done: u64, now: Instant) -> u64 {
        if self.bytes_checked.take().is_some() {
            // How fast it was read says nothing about what follows.
            (self.rate, self.last) = (Rate::default(), now);
        }
        let moved = bytes_done.saturating_sub(self.bytes_done);
        self.bytes_done = bytes_done;
        self.passed(moved, now);
        moved
    }

    fn checking(&mut self, bytes_checked: u64, now: Instant) {
        let read = bytes_checked.saturating_sub(self.bytes_checked.unwrap_or(0));
        self.bytes_checked = Some(bytes_checked);
        self.passed(read, now);
    }

    fn passed(&mut self, bytes: u64, now: Instant) {
        let time = now.duration_since(self.last);
        if bytes > 0 && time.as_millis() > 0 {
            self.rate.add(bytes, time);
            self.last = now;
        }
    }

    fn view(&self) -> LiveView {
        let left = self.size_bytes.saturating_sub(self.bytes_done);
        LiveView {
            bytes_done: self.bytes_done,
            bytes_checked: self.bytes_checked,
            bytes_per_second: self.rate.bytes_per_second(),
            eta_seconds: if self.bytes_checked.is_some() { None } else { self.rate.seconds_for(left) },
        }
    }
}

/// Running transfers; clones share them.
#[derive(Clone, Default)]
pub(super) struct Live {
    running: Arc<Mutex<HashMap<TransferId, Running>>>,
    groups: Arc<Mutex<LiveGroups>>,
    total: Arc<Mutex<ThroughputMeter>>,
}

impl Live {
    /// Transfers were claimed together.
    pub(super) fn claimed(&self, ids: Vec<TransferId>) {
        self.groups.lock().add(ids);
    }

    /// A download was claimed.
    pub(super) fn claimed_download(&self, id: TransferId) {
        self.groups.lock().add_download(id);
    }

    /// A site says how large what a transfer brings is.
    pub(super) fn is_of(&self, id: TransferId, size_bytes: u64) {
        if let Some(running) = self.running.lock().get_mut(&id) {
            running.size_bytes = size_bytes;
        }
    }

    /// What was claimed together with this one is worked on from now on.
    pub(super) fn works(&self, head: TransferId) {
        self.groups.lock().works(head);
    }

    /// Files of what was claimed together with this one are done; only writing that down is left.
    pub(super) fn ends(&self, head: TransferId) {
        self.groups.lock().ends(head);
    }

    /// The transfers that are really worked on, at most so many besides downloads.
    pub(super) fn at_work(&self, most: usize) -> Vec<TransferId> {
        self.groups.lock().at_work(most)
    }

    /// What was claimed together with a transfer, if that is more than itself.
    pub(super) fn group(&self, id: TransferId) -> Option<GroupView> {
        let (ids, n_done) = self.groups.lock().of(id)?;
        let running = self.running.lock();
        let sum = |of: fn(&Running) -> u64| ids.iter().filter_map(|id| running.get(id)).map(of).sum();
        let (size_bytes, bytes_done) = (sum(|one| one.size_bytes), sum(|one| one.bytes_done));
        Some(GroupView { n: ids.len() as u64, n_done, size_bytes, bytes_done })
    }

    pub(super) fn begin(&self, id: TransferId, size_bytes: u64, bytes_stored: u64) {
        let mut all = self.running.lock();
        if all.is_empty() {
            self.total.lock().begin_anew(Instant::now());
        }
        all.insert(id, Running::new(size_bytes, bytes_stored, Instant::now()));
    }

    /// A transfer is done or stopped.
    pub(super) fn end(&self, id: TransferId) {
        self.running.lock().remove(&id);
        self.groups.lock().remove(id);
    }

    /// A transfer got so far.
    pub(super) fn progress(&self, id: TransferId, bytes_done: u64) {
        let moved = self.running.lock().get_mut(&id).map(|running| running.progress(bytes_done, Instant::now()));
        if let Some(moved) = moved {
            self.groups.lock().is_at(id);
            self.moved(moved);
        }
    }

    /// A transfer reads again what an earlier run has written: that brings it no further, and makes nothing faster.
    pub(super) fn checking(&self, id: TransferId, bytes_checked: u64) {
        if let Some(running) = self.running.lock().get_mut(&id) {
            running.checking(bytes_checked, Instant::now());
        }
    }

    /// Bytes of small files that went by in one step.
    pub(super) fn moved(&self, bytes: u64) {
        self.total.lock().add(bytes, Instant::now());
    }

    /// The database learned how far a transfer is.
    pub(super) fn stored(&self, id: TransferId, bytes: u64) {
        if let Some(running) = self.running.lock().get_mut(&id) {
            running.bytes_stored = bytes;
        }
    }

    /// Bytes done that the database does not know of yet.
    pub(super) fn bytes_ahead(&self) -> u64 {
        self.running.lock().values().map(|r| r.bytes_done.saturating_sub(r.bytes_stored)).sum()
    }

    /// A transfer writes to this mount.
    pub(super) fn goes_to(&self, id: TransferId, mount: Mount) {
        if let Some(running) = self.running.lock().get_mut(&id) {
            running.mount = Some(mount);
        }
    }

    /// Bytes that running transfers will still write to a mount.
    pub(super) fn bytes_to_come(&self, except: TransferId, mount: Mount) -> u64 {
        let all = self.running.lock();
        let theirs = all.iter().filter(|(id, running)| **id != except && running.mount == Some(mount));
        theirs.map(|(_, r)| r.size_bytes.saturating_sub(r.bytes_done)).sum()
    }

    /// How fast everything goes together.
    pub(super) fn rate(&self) -> Rate {
        if self.running.lock().is_empty() { Rate::default() } else { self.total.lock().rate() }
    }

    pub(super) fn view(&self, id: TransferId) -> Option<LiveView> {
        self.running.lock().get(&id).map(Running::view)
    }

    /// The flag that stops a transfer; raised if it does not run.
    pub(super) fn flag(&self, id: TransferId) -> CancelFlag {
        self.running.lock().get(&id).map_or_else(
            || {
                let raised = CancelFlag::new();
                raised.cancel();
                raised
            },
            |running| running.stop.clone(),
        )
    }

    /// Asks one transfer to stop.
    pub(super) fn stop(&self, id: TransferId) {
        if let Some(running) = self.running.lock().get(&id) {
            running.stop.cancel();
        }
    }

    /// Asks all transfers to stop.
    pub(super) fn stop_all(&self) {
        self.running.lock().values().for_each(|running| running.stop.cancel());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_read_again_has_a_rate_of_its_own_and_brings_nothing_further() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut running = Running::new(100, 40, start);
        running.checking(10, after(1));
        running.checking(20, after(2));
        let checking = LiveView { bytes_done: 40, bytes_checked: Some(20), bytes_per_second: 10, eta_seconds: None };
        assert_eq!(running.view(), checking);
        assert_eq!(running.progress(40, after(3)), 0);
        let copying = LiveView { bytes_checked: None, bytes_per_second: 0, ..checking };
        assert_eq!(running.view(), copying, "how fast it was read is forgotten");
        assert_eq!(running.progress(60, after(7)), 20);
        assert_eq!((running.view().bytes_per_second, running.view().eta_seconds), (5, Some(8)));
    }

    #[test]
    fn what_is_read_again_counts_neither_as_copied_nor_as_to_come() {
        let (live, id) = (Live::default(), TransferId(1));
        let mount = |device| Mount { device, mount: 0 };
        live.begin(id, 100, 40);
        live.goes_to(id, mount(1));
        let before = live.total.lock().clone();
        live.checking(id, 30);
        assert_eq!((live.bytes_to_come(TransferId(2), mount(1)), live.bytes_ahead()), (60, 0));
        assert_eq!(live.bytes_to_come(TransferId(2), mount(2)), 0, "another disk");
        assert_eq!(*live.total.lock(), before);
    }
}
