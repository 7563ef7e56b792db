//! What was evicted from the folder that is shown: listed still, on the Lake instead of here.

use serde::Serialize;

use super::query::LibraryQuery;
use crate::domain::root::Root;
use crate::storage::views::evictions::{self, EvictedFilter, EvictedView};
use crate::storage::views::page::PageRequest;
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

/// Files that are listed; the page for making room has all of them.
const ROWS: u32 = 20;

/// Evicted files below a folder.
#[derive(Debug, Serialize)]
pub(in crate::web) struct EvictedBelow {
    n: u64,
    size_bytes: u64,
    rows: Vec<EvictedView>,
    n_more: u64,
    link: String,
    back_reason: Option<String>,
}

/// What was evicted among what the list means; nothing on the Lake, and only with the first page.
pub(in crate::web) async fn below(state: &WebState, query: &LibraryQuery) -> Answer<Option<EvictedBelow>> {
    if query.root() != Root::Local || query.paging.cursor.is_some() {
        return Ok(None);
    }
    let filter = EvictedFilter { folder: query.folder.clone(), search: query.q.clone() };
    let request = PageRequest::latest(ROWS);
    let read = move |connection: &_| {
        let totals = evictions::evicted_totals(connection, &filter)?;
        let rows =
            if totals.n_files > 0 { evictions::evicted(connection, &filter, &request)?.items } else { Vec::new() };
        Ok((totals, rows))
    };
    let (totals, rows) = state.services.database.read(read).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let link = QueryString::new()
        .with("tab", "evicted")
        .with_some("folder", query.folder.as_ref().map(shared_protocol::RelPath::as_str))
        .with_some("q", query.q.as_ref());
    let roots = &state.services.roots;
    Ok(Some(EvictedBelow {
        n: totals.n_files,
        size_bytes: totals.size_bytes,
        n_more: totals.n_files.saturating_sub(rows.len() as u64),
        rows,
        link: link.into_text(),
        back_reason: Root::ALL.into_iter().find_map(|root| roots.live(root).err()).map(|error| reason(&error)),
    }))
}
