//! The latest log lines, kept in memory for the log page.
//!
//! They are not in the database: each line would be a synced write, and a database in trouble must
//! not take the report of its trouble with it. The files in the data folder hold the rest.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Lines kept in memory.
const KEPT: usize = 5_000;

/// One log line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: jiff::Timestamp,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Which part of the program.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Particulars, `name=value`.
    pub fields: String,
}

/// The latest lines; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    lines: Arc<Mutex<VecDeque<LogLine>>>,
}

impl Logs {
    /// Without lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&self, line: LogLine) {
        let mut lines = self.lines.lock();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The latest lines of at least this level that contain the text, newest first.
    pub fn recent(&self, level: Option<&str>, text: &str, limit: usize) -> Vec<LogLine> {
        let least = level.map_or(usize::MAX, rank);
        let text = text.to_lowercase();
        let contains = |part: &str| part.to_lowercase().contains(&text);
        self.lines
            .lock()
            .iter()
            .rev()
            .filter(|line| rank(&line.level) <= least)
            .filter(|line| contains(&line.message) || contains(&line.fields) || contains(&line.target))
            .take(limit)
            .cloned()
            .collect()
    }
}

fn rank(level: &str) -> usize {
    ["error", "warn", "info", "debug"].iter().position(|known| level.eq_ignore_ascii_case(known)).unwrap_or(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: &str, message: &str) -> LogLine {
        LogLine {
            at: jiff::Timestamp::UNIX_EPOCH,
            level: level.into(),
            target: "hub".into(),
            message: message.into(),
            fields: String::new(),
        }
    }

    #[test]
    fn filters_by_level_and_text_newest_first() {
        let logs = Logs::new();
        for n in 0..KEPT + 10 {
            logs.push(line("INFO", &format!("line {n}")));
        }
        logs.push(line("ERROR", "Disk full"));
        let texts = |lines: Vec<LogLine>| lines.into_iter().map(|l| l.message).collect::<Vec<_>>();
        assert_eq!(texts(logs.recent(Some("warn"), "", 10)), ["Disk full"]);
        assert_eq!(texts(logs.recent(None, "disk", 10)), ["Disk full"]);
        assert_eq!(logs.recent(None, "", usize::MAX).len(), KEPT);
        assert!(logs.recent(None, "line 3", 1).len() == 1);
    }
}
