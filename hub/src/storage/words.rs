//! What `SQLite` says, in words for people: what it means for the file, and what to do.

use rusqlite::ErrorCode;

/// A failure of the database in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// What is the matter, as the end of "the database …".
    pub why: &'static str,
    pub todo: &'static str,
    /// Whether it may go away by itself or by what a person does while the hub runs.
    pub is_passing: bool,
}

const fn passing(why: &'static str, todo: &'static str) -> Words {
    Words { why, todo, is_passing: true }
}

const fn lasting(why: &'static str, todo: &'static str) -> Words {
    Words { why, todo, is_passing: false }
}

/// What a code means; none for what only a fault of the hub can bring about.
pub const fn of_code(code: ErrorCode) -> Option<Words> {
    Some(match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => passing(
            "is held by another program",
            "Close what has it open (a database browser, a backup program, a virus scanner); nothing is lost meanwhile.",
        ),
        ErrorCode::DiskFull => {
            passing("can't be written: its disk is full", "Make room on the disk of the hub's data folder.")
        }
        ErrorCode::ReadOnly => passing(
            "can't be written: the file, its folder or its disk is read-only",
            "Give the hub's user the right to write there, or set APP_DATA_DIR to another folder.",
        ),
        ErrorCode::PermissionDenied => passing(
            "may not be used by this user",
            "Give the hub's user the right to read and write it, or set APP_DATA_DIR to another folder.",
        ),
        ErrorCode::CannotOpen => passing(
            "can't be opened",
            "Look whether its folder is there and whether the hub's user may read and write in it.",
        ),
        ErrorCode::SystemIoFailure => passing(
            "can't be read or written: the disk reports an error",
            "Check the disk and its cable; copies of the database lie in the folder \"backups\" beside it.",
        ),
        ErrorCode::DatabaseCorrupt => {
            lasting("is damaged", "Start the hub again: it takes the newest copy of the folder \"backups\" beside it.")
        }
        ErrorCode::NotADatabase => {
            lasting("is not a database", "Move the file away, or set APP_DATA_DIR to another folder.")
        }
        _ => return None,
    })
}

/// What an error means, if people can do anything about it.
pub fn of(error: &rusqlite::Error) -> Option<Words> {
    error.sqlite_error_code().and_then(of_code)
}

/// One sentence about an error, with the library's own words at its end.
pub(super) fn sentence(error: &rusqlite::Error) -> String {
    match of(error) {
        Some(Words { why, todo, .. }) => format!("the database {why} ({error}). {todo}"),
        None => format!("database: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_code_that_people_meet_says_what_it_means_and_what_to_do() {
        let table = [
            (ffi::SQLITE_FULL, "disk is full", "Make room", true),
            (ffi::SQLITE_BUSY, "held by another program", "Close", true),
            (ffi::SQLITE_LOCKED, "held by another program", "Close", true),
            (ffi::SQLITE_READONLY, "read-only", "right to write", true),
            (ffi::SQLITE_READONLY_DIRECTORY, "read-only", "right to write", true),
            (ffi::SQLITE_PERM, "may not be used", "right to read and write", true),
            (ffi::SQLITE_CANTOPEN, "can't be opened", "folder", true),
            (ffi::SQLITE_IOERR, "disk reports an error", "Check the disk", true),
            (ffi::SQLITE_IOERR_FSYNC, "disk reports an error", "Check the disk", true),
            (ffi::SQLITE_CORRUPT, "damaged", "backups", false),
            (ffi::SQLITE_NOTADB, "not a database", "Move the file away", false),
        ];
        for (code, why, todo, is_passing) in table {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let said = sentence(&error);
            assert!(said.contains(why) && said.contains(todo), "{code}: {said}");
            assert_eq!(of(&error).map(|words| words.is_passing), Some(is_passing), "{code}");
        }
        let ours = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CONSTRAINT), None);
        assert_eq!(of(&ours), None, "a fault of the hub");
    }
}
