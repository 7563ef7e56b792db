//! What the scans skipped: where, why, and what can be done about it.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::fs::inclusion;
use crate::storage::included_links::{self, ShownLink};
use crate::storage::views::page::PageRequest;
use crate::storage::views::skipped::{self, SkippedView};
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional};
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "home", title: "Skipped", topics: "strip,scan,library" };

/// Entries on one page.
const ROWS: u32 = 200;

/// Everything behind the `?` of the page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct SkippedQuery {
    #[serde(deserialize_with = "optional")]
    root: Option<Root>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

impl SkippedQuery {
    /// The query of this list, or of a page of it.
    pub(in crate::web) fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new().with_some("root", self.root.map(Root::as_str)).with_some("cursor", cursor).into_text()
    }
}

#[derive(Debug, Serialize)]
struct SkippedSide {
    root: Root,
    label: &'static str,
    link: String,
    is_shown: bool,
    n: u64,
}

/// A place with what a person may do about it by a button.
#[derive(Debug, Serialize)]
struct SkippedPlaceRow {
    id: i64,
    #[serde(flatten)]
    place: SkippedView,
    needs_help: bool,
    offer: Option<Offer>,
}

/// What a person may do about a place by a button.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Offer {
    Accept,
    Include,
}

#[derive(Debug, Serialize)]
struct IncludedRow {
    path: String,
    target: String,
}

impl IncludedRow {
    /// None of one that leads elsewhere now: it is among what was skipped.
    fn of(shown: ShownLink) -> Option<Self> {
        let ShownLink { link, changed } = shown;
        changed.is_none().then(|| Self { target: inclusion::shown(&link), path: link.path.into() })
    }
}

impl From<SkippedView> for SkippedPlaceRow {
    fn from(place: SkippedView) -> Self {
        let offer = place.can_accept.then_some(Offer::Accept);
        Self { id: place.id, needs_help: place.reason.needs_help(), offer, place }
    }
}

pub(super) async fn show_skipped(
    State(state): State<WebState>,
    Params(query): Params<SkippedQuery>,
) -> Answer<Response> {
    let shown = context! { page => list(&state, query).await? };
    page(&state, FRAME, "pages/skipped.html", super::frame::join([shown, super::home::scan_progress(&state)])).await
}

/// What the page shows.
pub(in crate::web) async fn list(state: &WebState, query: SkippedQuery) -> Answer<Value> {
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let wanted = query.root;
    let read = move |connection: &_| {
        let (local, lake) = (skipped::totals(connection, Root::Local)?, skipped::totals(connection, Root::Lake)?);
        // Without a choice the side that has something.
        let root = wanted.unwrap_or(if local.n == 0 && lake.n > 0 { Root::Lake } else { Root::Local });
        let (rows, included) = (skipped::list(connection, root, &request)?, included_links::shown(connection, root)?);
        Ok((root, [(Root::Local, local), (Root::Lake, lake)], rows, included))
    };
    let (root, totals, rows, included) = state.services.database.read(read).await?;
    let next = rows.next_cursor.clone();
    let rows = rows_of(state, root, rows.items).await;
    let query = SkippedQuery { root: Some(root), ..query };
    let sides = totals.map(|(side, totals)| SkippedSide {
        root: side,
        label: side.label(),
        link: QueryString::new().with("root", side.as_str()).into_text(),
        is_shown: side == root,
        n: totals.n,
    });
    Ok(context! {
        query => Serde(&query),
        sides => Serde(sides),
        root_label => root.label(),
        next => next.as_ref().map(|cursor| query.address(Some(cursor))),
        rows => Serde(rows),
        included => Serde(included.into_iter().filter_map(IncludedRow::of).collect::<Vec<_>>()),
    })
}

/// The rows, of which links to folders may be included.
async fn rows_of(state: &WebState, root: Root, entries: Vec<SkippedView>) -> Vec<SkippedPlaceRow> {
    let is_link: Vec<bool> = entries.iter().map(|entry| entry.reason == SkipReason::Link).collect();
    let mut rows: Vec<SkippedPlaceRow> = entries.into_iter().map(SkippedPlaceRow::from).collect();
    let links = || is_link.iter().enumerate().filter(|(_, is_link)| **is_link).map(|(at, _)| at);
    let paths = links().filter_map(|at| rows.get(at)).map(|row| row.place.path.clone()).collect();
    let may = state.services.indexer.includable(root, paths).await;
    for (at, may) in links().zip(may) {
        if let Some(row) = rows.get_mut(at) {
            row.offer = may.then_some(Offer::Include);
        }
    }
    rows
}
