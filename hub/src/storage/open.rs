//! Opening the database file: settings, schema, and what happens when the file is broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::StorageError;

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
];

/// What opening found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A database that was there and is sound, or a new one.
    Sound,
    /// The old file was broken and lies here now; this one is new and empty.
    Replaced(PathBuf),
}

/// Opens the writing connection, after setting a broken file aside.
pub(super) fn writer(path: &Path) -> Result<(Connection, Opened), StorageError> {
    match try_writer(path) {
        Ok(connection) => Ok((connection, Opened::Sound)),
        Err(error) if is_broken(&error) => {
            tracing::error!(%error, "the database is broken: it is set aside and begun anew");
            let aside = set_aside(path)?;
            Ok((try_writer(path)?, Opened::Replaced(aside)))
        }
        Err(error) => Err(error),
    }
}

/// Looks through a database file without changing it.
pub fn check_file(path: &Path) -> Result<(), StorageError> {
    check(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
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

fn try_writer(path: &Path) -> Result<Connection, StorageError> {
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
    check(&connection)?;
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
    prepare(&connection)?;
    Ok(connection)
}

fn check(connection: &Connection) -> Result<(), StorageError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StorageError::damaged("a page", verdict)) }
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
        let with_ending = |path: &Path| {
            let mut text = path.as_os_str().to_owned();
            text.push(ending);
            PathBuf::from(text)
        };
        let from = with_ending(path);
        if from.exists() {
            fs::rename(&from, with_ending(&aside)).map_err(|source| StorageError::File {
                verb: "set aside the broken database",
                path: from.display().to_string(),
                source,
            })?;
        }
    }
    Ok(aside)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_sound() {
        Migrations::from_slice(MIGRATIONS).validate().unwrap();
    }

    #[test]
    fn a_broken_file_is_set_aside_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        fs::write(&path, b"this has never been a database, only a text of some length".repeat(200)).unwrap();
        let (_, opened) = writer(&path).unwrap();
        let aside = match opened {
            Opened::Replaced(aside) => Some(aside),
            Opened::Sound => None,
        };
        assert!(fs::read(aside.unwrap()).unwrap().starts_with(b"this has never"));
        assert_eq!(writer(&path).unwrap().1, Opened::Sound);
    }

    #[test]
    fn a_torn_page_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        drop(writer(&path).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes.get_mut(middle - 3000..middle + 3000).unwrap().fill(0xa5);
        fs::write(&path, bytes).unwrap();
        assert!(matches!(writer(&path).unwrap().1, Opened::Replaced(_)));
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let (_writer, _) = writer(&path).unwrap();
        let reader = reader(&path).unwrap();
        assert!(reader.execute("INSERT INTO facts VALUES ('a', 'b')", []).is_err());
    }
}
