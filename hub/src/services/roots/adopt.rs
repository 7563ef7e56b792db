//! From a folder to a row of the index.

use crate::domain::exclusion::ROOT_MARKER;
use crate::domain::root::Root;
use crate::fs::folders::case_sensitive;
use crate::fs::probe::{ProbedRoot, probe};
use crate::fs::{RootDir, marker, volume};
use crate::services::{ErrorKind, ServiceError, Tasks};
use crate::storage::history::{Level, NewLine};
use crate::storage::roots::{self as rows, RootRow};
use crate::storage::{Database, StorageError, facts};

use super::{LiveRoot, Roots};

const MARKER: &str = "marker:";

/// The marker in a row's identity.
pub(super) fn marker_of(row: &RootRow) -> Option<shared_protocol::ids::RootId> {
    row.identity.strip_prefix(MARKER)?.parse().ok()
}

/// The identity of a folder with this marker.
pub(super) fn identity_of(id: shared_protocol::ids::RootId) -> String {
    format!("{MARKER}{id}")
}

/// The row of a folder that was found. One that is in no row yet is adopted: it gets a marker, or,
/// where nothing can be written, goes by its volume and path.
pub(super) fn row_of(
    database: &Database,
    root: Root,
    dir: &RootDir,
    writable: bool,
    found: Option<shared_protocol::ids::RootId>,
) -> Result<LiveRoot, String> {
    let id = match found {
        Some(id) => Some(id),
        None if writable => Some(marker::adopt(dir).map_err(|error| error.to_string())?),
        None => None,
    };
    let identity = match id {
        Some(id) => identity_of(id),
        None => format!("volume:{}:{}", volume::volume_id(dir.path()).map_err(|e| e.to_string())?, dir.display()),
    };
    let case_sensitive = case_sensitive(dir);
    if found.is_some() {
        ask_whether_lost(database).map_err(|error| error.to_string())?;
    }
    let row = activate(database, root, &identity, &dir.display(), case_sensitive).map_err(|error| error.to_string())?;
    Ok(LiveRoot { root, row: row.id, dir: dir.clone(), marker: id, writable, case_sensitive })
}

/// A folder that carries a mark was known to a database. One that knows no folder at all is another.
fn ask_whether_lost(database: &Database) -> Result<(), StorageError> {
    if database.read_blocking(rows::is_empty)? {
        database.write_blocking(|tx| facts::set(tx, facts::LOST, &crate::storage::now_ms().to_string()))?;
    }
    Ok(())
}

fn activate(
    database: &Database,
    root: Root,
    identity: &str,
    path: &str,
    case_sensitive: bool,
) -> Result<RootRow, StorageError> {
    let current = database.read_blocking(|connection| rows::active(connection, root))?;
    match current {
        Some(row) if row.identity == identity && row.path == path && row.case_sensitive == case_sensitive => Ok(row),
        _ => database.write_blocking(|tx| rows::activate(tx, root, identity, path, case_sensitive)),
    }
}

/// What a person has to know of a damaged marker to decide: what is there, and which index goes on. None where
/// nothing can be decided, as with the marker of a later version.
pub(super) fn told_of_damage(row: Option<&RootRow>, dir: &RootDir, why: &str) -> Option<String> {
    let found = marker::damage(dir).ok().flatten()?;
    let content = if found.size_bytes == 0 {
        "It is empty".to_owned()
    } else {
        format!("It has {} bytes and begins with {:?}", found.size_bytes, found.beginning)
    };
    let index = if row.and_then(marker_of).is_some() { "the index of this path goes on" } else { "an index is begun" };
    let entries = if found.n_entries == 1 { "entry" } else { "entries" };
    Some(format!(
        "{why}. {content}; the folder holds {} {entries} besides. Put {ROOT_MARKER} back from a backup, or take the folder as it \
         is: the damaged file is kept beside it, and {index}",
        found.n_entries
    ))
}

/// Gives a folder whose marker is damaged a new one, with the identity that its path had before.
fn in_place_of_damaged(database: &Database, root: Root, dir: &RootDir, why: String) -> Result<LiveRoot, String> {
    let path = dir.display();
    let row = database.read_blocking(|connection| rows::at_path(connection, root, &path)).map_err(|e| e.to_string())?;
    if marker::damage(dir).map_err(|error| error.to_string())?.is_none() {
        return Err(why);
    }
    marker::set_damaged_aside(dir).map_err(|error| error.to_string())?;
    let id = row.as_ref().and_then(marker_of).unwrap_or_else(shared_protocol::ids::RootId::new);
    let id = marker::adopt_as(dir, id).map_err(|error| error.to_string())?;
    row_of(database, root, dir, true, Some(id))
}

/// Adopts the folder that is there now, whatever the index says about its place, where that waits for a decision.
pub(super) async fn anew(roots: &Roots, root: Root, tasks: &Tasks) -> Result<(), ServiceError> {
    let dir = roots.settings.current().roots.get(root).dir.clone().ok_or(ServiceError::NotConfigured(root))?;
    roots.refresh(tasks).await;
    if !roots.status(root).can_adopt {
        let text = match roots.live(root) {
            Ok(_) => format!("{} is in use as it is: there is nothing to decide.", root.label()),
            Err(error) => return Err(error),
        };
        return Err(ServiceError::said(ErrorKind::Conflict, text));
    }
    let database = roots.database.clone();
    let adopted = tasks
        .blocking(move || match probe(&dir, None) {
            ProbedRoot::Online { writable, id, .. } => row_of(&database, root, &dir, writable, id),
            ProbedRoot::Offline { why } => Err(why),
            ProbedRoot::MarkerDamaged { why } => in_place_of_damaged(&database, root, &dir, why),
            ProbedRoot::Swapped { .. } | ProbedRoot::MarkerMissing { .. } => {
                Err("it changed just now: try again".to_owned())
            }
        })
        .await
        .ok_or(ServiceError::ShuttingDown)?;
    let live = adopted.map_err(|why| ServiceError::said(ErrorKind::Unavailable, why))?;
    let summary = format!("{} was adopted anew: {}", root.label(), live.dir.display());
    roots.history.add(NewLine::new("root", Level::Warning, summary).root(root)).await;
    roots.refresh(tasks).await;
    Ok(())
}
