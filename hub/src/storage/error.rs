//! What can go wrong with the database.

use std::path::Path;

use super::words::{self, Words};

/// A failed piece of work on the database.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// `SQLite` refused or failed.
    #[error("{}", words::sentence(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("database schema: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// A file of the database could not be made or moved.
    #[error("{verb} {path}: {source}")]
    File {
        verb: &'static str,
        /// With which file.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file can't be this hub's database.
    #[error("{path} {why}. {todo}")]
    Unopenable {
        /// The file, or its folder.
        path: String,
        why: String,
        todo: String,
    },
    /// A stored value that this version can't read.
    #[error("the database holds {what} that can't be read: {detail}")]
    Damaged {
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The thing asked for is not there (any more).
    #[error("{0} is not there")]
    Missing(&'static str),
    /// A text that is no cursor.
    #[error("the cursor is not a row of pairs of hexadecimal digits")]
    MalformedCursor,
    /// A cursor that no answer of this list contained.
    #[error("the cursor is not one of this list's")]
    Cursor,
    /// The program is shutting down.
    #[error("the database is closed")]
    Closed,
}

impl StorageError {
    /// Reports a stored value that can't be read.
    pub fn damaged(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Damaged { what, detail: detail.to_string() }
    }

    /// What it means and what to do, if that may change while the hub runs: whoever has something to
    /// store keeps it until then.
    pub fn passing(&self) -> Option<Words> {
        match self {
            Self::Sqlite(error) => words::of(error).filter(|words| words.is_passing),
            _ => None,
        }
    }

    /// The same about a file by its path, in words for people only.
    pub(super) fn about_file(self, path: &Path) -> Self {
        let Self::Sqlite(error) = &self else { return self };
        let Some(Words { why, todo, .. }) = words::of(error) else { return self };
        Self::Unopenable { path: path.display().to_string(), why: format!("{why} ({error})"), todo: todo.to_owned() }
    }

    /// Whether the disk under the database is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
