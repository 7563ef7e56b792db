//! The register of what a root holds that the index does not see, and the unknown places made of it.
//!
//! A listing's entries are written with the listing. An entry goes only with the proof of a whole scan:
//! what took its place has to be in the index by then. [`reconcile`] brings the unknown places in line and
//! marks all that lies below a place that came or went.

mod places;

pub use places::{Cover, because, cover, cover_of_either, is_below, reconcile, unknown_in};

use std::collections::HashMap;

use rusqlite::Connection;
use shared_protocol::rel_path::match_key;

use super::{StorageError, execute, from_db, one, rows};
use crate::domain::ids::{FolderId, RootRowId};
use crate::domain::skipped::{Skip, SkipReason};

/// A folder of which as a whole nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnseenFolder {
    pub path: String,
    /// Why it was not seen.
    pub reason: SkipReason,
    /// What belongs to the reason.
    pub detail: Option<String>,
    /// What is mounted there in place of the disk of before.
    pub mount: Option<String>,
}

/// An entry of the register before it is written.
struct SkippedEntry<'a> {
    folder: Option<FolderId>,
    path: &'a str,
    /// A JSON list.
    keys: &'a str,
    reason: SkipReason,
    detail: Option<&'a str>,
    mount: Option<&'a str>,
}

fn text(keys: &[String]) -> Result<String, StorageError> {
    serde_json::to_string(keys).map_err(|error| StorageError::damaged("a list of keys", error))
}

fn insert(connection: &Connection, root: RootRowId, entry: &SkippedEntry<'_>) -> Result<(), StorageError> {
    let sql =
        "INSERT INTO skipped_entries (root_id, folder_id, path, match_key, keys, reason, is_unknown, detail, mount)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    execute(
        connection,
        sql,
        rusqlite::params![
            root.0,
            entry.folder.map(|folder| folder.0),
            entry.path,
            match_key(entry.path),
            entry.keys,
            entry.reason.code(),
            entry.reason.is_unknown(),
            entry.detail,
            entry.mount,
        ],
    )?;
    Ok(())
}

/// An entry of a folder as it is stored: path, reason, what belongs to it, and keys.
type KnownSkipped = (String, i64, Option<String>, String);

/// What a listing changed in the register.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WrittenSkips {
    /// Entries were added.
    pub added: bool,
    /// Entries that the listing has no more; they go with [`remove`] when the scan is conclusive.
    pub gone: Vec<i64>,
}

/// Writes what a whole listing skipped. What is there already stays as it is.
pub fn write_listing(
    connection: &Connection,
    root: RootRowId,
    (folder, path): (FolderId, &str),
    skipped: &[Skip],
) -> Result<WrittenSkips, StorageError> {
    // Two names may be shown alike.
    let mut known: HashMap<KnownSkipped, Vec<i64>> = HashMap::new();
    let mut statement =
        connection.prepare_cached("SELECT path, reason, detail, keys, id FROM skipped_entries WHERE folder_id = ?1")?;
    let mut rows = statement.query([folder.0])?;
    while let Some(row) = rows.next()? {
        let known =
            known.entry((row.get("path")?, row.get("reason")?, row.get("detail")?, row.get("keys")?)).or_default();
        known.push(row.get("id")?);
    }
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let key_prefix = match_key(&prefix);
    let mut written = WrittenSkips::default();
    for skip in skipped {
        let path = format!("{prefix}{}", skip.name);
        let names = std::iter::once(match_key(&skip.name)).chain(skip.also.iter().cloned());
        let keys = text(&names.map(|name| format!("{key_prefix}{name}")).collect::<Vec<_>>())?;
        let same = (path.clone(), skip.reason.code(), skip.detail.clone(), keys);
        if known.get_mut(&same).is_some_and(|entries| entries.pop().is_some()) {
            continue;
        }
        let keys = &same.3;
        let (reason, detail) = (skip.reason, skip.detail.as_deref());
        insert(
            connection,
            root,
            &SkippedEntry { folder: Some(folder), path: &path, keys, reason, detail, mount: None },
        )?;
        written.added = true;
    }
    written.gone = known.into_values().flatten().collect();
    Ok(written)
}

/// Takes entries out.
pub fn remove(connection: &Connection, entries: impl IntoIterator<Item = i64>) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached("DELETE FROM skipped_entries WHERE id = ?1")?;
    entries.into_iter().try_for_each(|id| statement.execute([id]).map(drop))?;
    Ok(())
}

/// Takes the entries of a folder's listing out.
pub fn remove_folder(connection: &Connection, folder: FolderId) -> Result<(), StorageError> {
    execute(connection, "DELETE FROM skipped_entries WHERE folder_id = ?1", [folder.0]).map(drop)
}

/// Writes the folders that a scan has not seen; those of before go if the scan is `conclusive`. Tells whether
/// anything is other than it was.
pub fn write_unseen(
    connection: &Connection,
    root: RootRowId,
    unseen: &[UnseenFolder],
    conclusive: bool,
) -> Result<bool, StorageError> {
    let sql = "SELECT id, path, reason, detail, mount FROM skipped_entries WHERE root_id = ?1 AND folder_id IS NULL";
    let mut known: Vec<(i64, UnseenFolder)> = rows(connection, sql, [root.0], |row| {
        let reason = SkipReason::from_repr(row.get("reason")?).unwrap_or(SkipReason::Unlisted);
        Ok((
            row.get("id")?,
            UnseenFolder { path: row.get("path")?, reason, detail: row.get("detail")?, mount: row.get("mount")? },
        ))
    })?;
    let mut changed = false;
    for folder in unseen {
        if let Some(at) = known.iter().position(|(_, old)| old == folder) {
            known.swap_remove(at);
            continue;
        }
        let keys = text(&[match_key(&folder.path)])?;
        let UnseenFolder { path, reason, detail, mount } = folder;
        insert(
            connection,
            root,
            &SkippedEntry {
                folder: None,
                path,
                keys: &keys,
                reason: *reason,
                detail: detail.as_deref(),
                mount: mount.as_deref(),
            },
        )?;
        changed = true;
    }
    let again = |old: &UnseenFolder| unseen.iter().any(|folder| folder.path == old.path);
    let gone: Vec<i64> = known.iter().filter(|(_, old)| conclusive || again(old)).map(|(id, _)| *id).collect();
    changed |= !gone.is_empty();
    remove(connection, gone)?;
    Ok(changed)
}

/// What came of a person's yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The next scan takes the place as it is.
    Yes,
    /// Nothing is skipped there.
    NotThere,
    /// Nobody has to say yes to what is skipped there for this reason.
    NotOffered(SkipReason),
}

/// Takes what was found in the place of a disk for what belongs there, with the places below it.
pub fn accept(connection: &Connection, root: RootRowId, path: &str) -> Result<Accepted, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT path, reason, mount FROM skipped_entries
         WHERE root_id = ?1 AND (path = ?2 OR folder_id IS NULL AND substr(path, 1, length(?2) + 1) = ?2 || '/')
         ORDER BY path",
    )?;
    let found = statement
        .query_map((root.0, path), |row| row.try_into())?
        .collect::<Result<Vec<(String, i64, Option<String>)>, _>>()?;
    let reasons: Vec<SkipReason> =
        found.iter().filter(|(at, ..)| at == path).filter_map(|(_, code, _)| SkipReason::from_repr(*code)).collect();
    let Some(first) = reasons.first() else { return Ok(Accepted::NotThere) };
    if !reasons.iter().any(|reason| reason.can_accept()) {
        return Ok(Accepted::NotOffered(*first));
    }
    let mut set = connection.prepare_cached("UPDATE folders SET mount = ?3 WHERE root_id = ?1 AND path = ?2")?;
    for (path, _, mount) in found.iter().filter(|(.., mount)| mount.is_some()) {
        set.execute((root.0, path, mount))?;
    }
    Ok(Accepted::Yes)
}

/// How many entries a root has.
pub fn count(connection: &Connection, root: RootRowId) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM skipped_entries WHERE root_id = ?1";
    Ok(from_db(one(connection, sql, [root.0], |row| row.get(0))?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
