//! Files whose bytes changed though nothing wrote to them.
//!
//! Every proof goes through [`super::hashes`]: where it finds another content than the one that was known of the very
//! same size, time and identity, the file is marked here, with the hash that it should have. The mark goes when the file
//! is read again and holds what it should, when anything is written to it, and when a person says that it is right.

use rusqlite::Connection;
use shared_protocol::{Blake3, RelPath};

use super::history::{self, Level, NewLine};
use super::index::{FileRow, single};
use super::{StorageError, execute, one, roots};
use crate::domain::ids::RootRowId;
use crate::domain::root::{PerRoot, Root};

/// Lines of history for what one commit found; more is one line.
const MOST_LINES: usize = 20;

/// What a proof found out about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotNews {
    pub root: RootRowId,
    pub path: RelPath,
    /// What it should hold, and what it holds; the same if it was only read wrongly before.
    pub expected: Blake3,
    /// What it was found to hold.
    pub found: Blake3,
}

/// Tells people.
pub(super) fn tell_rot(connection: &Connection, news: &[RotNews]) -> Result<(), StorageError> {
    for one in news.iter().take(MOST_LINES) {
        let root = if roots::active(connection, Root::Lake)?.is_some_and(|row| row.id == one.root) {
            Root::Lake
        } else {
            Root::Local
        };
        let (label, path) = (root.label(), &one.path);
        let line = if one.expected == one.found {
            let summary = format!("{path} in {label} holds what it should after all");
            NewLine::new("rot", Level::Info, summary).detail("It was read again, and its bytes are those of its hash.")
        } else {
            let summary = format!("{path} in {label} changed on disk without being written");
            NewLine::new("rot", Level::Error, summary).detail(format!(
                "Its bytes changed though nothing wrote to it: it should hold {}, and holds {}, with the same size and \
                 time. Its disk may be failing. It is not used as a source until it is healed: see Hashes.",
                one.expected, one.found
            ))
        };
        history::add(connection, &line.root(root))?;
    }
    if news.len() > MOST_LINES {
        let summary = format!("{} more files changed on disk without being written", news.len() - MOST_LINES);
        history::add(connection, &NewLine::new("rot", Level::Error, summary))?;
    }
    Ok(())
}

/// A file that rotted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotted {
    pub root: Root,
    /// Its row in the index.
    pub file: FileRow,
    /// What it should hold.
    pub expected: Blake3,
    /// A file that is known to hold that.
    pub good: Option<(Root, FileRow)>,
}

/// The files that rotted, Local's first, at most so many.
pub fn list(connection: &Connection, limit: u32) -> Result<Vec<Rotted>, StorageError> {
    let mut found = Vec::new();
    for root in Root::ALL {
        let Some(row) = roots::active(connection, root)? else { continue };
        for file in single::rotted(connection, row.id, limit)? {
            let Some(expected) = file.rotted else { continue };
            found.push(Rotted { root, good: good(connection, root, &expected)?, file, expected });
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}

/// How many there are in each root.
pub fn count(connection: &Connection) -> Result<PerRoot<u64>, StorageError> {
    let mut counts = PerRoot::<u64>::default();
    for root in Root::ALL {
        if let Some(row) = roots::active(connection, root)? {
            *counts.get_mut(root) = one(
                connection,
                "SELECT count(*) FROM files INDEXED BY files_rotted WHERE root_id = ?1 AND rotted IS NOT NULL",
                [row.id.0],
                |row| row.get::<_, i64>(0).map(super::from_db),
            )?;
        }
    }
    Ok(counts)
}

/// A file that holds what a rotted one of this root should: of the other root, or else of the same.
pub fn good(connection: &Connection, root: Root, expected: &Blake3) -> Result<Option<(Root, FileRow)>, StorageError> {
    for from in [root.other(), root] {
        if let Some(row) = roots::active(connection, from)?
            && let Some(file) = single::file_holding(connection, row.id, expected)?
        {
            return Ok(Some((from, file)));
        }
    }
    Ok(None)
}

/// Takes a file as it is; `false` if it is not marked.
pub fn accept(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<bool, StorageError> {
    let sql =
        "UPDATE files SET rotted = NULL WHERE root_id = ?1 AND match_key = ?2 AND path = ?3 AND rotted IS NOT NULL";
    let n = execute(connection, sql, (root.0, path.match_key(), path.as_str()))?;
    Ok(n > 0)
}
