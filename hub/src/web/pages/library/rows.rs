//! The rows of the list of files.

use serde::Serialize;

use super::query::{LibraryQuery, LibraryView};
use crate::domain::diff::DiffStatus;
use crate::domain::kind::FileKind;
use crate::storage::views::{CountCache, FileView, files, folders, picked};
use crate::storage::{Connection, StorageError};
use crate::web::fragments::preview::{is_film, picture_address};
use crate::web::pages::paging::Pager;
use crate::web::templates::format;

/// One file with what stands beside it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct LibraryRow {
    #[serde(flatten)]
    file: FileView,
    status: Option<DiffStatus>,
    preview: Option<String>,
}

/// The rows of a page with what stands around them.
#[derive(Debug)]
pub(in crate::web) struct LibraryListing {
    pub rows: Vec<LibraryRow>,
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
    counts: &CountCache,
) -> Result<LibraryListing, StorageError> {
    let filter = query.filter();
    let request = query.paging.request().map_err(|_| StorageError::Cursor)?;
    let page = files::list(connection, &filter, query.by(), &request, counts)?;
    let standings = picked::standings(connection, filter.root, page.items.iter().map(|file| file.id))?;
    let mut rows = Vec::with_capacity(page.items.len());
    for (file, status) in page.items.into_iter().zip(standings) {
        let preview = if query.view == Some(LibraryView::Cards) { picture(connection, &file)? } else { None };
        rows.push(LibraryRow { file, status, preview });
    }
    let (shown, pager) = query.paging.follow(&query.list(), rows.len(), page.next_cursor);
    let mut total_text = format::n_files(page.total);
    if !query.is_filtered()
        && let Some(level) = folders::level(connection, filter.root, query.folder.as_ref())?
    {
        total_text = format!("{total_text}, {}", format::bytes(level.totals.size_bytes));
    }
    Ok(LibraryListing { rows, pager, shown, total_text })
}

/// The address of the picture that is shown for a file: its own, or the one beside it.
pub(in crate::web) fn picture(connection: &Connection, file: &FileView) -> Result<Option<String>, StorageError> {
    let found = match file.kind {
        FileKind::Preview => Some(file.clone()),
        FileKind::Model => picked::picture_beside(connection, file.root, &file.path)?,
        FileKind::Metadata | FileKind::Other => None,
    };
    Ok(found.filter(|found| !is_film(found.path.name())).as_ref().and_then(picture_address))
}
