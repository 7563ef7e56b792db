//! Logs: lines of JSON in files that roll over daily, the same lines in memory for the log page,
//! and warnings on the console.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::services::Logs;
use crate::services::logs::LogLine;

/// Days of log files kept.
const DAYS: usize = 14;

/// Lines of an earlier run shown on the log page after a start.
const EARLIER_LINES: usize = 500;

/// Name of the log files in front of their date.
const PREFIX: &str = "hub";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log file can't be made.
    #[error("the log file in {folder} can't be made: {source}")]
    File {
        folder: String,
        /// Why.
        source: tracing_appender::rolling::InitError,
    },
    /// Something else logs already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging into `folder`. The guard writes what is left when it is dropped.
pub fn start(folder: &Path) -> Result<(Logs, WorkerGuard), TelemetryError> {
    let logs = Logs::new();
    for line in earlier_lines(folder) {
        logs.push(line);
    }
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(PREFIX)
        .filename_suffix("jsonl")
        .max_log_files(DAYS)
        .build(folder)
        .map_err(|source| TelemetryError::File { folder: folder.display().to_string(), source })?;
    let (writer, guard) = tracing_appender::non_blocking(appender);
    let chosen = EnvFilter::try_new("info,hub=debug").unwrap_or_else(|_| EnvFilter::new("info"));
    let console = fmt::layer().with_writer(io::stderr).with_target(false).with_filter(LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(chosen)
        .with(fmt::layer().json().flatten_event(true).with_writer(writer))
        .with(Memory { logs: logs.clone() })
        .with(console)
        .try_init()?;
    Ok((logs, guard))
}

/// The last lines of the newest file.
fn earlier_lines(folder: &Path) -> Vec<LogLine> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let Some(text) = files.last().and_then(|newest| fs::read_to_string(newest).ok()) else { return Vec::new() };
    let mut lines: Vec<LogLine> = text.lines().rev().take(EARLIER_LINES).filter_map(parse_line).collect();
    lines.reverse();
    lines
}

fn parse_line(line: &str) -> Option<LogLine> {
    // Sorted by name: whether a JSON map keeps its order depends on what else is built with it.
    let mut value: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let mut take = |name: &str| value.remove(name).and_then(|v| v.as_str().map(str::to_owned));
    let (at, level) = (take("timestamp")?.parse().ok()?, take("level")?);
    let (target, message) = (take("target")?, take("message").unwrap_or_default());
    let mut fields = String::new();
    for (name, value) in &value {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Writing into a String can't fail.
        write!(fields, "{}{name}={text}", if fields.is_empty() { "" } else { " " }).ok();
    }
    Some(LogLine { at, level, target, message, fields })
}

/// Keeps the latest lines in memory.
struct Memory {
    logs: Logs,
}

impl<S: Subscriber> Layer<S> for Memory {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut texts = Texts::default();
        event.record(&mut texts);
        self.logs.push(LogLine {
            at: jiff::Timestamp::now(),
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            message: texts.message,
            fields: texts.fields,
        });
    }
}

#[derive(Default)]
struct Texts {
    message: String,
    fields: String,
}

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Where in the source of a library a line comes from helps nobody.
        if field.name().starts_with("log.") {
            return;
        }
        let (text, name) =
            if field.name() == "message" { (&mut self.message, "") } else { (&mut self.fields, field.name()) };
        let space = if text.is_empty() { "" } else { " " };
        let equals = if name.is_empty() { "" } else { "=" };
        // Writing into a String can't fail.
        write!(text, "{space}{name}{equals}{value:?}").ok();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_file_is_read_again() {
        let line = r#"{"timestamp":"2026-03-01T10:00:00.123456Z","level":"WARN","message":"a scan failed","root":"lake","n":3,"target":"hub::x"}"#;
        let read = parse_line(line).unwrap();
        assert_eq!((read.level.as_str(), read.message.as_str()), ("WARN", "a scan failed"));
        assert_eq!(read.fields, "n=3 root=lake");
        assert!(parse_line("half a li").is_none());
    }
}
