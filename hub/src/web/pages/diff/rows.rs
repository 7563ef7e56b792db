//! The rows of the list of differences.

use crate::storage::Connection;
use serde::Serialize;
use shared_protocol::RelPath;

use super::query::DiffQuery;
use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::root::Root;
use crate::services::selection::Selection;
use crate::storage::StorageError;
use crate::storage::skipped::because;
use crate::storage::views::diff::{self, PairEntry};
use crate::storage::views::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::storage::views::{CountCache, FileEntry};
use crate::web::pages::library::rows::Pager;

/// One file or pair.
#[derive(Debug, Serialize)]
pub(in crate::web) struct PairRow {
    id: String,
    path: RelPath,
    selected: bool,
    moved_from: Option<RelPath>,
    why: Option<String>,
    local: Option<Side>,
    lake: Option<Side>,
    /// The side whose details the row opens.
    shown_root: Root,
    shown_path: RelPath,
    folder: String,
}

#[derive(Debug, Serialize)]
struct Side {
    size_bytes: u64,
    modified_at: String,
}

/// The rows of a page.
#[derive(Debug)]
pub(in crate::web) struct Listing {
    /// The rows.
    pub rows: Vec<PairRow>,
    /// What follows.
    pub pager: Option<Pager>,
    /// Rows that the page holds with these.
    pub shown: u32,
    /// How many there are in all.
    pub total: u64,
}

/// Reads one page of the list.
pub(in crate::web) fn load(
    connection: &Connection,
    query: &DiffQuery,
    selection: &Selection,
    counts: &CountCache,
) -> Result<Listing, StorageError> {
    let request = query.request().map_err(|_| StorageError::Cursor)?;
    let page = diff::list(connection, &query.filter(), &request, counts)?;
    let total = page.total;
    let rows: Vec<_> = page.items.into_iter().map(|pair| row(pair, selection)).collect();
    let n_rows = u32::try_from(rows.len()).unwrap_or(MAX_LIMIT);
    let shown = query.shown.unwrap_or(0).saturating_add(n_rows);
    let pager = page.next_cursor.map(|cursor| {
        let append = (shown + DEFAULT_LIMIT <= MAX_LIMIT).then(|| query.following(&cursor, Some(shown)));
        Pager::new(append, query.following(&cursor, None))
    });
    Ok(Listing { rows, pager, shown, total })
}

fn row(pair: PairEntry, selection: &Selection) -> PairRow {
    let moved_from = pair.local.as_ref().filter(|_| pair.status == DiffStatus::Moved).map(|local| local.path.clone());
    let (shown_root, shown_path) = match (&pair.lake, &pair.local) {
        (None, Some(local)) => (Root::Local, local.path.clone()),
        (Some(lake), _) => (Root::Lake, lake.path.clone()),
        (None, None) => (Root::Lake, pair.path.clone()),
    };
    let id = |file: &Option<FileEntry>| file.as_ref().map_or(FileId(0), |file| file.id);
    let side = |file: Option<FileEntry>| {
        file.map(|file| Side { size_bytes: file.size_bytes, modified_at: file.modified.told() })
    };
    PairRow {
        id: format!("p{}-{}", id(&pair.local), id(&pair.lake)),
        selected: selection.contains(&pair.path),
        folder: shown_path.parent().map(String::from).unwrap_or_default(),
        moved_from,
        why: because(&pair.covers),
        shown_root,
        shown_path,
        local: side(pair.local),
        lake: side(pair.lake),
        path: pair.path,
    }
}
