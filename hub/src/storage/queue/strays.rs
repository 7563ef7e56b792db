//! Temporary files of transfers that will not go on, found by their names.

use rusqlite::Connection;
use shared_protocol::RelPath;

use crate::domain::exclusion::PART_ENDING;
use crate::domain::ids::{RootRowId, TransferId};
use crate::domain::temporary::{Owner, owner_of};
use crate::domain::transfer::TransferState;
use crate::storage::{StorageError, facts, first};

/// Whether a file of this name is a part of a copy by a transfer of this database that is over, or that nothing is
/// known of any more. What failed may be tried again and go on with its part.
pub fn is_stray(connection: &Connection, name: &str) -> Result<bool, StorageError> {
    let Some(Owner::Transfer { database, id, is_aside: false }) = owner_of(name) else { return Ok(false) };
    if database != facts::token(connection)? {
        return Ok(false);
    }
    let state: Option<TransferState> =
        first(connection, "SELECT state FROM transfers WHERE id = ?1", [TransferId(id).0], |row| row.get(0))?;
    Ok(matches!(state, None | Some(TransferState::Completed | TransferState::Cancelled)))
}

/// Such files that the last scan saw in a root, and those of the hub itself, which may be written just now.
pub fn seen(connection: &Connection, root: RootRowId) -> Result<Vec<RelPath>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT path FROM skipped_entries WHERE root_id = ?1 AND path LIKE '%' || ?2 || '%' ORDER BY id",
    )?;
    let paths = statement.query_map((root.0, PART_ENDING), |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for path in paths {
        if let Ok(path) = RelPath::parse(&path?)
            && (is_stray(connection, path.name())? || owner_of(path.name()) == Some(Owner::Hub))
        {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::temporary::{aside_name, download_name, part_name, token_of};
    use crate::storage::Database;

    #[test]
    fn only_what_nothing_goes_on_with_is_a_stray() {
        let folder = tempfile::tempdir().unwrap();
        let (database, _) = Database::open(&folder.path().join("hub.db")).unwrap();
        let token = database
            .write_blocking(|tx| {
                tx.execute("INSERT INTO batches (operation, from_root, created_at) VALUES ('copy', 'lake', 1)", [])?;
                for state in TransferState::ALL {
                    let sql =
                        "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, path, state, position,
                                                      size_bytes, modified, created_at)
                               VALUES (1, 'copy', 'lake', 1, 'x', ?1, 1, 1, 1, 1)";
                    tx.execute(sql, [state.as_str()])?;
                }
                facts::token(tx)
            })
            .unwrap();
        let is = |name: &str| database.read_blocking(|connection| is_stray(connection, name)).unwrap();
        for (id, state) in TransferState::ALL.into_iter().enumerate() {
            let token = token_of(&token, i64::try_from(id).unwrap() + 1);
            let is_over = matches!(state, TransferState::Completed | TransferState::Cancelled);
            assert_eq!(is(&part_name("x", &token)), is_over, "{state:?}");
            assert!(!is(&aside_name("x", &token)), "a whole file of a person's is no stray");
        }
        assert!(is(&part_name("x", &token_of(&token, 1_000))), "the row is gone");
        assert!(is(&(download_name("x", &token_of(&token, 1_000)) + ".journal")), "notes go with it");
        assert!(!is(&part_name("x", &token_of("another", 1_000))), "another hub's");
        assert!(!is("x.safetensors.part"));
    }
}
