//! The rows of the list of files.

use crate::storage::Connection;
use serde::Serialize;
use shared_protocol::RelPath;

use super::query::{LibraryQuery, View};
use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::services::selection::Selection;
use crate::storage::StorageError;
use crate::storage::views::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::storage::views::{CountCache, FileEntry, files, folders, picked};
use crate::web::address::QueryString;
use crate::web::templates::{encode, format};

/// One file.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FileRow {
    id: FileId,
    path: RelPath,
    /// The path below the folder that is shown.
    shown: String,
    /// The path as it stands in an address.
    open: String,
    size_bytes: u64,
    modified_at: String,
    kind: FileKind,
    conflict: bool,
    status: Option<DiffStatus>,
    selected: bool,
    preview: Option<String>,
}

/// What follows the last row.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Pager {
    /// Fetches more rows into this page, while it holds less than a thousand.
    append: Option<String>,
    /// Leads to the next page.
    next: String,
    /// Rows that come with it.
    size: u32,
}

impl Pager {
    /// What follows a page.
    pub(in crate::web) const fn new(append: Option<String>, next: String) -> Self {
        Self { append, next, size: DEFAULT_LIMIT }
    }
}

/// The rows of a page with what stands around them.
#[derive(Debug)]
pub(in crate::web) struct Listing {
    /// The rows.
    pub rows: Vec<FileRow>,
    /// What follows.
    pub pager: Option<Pager>,
    /// Rows that the page holds with these.
    pub shown: u32,
    /// How many there are in all.
    pub total_text: String,
}

/// Reads one page of the list.
pub(in crate::web) fn load(
    connection: &Connection,
    query: &LibraryQuery,
    selection: &Selection,
    counts: &CountCache,
) -> Result<Listing, StorageError> {
    let filter = query.filter();
    let request = query.request().map_err(|_| StorageError::Cursor)?;
    let page = files::list(connection, &filter, query.by(), &request, counts)?;
    let root = filter.root;
    let standings = picked::standings(connection, root, page.items.iter().map(|file| file.id))?;
    let folder = query.folder.as_ref();
    let mut rows = Vec::with_capacity(page.items.len());
    for (file, status) in page.items.into_iter().zip(standings) {
        let preview = if query.view == Some(View::Cards) { picture(connection, root, &file)? } else { None };
        rows.push(row(file, status, folder, selection, preview));
    }
    let n_rows = u32::try_from(rows.len()).unwrap_or(MAX_LIMIT);
    let shown = query.shown.unwrap_or(0).saturating_add(n_rows);
    let pager = page.next_cursor.map(|cursor| {
        let append = (shown + DEFAULT_LIMIT <= MAX_LIMIT).then(|| query.following(&cursor, Some(shown)));
        Pager::new(append, query.following(&cursor, None))
    });
    let mut total_text = format::n_files(page.total);
    if !query.is_filtered()
        && let Some(level) = folders::level(connection, root, folder)?
    {
        total_text = format!("{total_text}, {}", format::bytes(level.totals.size_bytes));
    }
    Ok(Listing { rows, pager, shown, total_text })
}

fn row(
    file: FileEntry,
    status: Option<DiffStatus>,
    folder: Option<&RelPath>,
    selection: &Selection,
    preview: Option<String>,
) -> FileRow {
    let shown = match folder {
        // The folder may be spelled in another case than the file's own.
        Some(folder) => file.path.as_str().get(folder.as_str().len() + 1..).unwrap_or(file.path.as_str()),
        None => file.path.as_str(),
    };
    FileRow {
        id: file.id,
        shown: shown.to_owned(),
        open: encode(file.path.as_str()),
        size_bytes: file.size_bytes,
        modified_at: file.modified.told(),
        kind: file.kind,
        conflict: file.conflict,
        status,
        selected: selection.contains(&file.path),
        preview,
        path: file.path,
    }
}

/// The address of the picture that is shown for a file: its own, or the one beside it.
pub(in crate::web) fn picture(
    connection: &Connection,
    root: Root,
    file: &FileEntry,
) -> Result<Option<String>, StorageError> {
    let path = match file.kind {
        FileKind::Preview => Some(file.path.clone()),
        FileKind::Model => picked::picture_beside(connection, root, &file.path)?,
        FileKind::Metadata | FileKind::Other => None,
    };
    let address = |path: RelPath| {
        let query = QueryString::new().with("root", root.as_str()).with("path", path.as_str()).into_text();
        format!("/ui/preview{query}")
    };
    Ok(path.filter(|path| crate::web::fragments::preview::is_picture(path.name())).map(address))
}
