//! How far a job is, as the job itself says it and everyone may see it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::FileId;
use crate::domain::rate::Rate;
use crate::domain::root::Root;
use crate::fs::CancelFlag;
use crate::services::busy::Busy;
use crate::services::roots::{LiveRoot, Roots};
use crate::services::throughput_meter::ThroughputMeter;
use crate::services::{Event, Events};
use crate::storage::background::BackgroundJobRow;

/// Between two looks at a root that can't be reached.
pub(in crate::services) const UNTIL_NEXT_LOOK: Duration = Duration::from_secs(2);

/// Between two looks while a transfer has the disk.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// How far a job is; clones share it.
#[derive(Clone)]
pub(in crate::services) struct Progress {
    /// Raised when the job is to stop.
    pub(in crate::services) cancel: CancelFlag,
    state: Arc<Mutex<ProgressState>>,
    events: Events,
    event: Event,
}

#[derive(Default)]
struct ProgressState {
    counts: Counts,
    meter: ThroughputMeter,
    waiting: Option<String>,
    /// Files that are being read, with their bytes so far.
    files: Vec<(String, u64)>,
    /// Files that failed: each counts once, whatever was tried with it.
    failed: BTreeSet<FileId>,
    detail: Option<String>,
    ended: Option<WorkState>,
}

/// What is shown of it beside the counts.
pub(super) struct Shown {
    pub(super) rate: Rate,
    pub(super) waiting: Option<String>,
    pub(super) files: Vec<String>,
}

impl Progress {
    pub(super) fn new(cancel: CancelFlag, events: Events, event: Event) -> Self {
        Self { cancel, state: Arc::default(), events, event }
    }

    fn update(&self, change: impl FnOnce(&mut ProgressState)) {
        change(&mut self.state.lock());
        self.events.progress(self.event);
    }

    /// Changes the counts, and tells of it.
    pub(in crate::services) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.update(|state| change(&mut state.counts));
    }

    /// Begins a stage with so many files and bytes: what was done before does not count in it.
    pub(in crate::services) fn begin_stage(&self, n_total: u64, bytes_total: u64) {
        self.count(|counts| *counts = Counts { n_total, bytes_total, n_failed: counts.n_failed, ..Counts::default() });
    }

    /// A file is read from now on; so many of its bytes were read by an earlier run.
    pub(in crate::services) fn open(&self, path: &str, bytes: u64) {
        self.update(|state| {
            state.files.push((path.to_owned(), bytes));
            state.counts.bytes_done += bytes;
        });
    }

    /// So many bytes of a file were read.
    pub(in crate::services) fn moved(&self, path: &str, bytes: u64) {
        self.update(|state| {
            state.meter.add(bytes, Instant::now());
            state.counts.bytes_done += bytes;
            if let Some((_, read)) = state.files.iter_mut().find(|(open, _)| open == path) {
                *read += bytes;
            }
        });
    }

    /// A file is no longer being read. What was read of one that is not done does not count.
    pub(in crate::services) fn close(&self, path: &str, is_done: bool) {
        self.update(|state| {
            let at = state.files.iter().position(|(open, _)| open == path);
            let bytes = at.map_or(0, |at| state.files.swap_remove(at).1);
            if is_done {
                state.counts.n_done += 1;
            } else {
                state.counts.bytes_done = state.counts.bytes_done.saturating_sub(bytes);
            }
        });
    }

    /// A file failed, and is left.
    pub(in crate::services) fn fail(&self, file: FileId, path: &str, why: &str) {
        self.update(|state| {
            if state.failed.insert(file) {
                tracing::warn!(path, why, "a file was left out of a background job");
                state.counts.n_failed += 1;
                state.detail.get_or_insert_with(|| format!("{path}: {why}"));
            }
        });
    }

    /// The root, as soon as it can be reached; none if the job is to stop.
    pub(in crate::services) fn wait_until_online(&self, roots: &Roots, root: Root) -> Option<LiveRoot> {
        loop {
            if self.cancel.is_cancelled() {
                return None;
            }
            match roots.live(root) {
                Ok(live) => {
                    if self.state.lock().waiting.is_some() {
                        self.wait_for(None);
                    }
                    return Some(live);
                }
                Err(error) => {
                    self.wait_for(Some(error.to_string()));
                    self.cancel.pause(UNTIL_NEXT_LOOK);
                }
            }
        }
    }

    /// Waits while transfers use a root's disk.
    pub(in crate::services) fn wait_for_transfers(&self, busy: &Busy, root: Root) {
        if !busy.is_busy(root) {
            return;
        }
        self.wait_for(Some(format!("Transfers are using {}.", root.label())));
        while busy.is_busy(root) && !self.cancel.is_cancelled() {
            self.cancel.pause(BUSY_PAUSE);
        }
        self.wait_for(None);
    }

    fn wait_for(&self, why: Option<String>) {
        self.update(|state| {
            if why.is_none() {
                // What passed until now was no work.
                state.meter.begin_anew(Instant::now());
            }
            state.waiting = why;
        });
    }

    /// Shows the end of a job before it is stored.
    pub(super) fn show_end(&self, end: WorkState) {
        self.update(|state| {
            state.files.clear();
            state.ended = Some(end);
        });
    }

    /// Writes the present counts into a job's row.
    pub(super) fn write_to<P, R>(&self, row: &mut BackgroundJobRow<P, R>) {
        let state = self.state.lock();
        row.counts = state.counts;
        row.detail.clone_from(&state.detail);
        row.state = state.ended.unwrap_or(row.state);
    }

    pub(super) fn shown(&self) -> Shown {
        let state = self.state.lock();
        let files = state.files.iter().map(|(path, _)| path.clone()).collect();
        Shown { rate: state.meter.rate(), waiting: state.waiting.clone(), files }
    }
}
