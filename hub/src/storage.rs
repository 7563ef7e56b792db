//! The one place that knows SQL.
//!
//! One connection writes, a few read. Writers queue up in front of one mutex instead of meeting
//! `SQLITE_BUSY`; readers see the last commit thanks to the write-ahead log. Every call runs on a
//! blocking thread and no transaction stays open while other work runs.

pub mod agents;
mod ask;
pub mod background;
pub mod backups;
mod columns;
pub mod duplicates;
pub mod error;
pub mod evictions;
pub mod facts;
pub mod hashes;
pub mod history;
pub mod identities;
pub mod included_links;
pub mod index;
mod inspect;
#[cfg(test)]
pub(crate) mod invariants;
pub mod jobs;
pub mod lookups;
pub mod models;
pub mod open;
pub mod pairs;
pub mod plans;
pub mod pool;
pub mod queue;
pub mod remote_sessions;
pub mod retention;
pub mod roots;
pub mod rot;
pub mod saved_filters;
pub mod scrub;
pub mod search;
pub mod skipped;
pub mod space;
pub mod stale;
pub mod trash;
pub mod trouble;
pub mod views;
pub mod words;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod pairs_tests;

pub use error::StorageError;
pub use open::{check_file, look_into};
pub use pool::Database;

/// A connection, for callers that hand it on to functions of this module.
pub use rusqlite::Connection;

use ask::{execute, first, one, rows};
use columns::{Json, Parsed, columns, digest, digest_column, identity_column, path_column, path_column_if_any};

/// The clock of every stored time: milliseconds since 1970 UTC.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A stored time for people and the API.
pub fn timestamp(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX })
}

/// A count or size for the database, whose integers are signed.
pub(crate) fn to_db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count or size from the database.
pub(crate) fn from_db(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The first key behind all keys below a folder: `folder/…` is the range `folder/ .. folder0`.
pub(crate) fn folder_range(folder_key: &str) -> (String, String) {
    if folder_key.is_empty() {
        (String::new(), "\u{10ffff}".to_owned())
    } else {
        (format!("{folder_key}/"), format!("{folder_key}0"))
    }
}
