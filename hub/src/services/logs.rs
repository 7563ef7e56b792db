//! The latest log lines, kept in memory for the log page.
//!
//! They are not in the database: each line would be a synced write, and a database in trouble must
//! not take the report of its trouble with it. The files in the data folder hold the rest.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::ServiceError;
use crate::storage::views::{Page, PageRequest};

/// Lines kept in memory.
const KEPT: usize = 5_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    #[schema(value_type = String, format = DateTime)]
    pub at: jiff::Timestamp,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Which part of the program.
    pub target: String,
    pub message: String,
    /// Particulars, `name=value`.
    pub fields: String,
}

/// The latest lines with their numbers.
#[derive(Debug, Default)]
struct KeptLines {
    lines: VecDeque<(u64, LogLine)>,
    next: u64,
}

/// The latest lines; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    lines: Arc<Mutex<KeptLines>>,
}

impl Logs {
    /// Without lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&self, line: LogLine) {
        let mut kept = self.lines.lock();
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
        }
        let number = kept.next;
        kept.next += 1;
        kept.lines.push_back((number, line));
    }

    /// One page of the lines of at least this level that contain the text, the newest first.
    pub fn list(&self, level: Option<&str>, text: &str, page: &PageRequest) -> Result<Page<LogLine>, ServiceError> {
        let least = level.map_or(usize::MAX, rank);
        let text = text.to_lowercase();
        let contains = |part: &str| part.to_lowercase().contains(&text);
        let found: Vec<(u64, LogLine)> = self
            .lines
            .lock()
            .lines
            .iter()
            .rev()
            .filter(|(_, line)| rank(&line.level) <= least)
            .filter(|(_, line)| contains(&line.message) || contains(&line.fields) || contains(&line.target))
            .cloned()
            .collect();
        Ok(page.cut(found, |(number, _)| Reverse(*number))?.map(|(_, line)| line))
    }
}

fn rank(level: &str) -> usize {
    ["error", "warn", "info", "debug"].iter().position(|known| level.eq_ignore_ascii_case(known)).unwrap_or(4)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
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
        let page =
            |level, text, limit, cursor| logs.list(level, text, &PageRequest::new(limit, cursor).unwrap()).unwrap();
        let texts = |page: Page<LogLine>| page.items.into_iter().map(|l| l.message).collect::<Vec<_>>();
        assert_eq!(texts(page(Some("warn"), "", 10, None)), ["Disk full"]);
        assert_eq!(texts(page(None, "disk", 10, None)), ["Disk full"]);
        let first = page(None, "line", 2, None);
        assert_eq!(first.total, KEPT as u64 - 1);
        assert_eq!(texts(page(None, "line", 2, first.next_cursor)), ["line 5007", "line 5006"]);
    }
}
