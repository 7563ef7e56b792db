//! The outermost unknown places, and whether a key lies at or below one.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use shared_protocol::RelPath;

use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::storage::stale::mark_all_stale;
use crate::storage::{StorageError, execute, first, folder_range, roots, rows};

/// Places that came or went beyond which everything is compared anew.
const MANY: usize = 2_000;

/// The unknown place that something lies at or below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    pub root: Root,
    pub path: String,
    /// Why nothing is known of it.
    pub reason: SkipReason,
    /// What belongs to the reason.
    pub detail: Option<String>,
}

impl Cover {
    /// The place and the reason, for people.
    pub fn text(&self) -> String {
        format!("{} on {} is {}", self.path, self.root.label(), self.reason.why(self.detail.as_deref()))
    }
}

/// Why something is unknown, for people; none if it is not.
pub fn because(covers: &[Cover]) -> Option<String> {
    (!covers.is_empty()).then(|| covers.iter().map(Cover::text).collect::<Vec<_>>().join("; "))
}

/// SQL that tells whether a key lies at or below an unknown place of a root; both are expressions. One
/// look into the order of the places: of several that are prefixes of each other only the outermost is
/// there.
pub fn is_below(root: &str, key: &str) -> String {
    format!(
        "coalesce((SELECT substr({key} || '/', 1, length(u.place)) = u.place FROM unknown_places u
                   WHERE u.root_id = {root} AND u.place <= {key} || '/' ORDER BY u.place DESC LIMIT 1), 0)"
    )
}

/// The unknown place of a root that a key lies at or below.
pub fn cover(connection: &Connection, root: RootRowId, key: &str) -> Result<Option<Cover>, StorageError> {
    let below = format!("{key}/");
    let sql = "SELECT place, entry_id FROM unknown_places WHERE root_id = ?1 AND place <= ?2
             ORDER BY place DESC LIMIT 1";
    let found: Option<(String, i64)> = first(connection, sql, (root.0, &below), |row| row.try_into())?;
    let Some((_, entry)) = found.filter(|(place, _)| below.starts_with(place.as_str())) else { return Ok(None) };
    let sql = "SELECT r.root, e.path, e.reason, e.detail FROM skipped_entries e JOIN roots r ON r.id = e.root_id
               WHERE e.id = ?1";
    first(connection, sql, [entry], read)
}

/// What keeps folders from being seen stands before what keeps single names.
const FOLDERS_FIRST: [SkipReason; 5] = [
    SkipReason::Unlisted,
    SkipReason::Unreadable,
    SkipReason::DiskMissing,
    SkipReason::DiskChanged,
    SkipReason::LinkChanged,
];

/// Unknown places of a root within a folder, by path; those that are only another name for one are left out.
/// A place that the folder itself lies at or below is among them.
pub fn unknown_in(
    connection: &Connection,
    root: RootRowId,
    folder: Option<&RelPath>,
    limit: u32,
) -> Result<Vec<Cover>, StorageError> {
    let key = folder.map(RelPath::match_key).unwrap_or_default();
    let (from, to) = folder_range(&key);
    let above = if key.is_empty() { None } else { cover(connection, root, &key)? };
    let sql = format!(
        "SELECT r.root, e.path, e.reason, e.detail FROM skipped_entries e JOIN roots r ON r.id = e.root_id
         WHERE e.root_id = ?1 AND e.match_key >= ?2 AND e.match_key < ?3 AND e.is_unknown = 1
         ORDER BY e.reason NOT IN ({}), e.match_key, e.id LIMIT ?4",
        FOLDERS_FIRST.map(|reason| reason.code().to_string()).join(", ")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let below = statement.query_map((root.0, from, to, limit), read)?.collect::<Result<Vec<_>, _>>()?;
    Ok(above.into_iter().chain(below).collect())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Cover> {
    Ok(Cover {
        root: row.get("root")?,
        path: row.get("path")?,
        reason: SkipReason::from_repr(row.get("reason")?).unwrap_or(SkipReason::Unlisted),
        detail: row.get("detail")?,
    })
}

/// The unknown places of both roots that a key lies at or below, Local's first.
pub fn cover_of_either(connection: &Connection, key: &str) -> Result<Vec<Cover>, StorageError> {
    let mut found = Vec::new();
    for root in Root::ALL {
        if let Some(row) = roots::active(connection, root)? {
            found.extend(cover(connection, row.id, key)?);
        }
    }
    Ok(found)
}

/// Brings the unknown places of a root in line with the register. What lies at or below a place that came
/// or went is compared anew, and what a place covers now is no duplicate any more.
pub fn reconcile(connection: &Connection, root: RootRowId) -> Result<(), StorageError> {
    let wanted = outermost(connection, root)?;
    let known: BTreeMap<String, i64> =
        rows(connection, "SELECT place, entry_id FROM unknown_places WHERE root_id = ?1", [root.0], |row| {
            row.try_into()
        })?;
    let mut changed: Vec<&str> = Vec::new();
    for (place, entry) in &wanted {
        match known.get(place) {
            Some(old) if old == entry => continue,
            Some(_) => {}
            None => {
                leave_duplicates(connection, root, place)?;
                changed.push(place);
            }
        }
        execute(connection, "INSERT OR REPLACE INTO unknown_places VALUES (?1, ?2, ?3)", (root.0, place, entry))?;
    }
    for place in known.keys().filter(|place| !wanted.contains_key(*place)) {
        execute(connection, "DELETE FROM unknown_places WHERE root_id = ?1 AND place = ?2", (root.0, place))?;
        changed.push(place);
    }
    if changed.len() > MANY {
        return mark_all_stale(connection);
    }
    changed.into_iter().try_for_each(|place| mark_below(connection, place))
}

/// The places that no other one contains, each with the entry that it comes from.
fn outermost(connection: &Connection, root: RootRowId) -> Result<BTreeMap<String, i64>, StorageError> {
    let mut all: BTreeMap<String, i64> = BTreeMap::new();
    let mut statement = connection
        .prepare_cached("SELECT keys, id FROM skipped_entries WHERE root_id = ?1 AND is_unknown = 1 ORDER BY id")?;
    let mut rows = statement.query([root.0])?;
    while let Some(row) = rows.next()? {
        let keys = row.get_ref("keys")?.as_str().map_err(rusqlite::Error::from)?;
        let keys: Vec<String> =
            serde_json::from_str(keys).map_err(|error| StorageError::damaged("a list of keys", error))?;
        let id: i64 = row.get("id")?;
        for key in keys {
            all.entry(format!("{key}/")).or_insert(id);
        }
    }
    let mut outermost: BTreeMap<String, i64> = BTreeMap::new();
    for (place, id) in all {
        // All that a place contains follows right behind it.
        if outermost.last_key_value().is_none_or(|(last, _)| !place.starts_with(last.as_str())) {
            outermost.insert(place, id);
        }
    }
    Ok(outermost)
}

/// The key of a place, and the range of all keys below it.
fn range(place: &str) -> (&str, String) {
    let key = place.strip_suffix('/').unwrap_or(place);
    (key, format!("{key}0"))
}

fn mark_below(connection: &Connection, place: &str) -> Result<(), StorageError> {
    let (key, end) = range(place);
    let sql = "INSERT OR IGNORE INTO pairs_stale
             SELECT f.match_key FROM roots r CROSS JOIN files f ON f.root_id = r.id
             WHERE r.active = 1 AND (f.match_key = ?1 OR f.match_key >= ?2 AND f.match_key < ?3)";
    execute(connection, sql, (key, place, end)).map(drop)
}

fn leave_duplicates(connection: &Connection, root: RootRowId, place: &str) -> Result<(), StorageError> {
    let (key, end) = range(place);
    let sql = "DELETE FROM duplicate_files WHERE file_id IN (
                 SELECT id FROM files
                 WHERE root_id = ?1 AND (match_key = ?2 OR match_key >= ?3 AND match_key < ?4))";
    execute(connection, sql, (root.0, key, place, end)).map(drop)
}
