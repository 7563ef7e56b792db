//! Lists that pages fetch again: when someone searches, pages on, or when what they show changed.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Deserialize;
use shared_protocol::RelPath;

use super::bulk;
use super::toast::{partial, respond};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::web::address::{current_has, current_with};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{InPath, Params};
use crate::web::pages::batch::BatchQuery;
use crate::web::pages::diff::query::DiffPageQuery;
use crate::web::pages::frame::{fragment, render};
use crate::web::pages::history::HistoryPageQuery;
use crate::web::pages::library::query::{LibraryQuery, LibraryView};
use crate::web::pages::library::{drawer, tree};
use crate::web::pages::logs::LogsPageQuery;
use crate::web::pages::models::ModelsPageQuery;
use crate::web::pages::queue::QueueQuery;
use crate::web::pages::{batch, diff, history, library, logs, models, queue};
use crate::web::state::WebState;

const PUSH_URL: HeaderName = HeaderName::from_static("hx-push-url");

const REPLACE_URL: HeaderName = HeaderName::from_static("hx-replace-url");

/// A folder of the tree.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct TreeQuery {
    root: Root,
    path: RelPath,
    #[serde(default)]
    fold: String,
    /// The list beside the tree, as the part of its address behind the `?`.
    #[serde(default)]
    state: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::web) struct DrawerQuery {
    root: Root,
    path: RelPath,
}

/// The list of the library. The address in the browser follows what is searched for.
pub(super) async fn show_library(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<LibraryQuery>,
) -> Answer<Response> {
    let query = query.resolved(&state).await?;
    let html = render("fragments/_results.html", context! { page => library::results(&state, &query).await? })?
        + &partial("bulk", "innerMorph", "fragments/_bulk.html", bulk::library(&state, &query, None).await?)?;
    Ok(followed(respond(html), &headers, "filter", || format!("/library{}", query.page())))
}

/// More rows of the library, to follow those on the page.
pub(super) async fn show_library_rows(
    State(state): State<WebState>,
    Params(query): Params<LibraryQuery>,
) -> Answer<Response> {
    let query = query.resolved(&state).await?;
    let page = library::results(&state, &query).await?;
    let template =
        if query.view == Some(LibraryView::Cards) { "fragments/_tiles.html" } else { "fragments/_rows.html" };
    more(template, page)
}

/// The models, with what narrows them.
pub(super) async fn show_models(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<ModelsPageQuery>,
) -> Answer<Response> {
    let page = models::results(&state, &query).await?;
    let html = render("fragments/_models.html", context! { page => page.clone() })?
        + &partial("choices", "innerMorph", "fragments/_model_choices.html", context! { page })?
        + &partial(
            "saved-filters",
            "innerMorph",
            "fragments/_saved_filters.html",
            models::saved(&state, &query).await?,
        )?;
    Ok(followed(respond(html), &headers, "filter", || format!("/models{}", query.list().into_text())))
}

/// More models, to follow those on the page.
pub(super) async fn show_model_rows(
    State(state): State<WebState>,
    Params(query): Params<ModelsPageQuery>,
) -> Answer<Response> {
    more("fragments/_model_rows.html", models::results(&state, &query).await?)
}

/// A folder of the tree, folded or unfolded.
pub(super) async fn show_tree(State(state): State<WebState>, Params(query): Params<TreeQuery>) -> Answer<Response> {
    let (root, path, expand) = (query.root, query.path, query.fold.is_empty());
    let node = state.services.database.read(move |connection| tree::node(connection, root, &path, expand)).await?;
    let node = node.ok_or_else(|| Problem::not_found("The index has no such folder."))?;
    let page = context! { query => context! { root => Serde(root) }, state => query.state };
    fragment("fragments/_tree.html", context! { nodes => [Serde(node)].map(Value::from), page })
}

/// The details of a file.
pub(super) async fn show_drawer(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<DrawerQuery>,
) -> Answer<Response> {
    let list = LibraryQuery { root: Some(query.root), ..LibraryQuery::default() };
    // The first file that is opened is a step that Back takes back; the next ones take its place.
    let is_open = current_has(&headers, "open");
    let detail = drawer::detail(&state, query.root, &query.path, &list).await?;
    let detail = detail.ok_or_else(|| Problem::not_found("This file is not in the index any more."))?;
    let mut response = fragment("fragments/_drawer.html", context! { detail => Serde(detail) })?;
    let address = current_with(&headers, "open", Some(query.path.as_str()));
    if is_open {
        replace(&mut response, address);
    } else if let Some(address) = address {
        response.headers_mut().insert(PUSH_URL, address);
    }
    Ok(response)
}

/// Closes the details.
pub(super) async fn close_drawer(headers: HeaderMap) -> Answer<Response> {
    let mut response = respond(String::new());
    replace(&mut response, current_with(&headers, "open", None));
    Ok(response)
}

/// The list of differences, with the tabs' counts.
pub(super) async fn show_diff(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<DiffPageQuery>,
) -> Answer<Response> {
    let query = query.resolved(&state).await?;
    let page = diff::results(&state, &query).await?;
    let html = render("fragments/_diff_results.html", context! { page => page.clone() })?
        + &partial("diff-tabs", "innerMorph", "fragments/_diff_tabs.html", context! { page => page.clone() })?
        + &partial("bulk", "innerMorph", "fragments/_bulk.html", bulk::diff(&state, &query, None).await?)?
        + &partial("diff-head", "innerMorph", "fragments/_diff_head.html", context! { page })?;
    Ok(followed(respond(html), &headers, "filter", || format!("/diff{}", query.page())))
}

/// More rows of the differences.
pub(super) async fn show_diff_rows(
    State(state): State<WebState>,
    Params(query): Params<DiffPageQuery>,
) -> Answer<Response> {
    let query = query.resolved(&state).await?;
    more("fragments/_diff_rows.html", diff::results(&state, &query).await?)
}

/// A list of the queue.
pub(super) async fn show_queue(State(state): State<WebState>, Params(query): Params<QueueQuery>) -> Answer<Response> {
    let page = queue::list(&state, &query).await?;
    let tabs = context! { page => page.clone(), ..queue::overall(&state).await? };
    let html = render("fragments/_queue_list.html", context! { page })?
        + &partial("queue-tabs", "innerMorph", "fragments/_queue_tabs.html", tabs)?;
    Ok(respond(html))
}

/// What a batch did.
pub(super) async fn show_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
    Params(query): Params<BatchQuery>,
) -> Answer<Response> {
    fragment("fragments/_batch.html", context! { page => batch::content(&state, id, &query).await? })
}

pub(super) async fn show_history(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<HistoryPageQuery>,
) -> Answer<Response> {
    let response = fragment("fragments/_history.html", context! { page => history::list(&state, &query).await? })?;
    Ok(followed(response, &headers, "filter", || format!("/history{}", query.address(None))))
}

pub(super) async fn show_logs(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<LogsPageQuery>,
) -> Answer<Response> {
    let response = fragment("fragments/_logs.html", context! { page => logs::list(&state, &query)? })?;
    Ok(followed(response, &headers, "filter", || format!("/logs{}", query.address())))
}

/// Rows to follow those on the page. The list is told how many it holds now, so that it fetches as
/// many again when something changes.
fn more(template: &str, page: Value) -> Answer<Response> {
    let keep = partial("keep", "outerHTML", "fragments/_keep.html", context! { page => page.clone() })?;
    Ok(respond(render(template, context! { page })? + &keep))
}

/// The address in the browser follows a form; a list that refreshes itself leaves it alone.
pub(super) fn followed(
    mut response: Response,
    headers: &HeaderMap,
    form: &str,
    address: impl FnOnce() -> String,
) -> Response {
    let source = headers.get("hx-source").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if source.ends_with(&format!("#{form}")) {
        replace(&mut response, HeaderValue::from_str(&address()).ok());
    }
    response
}

fn replace(response: &mut Response, address: Option<HeaderValue>) {
    if let Some(address) = address {
        response.headers_mut().insert(REPLACE_URL, address);
    }
}
