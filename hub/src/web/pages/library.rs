//! The library: a tree of folders, the files below one of them, and the details of one file.

pub(in crate::web) mod drawer;
mod elsewhere;
mod evicted;
pub(in crate::web) mod query;
pub(in crate::web) mod rows;
pub(in crate::web) mod tree;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, join, page};
use super::home;
use super::paging::is_selected;
use crate::services::selection::{Filter, Selection};
use crate::storage::roots;
use crate::storage::views::folders;
use crate::web::error::Answer;
use crate::web::extract::Params;
use crate::web::fragments::bulk;
use crate::web::state::WebState;
use query::{FileSortLinks, LibraryQuery, LibraryView};

const FRAME: Frame = Frame { section: "library", title: "Library", topics: "strip,scan,library" };

/// One step of the path above a list.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Crumb {
    name: String,
    path: String,
}

/// The steps that lead to a folder.
pub(in crate::web) fn crumbs(folder: Option<&shared_protocol::RelPath>) -> Vec<Crumb> {
    let mut path = String::new();
    let step = |part: &str| {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
        Crumb { name: part.to_owned(), path: path.clone() }
    };
    folder.map(|folder| folder.parts().map(step).collect()).unwrap_or_default()
}

pub(super) async fn show_library(
    State(state): State<WebState>,
    Params(query): Params<LibraryQuery>,
) -> Answer<Response> {
    let query = query.resolved(&state).await?;
    let (root, folder) = (query.root(), query.folder.clone());
    let tree = state.services.database.read(move |connection| tree::branch(connection, root, folder.as_ref())).await?;
    let detail = match &query.open {
        Some(path) => drawer::detail(&state, root, path, &query).await?,
        None => None,
    };
    let list = results(&state, &query).await?;
    let shown = context! {
        tree => Serde(tree.nodes),
        root_files => tree.n_files,
        crumbs => Serde(crumbs(query.folder.as_ref())),
        detail => detail.map(Serde),
        ..list
    };
    let content =
        join([context! { page => shown }, home::scan_progress(&state), bulk::library(&state, &query, None).await?]);
    page(&state, FRAME, "pages/library.html", content).await
}

/// What the list of files shows.
pub(in crate::web) async fn results(state: &WebState, query: &LibraryQuery) -> Answer<Value> {
    let root = query.root();
    let services = &state.services;
    let selection = selection(state, query);
    let (wanted, counts) = (query.clone(), state.counts.clone());
    let (rows, is_scanned, is_folder, elsewhere) = services
        .database
        .read(move |connection| {
            let scanned = roots::active(connection, root)?.is_some_and(|row| row.last_scan.is_some());
            let rows = rows::load(connection, &wanted, &counts)?;
            let is_folder =
                wanted.folder.is_none() || folders::level(connection, root, wanted.folder.as_ref())?.is_some();
            let is_missed = rows.rows.is_empty() && wanted.is_filtered() && wanted.paging.cursor.is_none();
            let elsewhere = if is_missed { elsewhere::find(connection, &wanted, &counts)? } else { Vec::new() };
            Ok((rows, scanned, is_folder, elsewhere))
        })
        .await?;
    Ok(context! {
        elsewhere => Serde(elsewhere),
        evicted => evicted::below(state, query).await?.map(Serde),
        query => Serde(query),
        root_label => root.label(),
        is_cards => query.view == Some(LibraryView::Cards),
        is_filtered => query.is_filtered(),
        is_configured => services.roots.status(root).configured,
        is_scanned,
        is_folder,
        state => query.state(),
        base => query.base(),
        sorts => Serde(FileSortLinks::of(query)),
        is_selected => is_selected(selection),
        rows => Serde(rows.rows),
        pager => rows.pager.map(Serde),
        shown => rows.shown,
        total_text => rows.total_text,
    })
}

/// What is ticked in this list.
pub(in crate::web) fn selection(state: &WebState, query: &LibraryQuery) -> Selection {
    let filter = Filter::Files(query.filter());
    let kept = query.paging.s.as_deref().and_then(|id| state.services.selections.show(id, &filter));
    kept.unwrap_or_else(|| Selection::none(filter))
}
