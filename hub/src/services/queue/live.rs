//! What is known of running transfers only while they run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

use crate::domain::ids::TransferId;
use crate::domain::rate::Rate;
use crate::fs::CancelFlag;

/// How a running transfer is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LiveView {
    /// Bytes done.
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
}

/// Running transfers; clones share them.
#[derive(Clone, Default)]
pub(super) struct Live {
    running: Arc<Mutex<HashMap<TransferId, Running>>>,
    total: Arc<Mutex<Meter>>,
}

struct Meter {
    rate: Rate,
    bytes: u64,
    last: Instant,
}

impl Default for Meter {
    fn default() -> Self {
        Self { rate: Rate::default(), bytes: 0, last: Instant::now() }
    }
}

impl Live {
    /// A transfer begins.
    pub(super) fn begin(&self, id: TransferId, size_bytes: u64, bytes_stored: u64) {
        let running = Running {
            size_bytes,
            bytes_done: bytes_stored,
            bytes_checked: None,
            bytes_stored,
            rate: Rate::default(),
            last: Instant::now(),
            stop: CancelFlag::new(),
        };
        let mut all = self.running.lock();
        if all.is_empty() {
            let mut total = self.total.lock();
            *total = Meter { rate: total.rate, ..Meter::default() };
        }
        all.insert(id, running);
    }

    /// A transfer is done or stopped.
    pub(super) fn end(&self, id: TransferId) {
        self.running.lock().remove(&id);
    }

    /// A transfer got so far.
    pub(super) fn progress(&self, id: TransferId, bytes_done: u64) {
        let now = Instant::now();
        let mut all = self.running.lock();
        let Some(running) = all.get_mut(&id) else { return };
        if running.bytes_checked.take().is_some() {
            // How fast it was read says nothing about what follows.
            (running.rate, running.last) = (Rate::default(), now);
        }
        let moved = bytes_done.saturating_sub(running.bytes_done);
        running.bytes_done = bytes_done;
        let passed = now.duration_since(running.last);
        if moved > 0 && passed.as_millis() > 0 {
            running.rate.add(moved, passed);
            running.last = now;
        }
        drop(all);
        self.moved(moved);
    }

    /// A transfer reads again what an earlier run has written: that brings it no further, and makes nothing faster.
    pub(super) fn checking(&self, id: TransferId, bytes_checked: u64) {
        let now = Instant::now();
        let mut all = self.running.lock();
        let Some(running) = all.get_mut(&id) else { return };
        let read = bytes_checked.saturating_sub(running.bytes_checked.unwrap_or(0));
        running.bytes_checked = Some(bytes_checked);
        let passed = now.duration_since(running.last);
        if read > 0 && passed.as_millis() > 0 {
            running.rate.add(read, passed);
            running.last = now;
        }
    }

    /// Bytes of small files that went by in one step.
    pub(super) fn moved(&self, bytes: u64) {
        let mut total = self.total.lock();
        total.bytes += bytes;
        let passed = total.last.elapsed();
        if passed.as_millis() >= 100 {
            let bytes = std::mem::take(&mut total.bytes);
            total.rate.add(bytes, passed);
            total.last = Instant::now();
        }
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

    /// Bytes that running transfers will still write.
    pub(super) fn bytes_to_come(&self, except: TransferId) -> u64 {
        let all = self.running.lock();
        all.iter().filter(|(id, _)| **id != except).map(|(_, r)| r.size_bytes.saturating_sub(r.bytes_done)).sum()
    }

    /// How fast everything goes together.
    pub(super) fn rate(&self) -> Rate {
        if self.running.lock().is_empty() { Rate::default() } else { self.total.lock().rate }
    }

    pub(super) fn view(&self, id: TransferId) -> Option<LiveView> {
        self.running.lock().get(&id).map(|running| LiveView {
            bytes_done: running.bytes_done,
            bytes_checked: running.bytes_checked,
            bytes_per_second: running.rate.bytes_per_second(),
            eta_seconds: match running.bytes_checked {
                Some(_) => None,
                None => running.rate.seconds_for(running.size_bytes.saturating_sub(running.bytes_done)),
            },
        })
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
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_read_again_is_no_progress_and_its_rate_is_not_that_of_the_copy() {
        let (live, id) = (Live::default(), TransferId(1));
        live.begin(id, 100, 40);
        for bytes in [10, 40] {
            std::thread::sleep(Duration::from_millis(2));
            live.checking(id, bytes);
        }
        let view = live.view(id).unwrap();
        assert_eq!((view.bytes_done, view.bytes_checked, view.eta_seconds), (40, Some(40), None));
        assert!(view.bytes_per_second > 0, "how fast it is read");
        assert_eq!((live.bytes_to_come(TransferId(2)), live.bytes_ahead()), (60, 0));
        assert_eq!(live.rate().bytes_per_second(), 0, "nothing is copied");
        live.progress(id, 40);
        let view = live.view(id).unwrap();
        assert_eq!((view.bytes_done, view.bytes_checked, view.bytes_per_second), (40, None, 0));
    }
}
