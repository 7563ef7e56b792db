//! Duplicates: groups of files that hold the same, which one of each stays, and what becomes of the
//! others.

pub(in crate::web) mod bar;
pub(in crate::web) mod query;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, join, page};
use super::models::lines::lines;
use super::paging::is_selected;
use crate::domain::background::WorkState;
use crate::services::duplicates::{Keep, keeper, resolution};
use crate::storage::views::PageRequest;
use crate::storage::views::duplicates::{self as views, DuplicateGroupView, GroupsExtent};
use crate::storage::{Connection, StorageError};
use crate::web::error::Answer;
use crate::web::extract::Params;
use crate::web::state::WebState;
use crate::web::templates::format;
use bar::{bar, selection};
use query::{DuplicatesPageQuery, DuplicatesView};

const FRAME: Frame = Frame { section: "duplicates", title: "Duplicates", topics: "strip,duplicates" };

/// Names of a group that are shown; a content may lie in a thousand places.
const NAMES: usize = 20;

#[derive(Debug, Serialize)]
struct DuplicatesTab {
    name: DuplicatesView,
    n: u64,
    reclaimable_bytes: u64,
}

/// A group with the place of the file in it that stays.
#[derive(Debug, Serialize)]
struct GroupRow {
    #[serde(flatten)]
    group: DuplicateGroupView,
    stays: Option<usize>,
    is_exact: bool,
}

pub(super) async fn show_duplicates(
    State(state): State<WebState>,
    Params(query): Params<DuplicatesPageQuery>,
) -> Answer<Response> {
    let query = match query.view {
        Some(_) => query,
        None => DuplicatesPageQuery { view: Some(first_view(&state).await?), ..query },
    };
    let content = join([
        context! { page => results(&state, &query).await? },
        progress(&state).await?,
        bar(&state, &query, None).await?,
    ]);
    page(&state, FRAME, "pages/duplicates.html", content).await
}

/// The view that has something to look at, for an address that names none.
async fn first_view(state: &WebState) -> Answer<DuplicatesView> {
    let tabs = state.services.database.read(tabs).await?;
    Ok(tabs.iter().find(|tab| tab.n > 0).map_or(DuplicatesView::Local, |tab| tab.name))
}

fn tabs(connection: &Connection) -> Result<Vec<DuplicatesTab>, StorageError> {
    let tab = |name: DuplicatesView| {
        let GroupsExtent { n_groups, reclaimable_bytes } = views::extent(connection, name.filter())?;
        Ok(DuplicatesTab { name, n: n_groups, reclaimable_bytes })
    };
    DuplicatesView::ALL.into_iter().map(tab).collect()
}

/// What the list shows: `page`.
pub(in crate::web) async fn results(state: &WebState, query: &DuplicatesPageQuery) -> Answer<Value> {
    let (filter, request, selection) = (query.filter(), query.request()?, selection(state, query));
    let read = move |connection: &Connection| Ok((tabs(connection)?, views::list(connection, filter, &request)?));
    let (tabs, groups) = state.services.database.read(read).await?;
    let last = state.services.duplicates.latest().await?;
    let keep = Keep::Rule(query.keep());
    let n_unhashed: u64 =
        state.services.hasher.coverage().await?.iter().map(|(_, of)| of.n_files.saturating_sub(of.n_hashed)).sum();
    let rows: Vec<GroupRow> = groups.items.into_iter().map(|group| row(group, &keep)).collect();
    let first = rows.iter().filter_map(|row| row.group.files.first());
    let models = lines(state, first.map(|file| (file.root, file.path.clone())).collect()).await?;
    Ok(context! {
        models,
        query => Serde(query),
        tabs => Serde(tabs),
        is_weights => query.view() == DuplicatesView::Weights,
        is_selected => is_selected(selection),
        names => NAMES,
        rows => Serde(rows),
        total => groups.total,
        next => groups.next_cursor.map(|cursor| query.following(&cursor)),
        state => query.state(),
        n_unhashed,
        last => last.as_ref().map(|scan| context! {
            finished_at => scan.job.finished_at.map(|at| at.to_string()),
            is_partial => scan.job.state == WorkState::Partial,
            n_failed => scan.job.counts.n_failed,
            detail => scan.job.detail.clone(),
            where_ => scan.scope.roots.iter().map(|root| root.label()).collect::<Vec<_>>().join(" and "),
            min_size => scan.scope.min_size,
        }),
    })
}

fn row(group: DuplicateGroupView, keep: &Keep) -> GroupRow {
    let stays = keeper(&group, keep).map(|file| file.id);
    let stays = group.files.iter().position(|file| Some(file.id) == stays);
    // Where no rule may choose, nothing is said to stay.
    GroupRow { stays, is_exact: resolution(&group, keep).is_some(), group }
}

/// The search under way: `{search}`.
pub(in crate::web) async fn progress(state: &WebState) -> Answer<Value> {
    let latest = state.services.duplicates.list(PageRequest::latest(20)).await?.items;
    let open = latest.into_iter().rfind(|scan| !scan.job.state.is_final());
    Ok(context! { search => open.map(Serde) })
}

/// So many copies in words.
pub(in crate::web) fn n_copies(n: u64) -> String {
    let count = format::count(i64::try_from(n).unwrap_or(i64::MAX));
    if n == 1 { format!("{count} copy") } else { format!("{count} copies") }
}
