//! Opening the database file: settings, schema, and what happens when the file is broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::StorageError;
use super::backups::{self, Backup};
use super::inspect::{self, Room};

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../../migrations/0001_library.sql")),
    M::up(include_str!("../../migrations/0002_queue.sql")),
    M::up(include_str!("../../migrations/0003_plans.sql")),
    M::up(include_str!("../../migrations/0004_duplicates.sql")),
    M::up(include_str!("../../migrations/0005_trash_space.sql")),
    M::up(include_str!("../../migrations/0006_lanes.sql")),
    M::up(include_str!("../../migrations/0007_failures.sql")),
    M::up(include_str!("../../migrations/0008_remote.sql")),
    M::up(include_str!("../../migrations/0009_duplicate_extents.sql")),
    M::up(include_str!("../../migrations/0010_hashes_by_content.sql")),
    M::up(include_str!("../../migrations/0011_first_hashes.sql")),
    M::up(include_str!("../../migrations/0012_batch_story.sql")),
    M::up(include_str!("../../migrations/0013_unknown_places.sql")),
    M::up(include_str!("../../migrations/0014_retention.sql")),
    M::up(include_str!("../../migrations/0015_damaged.sql")),
    M::up(include_str!("../../migrations/0016_bundles.sql")),
    M::up(include_str!("../../migrations/0017_identities.sql")),
    M::up(include_str!("../../migrations/0018_rot.sql")),
    M::up(include_str!("../../migrations/0019_included_links.sql")),
    M::up(include_str!("../../migrations/0020_duplicates_removed.sql")),
    M::up(include_str!("../../migrations/0021_background_jobs.sql")),
    M::up(include_str!("../../migrations/0022_models.sql")),
    M::up(include_str!("../../migrations/0023_models_lighter.sql")),
    M::up(include_str!("../../migrations/0024_models_move.sql")),
    M::up(include_str!("../../migrations/0025_lookups.sql")),
    M::up(include_str!("../../migrations/0026_downloads.sql")),
];

/// What opening found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A database that was there and is sound.
    Sound,
    /// There was none: this one is new and empty.
    New,
    /// The old file was broken and lies here now; this one is new and empty.
    Replaced(PathBuf),
    /// A copy made earlier took the place of a database that was broken (and lies at `aside` now) or
    /// was gone.
    Restored {
        /// Where the broken one lies.
        aside: Option<PathBuf>,
        backup: Backup,
    },
}

/// Opens the writing connection. A copy made earlier takes the place of a broken or lost file; where
/// there is none, a new database is begun.
pub(super) fn writer(path: &Path, room: Room<'_>) -> Result<(Connection, Opened), StorageError> {
    let broken = match there(path, room) {
        Ok(Some(connection)) => return Ok((connection, Opened::Sound)),
        Ok(None) => None,
        Err(error) if is_broken(&error) => Some(error),
        Err(error) => return Err(error),
    };
    let aside = match &broken {
        Some(error) => {
            tracing::error!(%error, "the database is broken: it is set aside");
            Some(set_aside(path)?)
        }
        // A log without its file would be played into whatever takes the file's place.
        None if with_ending(path, "-wal").metadata().is_ok_and(|log| log.len() > 0) => Some(set_aside(path)?),
        None => None,
    };
    while let Some(backup) = backups::newest_usable(path, MIGRATIONS.len()) {
        backups::take_up(&backup, path)?;
        match there(path, room) {
            Ok(Some(mut connection)) => {
                backups::reconcile_restored(&mut connection, &backup)?;
                return Ok((connection, Opened::Restored { aside, backup }));
            }
            // A copy that turns out to be no good is not taken twice.
            Ok(None) => backups::discard(&backup),
            Err(error) if is_broken(&error) => {
                tracing::error!(%error, "a copy of the database is broken, too");
                drop(set_aside(path)?);
                backups::discard(&backup);
            }
            Err(error) => return Err(error),
        }
    }
    let connection = prepared(path, room)?;
    Ok((connection, aside.map_or(Opened::New, Opened::Replaced)))
}

/// Opens the database that is there, if one is, after a look at its file.
fn there(path: &Path, room: Room<'_>) -> Result<Option<Connection>, StorageError> {
    if !inspect::file(path)? {
        return Ok(None);
    }
    inspect::owner(path, MIGRATIONS.len())?;
    prepared(path, room).map(Some)
}

/// Looks through a database file without changing it.
pub fn check_file(path: &Path) -> Result<(), StorageError> {
    inspect::file(path)?;
    inspect::owner(path, MIGRATIONS.len())?;
    inspect::pages(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// The schema that this program knows.
pub const fn schema() -> usize {
    MIGRATIONS.len()
}

/// Reads from a database file without changing it, also while a hub works with it.
pub fn look_into<T>(path: &Path, work: impl FnOnce(&Connection) -> Result<T, StorageError>) -> Result<T, StorageError> {
    work(&reader(path)?)
}

/// Opens one more connection that can only read.
pub(super) fn reader(path: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -2_000)?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepared(path: &Path, room: Room<'_>) -> Result<Connection, StorageError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -8_000)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // What every large commit changes is carried over into the database only after some of them.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    // What a killed hub left in the log belongs into the file: only then can its length be judged.
    fold_in(&connection)?;
    inspect::length(path)?;
    inspect::pages(&connection)?;
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = version as usize;
    if version > 0 && version < MIGRATIONS.len() {
        backups::before_migration(&connection, path, version, MIGRATIONS.len(), room);
    }
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
    fold_in(&connection)?;
    prepare(&connection)?;
    Ok(connection)
}

/// Carries the log over into the database's own file.
pub(super) fn fold_in(connection: &Connection) -> Result<(), StorageError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn prepare(connection: &Connection) -> Result<(), StorageError> {
    connection.set_prepared_statement_cache_capacity(128);
    super::pairs::add_functions(connection)
}

fn is_broken(error: &StorageError) -> bool {
    match error {
        StorageError::Damaged { .. } => true,
        StorageError::Sqlite(e) => matches!(
            e.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        ),
        _ => false,
    }
}

/// Moves the file with its log files out of the way under a name that is free.
fn set_aside(path: &Path) -> Result<PathBuf, StorageError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let free = (1..=10_000).map(|n| path.with_file_name(format!("{name}.broken-{n}"))).find(|p| !p.exists());
    let aside = free.unwrap_or_else(|| path.with_extension("broken"));
    for ending in ["", "-wal", "-shm"] {
        let from = with_ending(path, ending);
        if from.exists() {
            fs::rename(&from, with_ending(&aside, ending)).map_err(|source| StorageError::File {
                verb: "set aside the broken database",
                path: from.display().to_string(),
                source,
            })?;
        }
    }
    Ok(aside)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(ending);
    PathBuf::from(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
#[path = "open_tests.rs"]
mod tests;
