//! Where else what is searched for is found, when it is not where one looks.

use serde::Serialize;
use shared_protocol::RelPath;

use super::query::LibraryQuery;
use crate::domain::root::Root;
use crate::storage::views::files::{self, FileFilter};
use crate::storage::views::spelled::{self, Spelled};
use crate::storage::views::{CountCache, PageRequest};
use crate::storage::{Connection, StorageError};
use crate::web::address::changed;
use crate::web::templates::format;

/// A list that has what this one has not.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in crate::web) struct Elsewhere {
    /// `On the Lake`.
    place: String,
    /// `3 files`.
    files: String,
    link: String,
}

/// The other side, and where only a folder is searched, both sides as a whole: those that have something.
pub(super) fn find(
    connection: &Connection,
    query: &LibraryQuery,
    counts: &CountCache,
) -> Result<Vec<Elsewhere>, StorageError> {
    let here = query.filter();
    let mut found = Vec::new();
    let mut look = |root: Root, is_everywhere: bool| -> Result<(), StorageError> {
        let folder = match here.folder.clone().filter(|_| !is_everywhere) {
            // Each side may spell it in its own way.
            Some(folder) => match spelled::folder(connection, root, &folder.into())? {
                Spelled::Is(folder) => Some(folder),
                _ => return Ok(()),
            },
            None => None,
        };
        let filter = FileFilter { root, folder, ..here.clone() };
        let n = files::list(connection, &filter, query.by(), &PageRequest::latest(1), counts)?.total;
        if n > 0 {
            found.push(elsewhere(query, root, filter.folder.as_ref(), n));
        }
        Ok(())
    };
    let other = here.root.other();
    look(other, false)?;
    if here.folder.is_some() {
        look(here.root, true)?;
        look(other, true)?;
    }
    Ok(found)
}

fn elsewhere(query: &LibraryQuery, root: Root, folder: Option<&RelPath>, n: u64) -> Elsewhere {
    let whole = if query.folder.is_some() && folder.is_none() { " as a whole" } else { "" };
    let place = match root {
        Root::Local => format!("On Local{whole}"),
        Root::Lake => format!("On the Lake{whole}"),
    };
    let state = query.state();
    let folder = folder.map(RelPath::as_str).unwrap_or_default();
    Elsewhere {
        place,
        files: format::n_files(n),
        link: changed(&state, &[("root", root.as_str()), ("folder", folder)]),
    }
}
