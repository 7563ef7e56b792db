//! How work tells how far it is: the latest state, which replaces the one before, and lines for people,
//! of which the newest are kept when nobody fetches them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use shared_protocol::agent_to_hub::{LogLevel, LogLine};
use shared_protocol::job::JobPhase;
use tokio::sync::Notify;

/// Lines kept until they are fetched; the oldest go first.
pub const MAX_LINES: usize = 200;

/// Longest line, in bytes.
pub const MAX_LINE_BYTES: usize = 1_000;

/// How far work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressState {
    /// Waiting, running, verifying or paused.
    pub phase: JobPhase,
    /// Bytes that are there and verified; of git, bytes received.
    pub bytes_done: u64,
    /// All bytes, if that is known.
    pub bytes_total: Option<u64>,
    /// Over the last seconds.
    pub bytes_per_second: Option<u64>,
    /// A source without its query, or a step.
    pub doing: Option<String>,
}

impl Default for ProgressState {
    fn default() -> Self {
        Self { phase: JobPhase::Waiting, bytes_done: 0, bytes_total: None, bytes_per_second: None, doing: None }
    }
}

#[derive(Debug)]
struct Kept {
    state: ProgressState,
    is_changed: bool,
    lines: VecDeque<LogLine>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    kept: Mutex<Kept>,
    changed: Arc<Notify>,
}

/// The end of whoever works.
#[derive(Debug, Clone)]
pub struct Reporter(Arc<Shared>);

/// The end of whoever sends the reports.
#[derive(Debug, Clone)]
pub struct Reports(Arc<Shared>);

/// Makes both ends. `changed` is notified whenever there is something new.
pub fn channel(changed: Arc<Notify>) -> (Reporter, Reports) {
    let kept = Kept { state: ProgressState::default(), is_changed: false, lines: VecDeque::new() };
    let shared = Arc::new(Shared { began: Instant::now(), kept: Mutex::new(kept), changed });
    (Reporter(Arc::clone(&shared)), Reports(shared))
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.kept.lock())
    }
}

impl Reporter {
    /// Changes the state.
    pub fn update(&self, change: impl FnOnce(&mut ProgressState)) {
        let is_new = self.0.with(|kept| {
            let before = kept.state.clone();
            change(&mut kept.state);
            let is_new = kept.state != before;
            kept.is_changed |= is_new;
            is_new
        });
        if is_new {
            self.0.changed.notify_one();
        }
    }

    /// Writes a line for people. It must hold no secret and no query string.
    pub fn line(&self, level: LogLevel, text: impl Into<String>) {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
        let after_ms = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.with(|kept| {
            if kept.lines.len() == MAX_LINES {
                kept.lines.pop_front();
            }
            kept.lines.push_back(LogLine { after_ms, level, text });
        });
        self.0.changed.notify_one();
    }

    /// [`Self::line`] of something expected.
    pub fn info(&self, text: impl Into<String>) {
        self.line(LogLevel::Info, text);
    }

    /// [`Self::line`] of something that was worked around.
    pub fn warn(&self, text: impl Into<String>) {
        self.line(LogLevel::Warning, text);
    }
}

impl Reports {
    /// The state as it is.
    pub fn state(&self) -> ProgressState {
        self.0.with(|kept| kept.state.clone())
    }

    /// The state, if it changed since it was last taken.
    pub fn take_news(&self) -> Option<ProgressState> {
        self.0.with(|kept| std::mem::take(&mut kept.is_changed).then(|| kept.state.clone()))
    }

    /// Lines not taken before, oldest first.
    pub fn take_lines(&self) -> Vec<LogLine> {
        self.0.with(|kept| kept.lines.drain(..).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn ends() -> (Reporter, Reports) {
        channel(Arc::new(Notify::new()))
    }

    #[test]
    fn only_the_latest_state_is_told_and_only_once() {
        let (reporter, reports) = ends();
        assert_eq!(reports.take_news(), None);
        for bytes in 1..1_000 {
            reporter.update(|state| state.bytes_done = bytes);
        }
        assert_eq!(reports.take_news().unwrap().bytes_done, 999);
        reporter.update(|state| state.bytes_done = 999);
        assert_eq!(reports.take_news(), None, "the same is nothing new");
    }

    #[test]
    fn the_newest_lines_are_kept_and_cut_at_a_character() {
        let (reporter, reports) = ends();
        for i in 0..=MAX_LINES {
            reporter.info(format!("line {i}"));
        }
        reporter.warn("ü".repeat(MAX_LINE_BYTES));
        let lines = reports.take_lines();
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.first().unwrap().text, "line 2");
        assert!(lines.last().unwrap().text.len() <= MAX_LINE_BYTES);
        assert!(reports.take_lines().is_empty());
    }
}
