//! Copies of the database, each a sound database of its own: once a day, and before its schema is
//! changed. They lie in the folder "backups" beside it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use super::inspect::{self, Room};
use super::{StorageError, facts};

/// Name of the folder.
pub const FOLDER: &str = "backups";

/// Copies kept of each kind: daily ones, and those made before a change of the schema.
const KEPT: usize = 3;

/// Left free whatever happens: a copy must not be what fills the disk.
const SPARE_BYTES: u64 = 256 << 20;

const TIME: &str = "%Y%m%dT%H%M%SZ";
const NEW: &str = ".new";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Backup {
    /// The file's name in the folder "backups".
    pub name: String,
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    pub schema: usize,
    pub size_bytes: u64,
    /// It was made before a change of the schema.
    pub before_change: bool,
    #[serde(skip)]
    path: PathBuf,
}

/// Where the copies of a database lie.
pub fn folder(database: &Path) -> PathBuf {
    database.with_file_name(FOLDER)
}

/// All copies, the newest first.
pub fn list(database: &Path) -> Vec<Backup> {
    let entries = fs::read_dir(folder(database)).into_iter().flatten().flatten();
    let mut found: Vec<Backup> = entries.filter_map(|entry| parse(&entry.path())).collect();
    found.sort_by(|a, b| b.name.cmp(&a.name));
    found
}

/// `hub-20260301T101500Z-schema-11.db`, or `…-schema-11-before-12.db`.
fn parse(path: &Path) -> Option<Backup> {
    let name = path.file_name()?.to_str()?;
    let (time, schema) = name.strip_prefix("hub-")?.strip_suffix(".db")?.split_once("-schema-")?;
    let (schema, before_change) = schema.split_once("-before-").map_or((schema, false), |(schema, _)| (schema, true));
    let made_at = jiff::civil::DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Backup {
        name: name.to_owned(),
        made_at,
        schema: schema.parse().ok()?,
        size_bytes: fs::metadata(path).ok()?.len(),
        before_change,
        path: path.to_owned(),
    })
}

/// Makes the copy of the day, unless the last one is younger than this. The answer is the copy.
pub fn daily(
    database: &Path,
    schema: usize,
    every: jiff::SignedDuration,
    room: Room<'_>,
) -> Result<Option<PathBuf>, StorageError> {
    let newest = list(database).into_iter().find(|backup| !backup.before_change);
    if newest.is_some_and(|newest| Timestamp::now().duration_since(newest.made_at) < every) {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    make(&connection, database, &format!("schema-{schema}"), room)
}

/// Makes a copy before the schema is changed. A disk without room for it does not stop the hub.
pub(super) fn before_migration(connection: &Connection, database: &Path, from: usize, to: usize, room: Room<'_>) {
    let label = format!("schema-{from}-before-{to}");
    match make(connection, database, &label, room) {
        Ok(Some(copy)) => tracing::info!(copy = %copy.display(), "the database was copied before its schema changes"),
        Ok(None) => tracing::warn!("there is no room for a copy of the database before its schema changes"),
        Err(error) => tracing::warn!(%error, "the database could not be copied before its schema changes"),
    }
}

/// Copies the database; nothing if the disk is short of room.
fn make(
    connection: &Connection,
    database: &Path,
    label: &str,
    room: Room<'_>,
) -> Result<Option<PathBuf>, StorageError> {
    let there = fs::metadata(database).map_or(0, |metadata| metadata.len());
    if room().is_some_and(|free| free < there + SPARE_BYTES) {
        return Ok(None);
    }
    let folder = folder(database);
    let failed = |verb, path: &Path| {
        let path = path.display().to_string();
        move |source| StorageError::File { verb, path, source }
    };
    fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
    clear_unfinished(&folder);
    let path = folder.join(format!("hub-{}-{label}.db", Timestamp::now().strftime(TIME)));
    let new = folder.join(format!("hub{NEW}"));
    // SQLite fills a file that is there and empty, whose mode is ours.
    create_private(&new).map_err(failed("make", &new))?;
    let copied = connection.execute("VACUUM INTO ?1", [new.to_string_lossy()]).map_err(StorageError::from);
    let done = copied.and_then(|_| {
        File::options().write(true).open(&new).and_then(|file| file.sync_all()).map_err(failed("sync", &new))?;
        fs::rename(&new, &path).map_err(failed("rename to", &path))
    });
    if let Err(error) = done {
        fs::remove_file(&new).ok();
        return Err(error);
    }
    forget_old(database);
    Ok(Some(path))
}

/// Removes what a kill left half done.
fn clear_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(NEW)) {
        fs::remove_file(path).ok();
    }
}

fn forget_old(database: &Path) {
    for kind in [true, false] {
        for old in list(database).into_iter().filter(|backup| backup.before_change == kind).skip(KEPT) {
            discard(&old);
        }
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The newest copy that is whole, and of a schema that this program knows.
pub(super) fn newest_usable(database: &Path, schema: usize) -> Option<Backup> {
    list(database).into_iter().filter(|backup| backup.schema <= schema).find(|backup| {
        let sound = inspect::file(&backup.path)
            .and_then(|_| inspect::length(&backup.path))
            .and_then(|()| Ok(Connection::open_with_flags(&backup.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?))
            .and_then(|connection| inspect::pages(&connection));
        if let Err(error) = &sound {
            tracing::warn!(%error, name = backup.name, "a copy of the database is not used");
        }
        sound.is_ok()
    })
}

/// Puts a copy where the database belongs; the copy stays.
pub(super) fn take_up(backup: &Backup, database: &Path) -> Result<(), StorageError> {
    let new = database.with_extension("db.restored");
    let failed = |source| StorageError::File { verb: "take the copy", path: backup.path.display().to_string(), source };
    fs::remove_file(&new).ok();
    create_private(&new).map_err(failed)?;
    let mut from = File::open(&backup.path).map_err(failed)?;
    let mut to = File::options().write(true).open(&new).map_err(failed)?;
    std::io::copy(&mut from, &mut to).and_then(|_| to.sync_all()).map_err(failed)?;
    fs::rename(&new, database).map_err(failed)
}

/// What was so when the copy was made may not be so any more: the roots are scanned again, work that
/// was queued then waits until a person looked at it, and the list of what was evicted since is asked for.
pub(super) fn reconcile_restored(connection: &mut Connection, backup: &Backup) -> Result<(), StorageError> {
    let transaction = connection.transaction()?;
    transaction.execute("UPDATE roots SET last_scan = NULL, complete_scan = NULL", [])?;
    transaction.execute("DELETE FROM facts WHERE name LIKE ?1", [format!("{}%", facts::EVICTIONS_LISTED)])?;
    let open = "SELECT EXISTS (SELECT 1 FROM transfers WHERE finished_at IS NULL)";
    if transaction.query_row(open, [], |row| row.get(0))? {
        let why = format!(
            "The database is a copy of {}: what was queued then may be done already. Look at the queue, then resume it.",
            backup.made_at.strftime("%Y-%m-%d %H:%M UTC")
        );
        facts::set(&transaction, facts::QUEUE_PAUSED, &why)?;
    }
    Ok(transaction.commit()?)
}

/// Removes a copy that is of no use.
pub(super) fn discard(backup: &Backup) {
    if let Err(error) = fs::remove_file(&backup.path) {
        tracing::warn!(%error, name = backup.name, "a copy of the database could not be removed");
    }
}
