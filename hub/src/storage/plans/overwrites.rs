//! Pairs of which a plan may replace one by the other: whether the one is whole is looked up before the
//! plan is made, because a file takes longer to open than a transaction may stay open.

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::NewPlan;
use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, folder_range, from_db};

/// Pairs of one size that are looked at. Such a source can only be damaged if the other file is another
/// one altogether, and after a change of all times there may be as many as the library has files: what
/// is not looked at here is looked at when its turn comes.
const MOST_EQUAL: usize = 2_000;

/// A source that may take the place of another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverwriteCandidate {
    /// Its row in the index.
    pub id: FileId,
    pub path: RelPath,
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
}

/// The sources of a plan whose name ends in one of `endings` and that may replace another file.
pub fn candidates(
    connection: &Connection,
    new: &NewPlan,
    endings: &[&str],
) -> Result<Vec<OverwriteCandidate>, StorageError> {
    let (from, to) = folder_range(&new.folder.as_ref().map(RelPath::match_key).unwrap_or_default());
    let (source, dest) = if new.from.0 == Root::Local { ("local_id", "lake_id") } else { ("lake_id", "local_id") };
    let sql = format!(
        "SELECT s.id, s.path, s.size_bytes, s.modified, s.size_bytes = d.size_bytes AS is_equal FROM (
             SELECT {source} AS s, {dest} AS d FROM pairs INDEXED BY pairs_by_status
             WHERE status = ?1 AND match_key >= ?2 AND match_key < ?3 AND {source} IS NOT NULL AND {dest} IS NOT NULL) p
         JOIN files s ON s.id = p.s JOIN files d ON d.id = p.d
         WHERE s.placeholder = 0 AND s.match_key LIKE ?4"
    );
    let mut statement = connection.prepare(&sql)?;
    let (mut found, mut n_equal) = (Vec::new(), 0);
    for status in [DiffStatus::Different, DiffStatus::Unverified] {
        for ending in endings {
            let mut rows = statement.query((status.code(), &from, &to, format!("%{ending}")))?;
            while let Some(row) = rows.next()? {
                if row.get("is_equal")? {
                    n_equal += 1;
                    if n_equal > MOST_EQUAL {
                        continue;
                    }
                }
                let Ok(path) = RelPath::parse(row.get_ref("path")?.as_str().unwrap_or_default()) else { continue };
                let (size_bytes, modified) = (from_db(row.get("size_bytes")?), Ticks(row.get("modified")?));
                found.push(OverwriteCandidate { id: FileId(row.get("id")?), path, size_bytes, modified });
            }
        }
    }
    Ok(found)
}
