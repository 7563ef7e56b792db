//! A look at the database's file before anything is changed in it: is it one, is it ours, is it whole.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::StorageError;

/// Bytes that may still be written, as far as the system says.
pub(super) type Room<'a> = &'a dyn Fn() -> Option<u64>;

/// How every `SQLite` file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What a file says of itself in its first bytes.
struct DatabaseHeader {
    page_bytes: u64,
    n_pages: u64,
}

fn unopenable(path: &Path, why: impl Into<String>, todo: &str) -> StorageError {
    StorageError::Unopenable { path: path.display().to_string(), why: why.into(), todo: todo.to_owned() }
}

/// Looks at the file and its folder as the system shows them. `false` if there is no database yet.
pub(super) fn file(path: &Path) -> Result<bool, StorageError> {
    let failed = |source| StorageError::File { verb: "look at", path: path.display().to_string(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            folder(path)?;
            return Ok(false);
        }
        Err(error) => return Err(failed(error)),
    };
    if metadata.is_dir() {
        let todo = "Move it away, or set APP_DATA_DIR to another folder.";
        return Err(unopenable(path, "is a folder where the database belongs", todo));
    }
    if let Err(error) = File::options().read(true).write(true).open(path) {
        let why = format!("can't be written: the file is read-only for this user or on this disk ({error})");
        let todo = "Give the hub's user the right to read and write it, or set APP_DATA_DIR to another folder.";
        return match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Err(unopenable(path, why, todo)),
            _ => Err(failed(error)),
        };
    }
    folder(path)?;
    if metadata.len() == 0 {
        return Ok(false);
    }
    header(path)?;
    Ok(true)
}

/// The write-ahead log is made beside the file.
fn folder(path: &Path) -> Result<(), StorageError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let probe = folder.join(format!(".{}.probe", uuid::Uuid::new_v4().simple()));
    match File::create_new(&probe) {
        Ok(_) => {
            fs::remove_file(&probe).ok();
            Ok(())
        }
        // A disk without room is told by the first write, in its own words.
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        Err(error) => Err(unopenable(
            folder,
            format!("can't be written ({error}), and the database needs files beside it"),
            "Give the hub's user the right to write there, or set APP_DATA_DIR to another folder.",
        )),
    }
}

fn header(path: &Path) -> Result<DatabaseHeader, StorageError> {
    let damaged = |detail: &str| StorageError::damaged("a file", format!("{}: {detail}", path.display()));
    let mut bytes = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|_| damaged("it is too short for a database"))?;
    if bytes.first_chunk::<16>() != Some(MAGIC) {
        return Err(damaged("it does not begin as a database does"));
    }
    let number = |at: usize, n: usize| -> u64 {
        bytes.get(at..at + n).unwrap_or_default().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let page_bytes = match number(16, 2) {
        1 => 65_536,
        other => other,
    };
    // The count is right if it was written by whoever changed the file last.
    let n_pages = if number(24, 4) == number(92, 4) { number(28, 4) } else { 0 };
    Ok(DatabaseHeader { page_bytes, n_pages })
}

/// Whether the file is as long as it says. To be asked only after the log was folded in: what is
/// missing may be there. A page cut off in its middle would be read as zeros.
pub(super) fn length(path: &Path) -> Result<(), StorageError> {
    let DatabaseHeader { page_bytes, n_pages } = header(path)?;
    let failed = |source| StorageError::File { verb: "look at", path: path.display().to_string(), source };
    let there = fs::metadata(path).map_err(failed)?.len();
    let wanted = page_bytes * n_pages;
    if there < wanted {
        let detail = format!("{} is {} bytes shorter than its {n_pages} pages", path.display(), wanted - there);
        return Err(StorageError::damaged("a file", detail));
    }
    Ok(())
}

/// Refuses what another program, or a later version of this one, made. Nothing is changed.
pub(super) fn owner(path: &Path, known: usize) -> Result<(), StorageError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables = |condition: &str| -> Result<i64, StorageError> {
        let sql = format!("SELECT count(*) FROM sqlite_schema WHERE type = 'table' {condition}");
        Ok(connection.query_row(&sql, [], |row| row.get(0))?)
    };
    let ours = tables("AND name IN ('roots', 'files', 'facts')")? == 3;
    if application != 0 || !ours && (version != 0 || tables("AND name NOT LIKE 'sqlite_%'")? > 0) {
        return Err(unopenable(
            path,
            "is the database of another program",
            "Nothing was changed in it. Move it away, or set APP_DATA_DIR to a folder of the hub's own.",
        ));
    }
    if usize::try_from(version).is_ok_and(|version| version > known) {
        return Err(unopenable(
            path,
            format!("was made by a later version of the hub (schema {version}; this one knows {known})"),
            "Nothing was changed in it. Install that version again. To stay with this one, stop the hub, move the file \
             away and put a copy from the folder \"backups\" in its place whose name ends in a schema that it knows.",
        ));
    }
    Ok(())
}

/// Looks through all pages of a database.
pub(super) fn pages(connection: &Connection) -> Result<(), StorageError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StorageError::damaged("a page", verdict)) }
}
