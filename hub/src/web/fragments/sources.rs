//! The page of addresses: its list, its buttons, and the dialog that takes a new address.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use lookups::Site;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::Blake3;

use super::confirmation::in_dialog;
use super::lists::followed;
use super::toast::{Toast, partial, respond};
use crate::config::Key;
use crate::domain::ids::BackgroundJobId;
use crate::domain::sources::said::LookupScope;
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, Params, optional};
use crate::web::pages::frame::fragment;
use crate::web::pages::sources::drawer::addresses;
use crate::web::pages::sources::{self, SourcesPageQuery};
use crate::web::state::WebState;

/// The list. The address in the browser follows what is searched for.
pub(super) async fn show_sources(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<SourcesPageQuery>,
) -> Answer<Response> {
    let response = fragment("fragments/_sources.html", context! { page => sources::list(&state, &query).await? })?;
    Ok(followed(response, &headers, "filter", || format!("/sources{}", query.address(None))))
}

/// For which content the dialog is.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct AddQuery {
    /// Asked for in the dialog without it.
    #[serde(default, deserialize_with = "optional")]
    hash: Option<Blake3>,
    /// It was opened in a file's details.
    #[serde(default)]
    drawer: String,
}

#[derive(Debug, Serialize)]
struct Dialog {
    hash: Option<String>,
    title: Option<String>,
    is_drawer: bool,
}

/// Shows the dialog.
pub(super) async fn show_form(State(state): State<WebState>, Params(query): Params<AddQuery>) -> Answer<Response> {
    let title = match query.hash {
        Some(hash) => {
            let content = state.services.sources.content(hash).await?;
            content.and_then(|content| content.facts.names.into_iter().next())
        }
        None => None,
    };
    let hash = query.hash.map(|hash| hash.to_string());
    let dialog = Dialog { title: title.or_else(|| hash.clone()), hash, is_drawer: !query.drawer.is_empty() };
    fragment("fragments/_source_add.html", context! { add => Serde(dialog) })
}

/// What the dialog sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct AddRequest {
    hash: String,
    url: String,
    #[serde(default)]
    drawer: String,
}

/// Adds an address.
pub(super) async fn add(State(state): State<WebState>, FormBody(request): FormBody<AddRequest>) -> Answer<Response> {
    in_dialog(add_address(&state, request).await)
}

async fn add_address(state: &WebState, request: AddRequest) -> Answer<Response> {
    let text = request.hash.trim().to_ascii_lowercase();
    let text = if text.contains(':') { text } else { format!("blake3:{text}") };
    let wrong = |_| Problem::malformed("This is no BLAKE3 hash: it has 64 digits from 0 to 9 and a to f.");
    let hash: Blake3 = text.parse().map_err(wrong)?;
    let record = state.services.sources.add(hash, &request.url).await?;
    let name = record.names.first().cloned().unwrap_or_else(|| record.hash.to_string());
    let toast = Toast::done(format!("Added an address of {name}")).link(list_of(&record.hash), "Show");
    if request.drawer.is_empty() {
        return toast.answer();
    }
    let shown = context! { sources => Serde(addresses(state, &hash).await) };
    let piece = partial("drawer-sources", "innerMorph", "fragments/_drawer_sources.html", shown)?;
    Ok(respond(toast.piece()? + &piece))
}

fn list_of(hash: &Blake3) -> String {
    format!("/sources{}", QueryString::new().with("q", &hash.to_hex()).into_text())
}

/// An address of a content.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct UrlForm {
    hash: Blake3,
    url: String,
}

/// Removes an address.
pub(super) async fn remove(
    State(state): State<WebState>,
    FormBody(UrlForm { hash, url }): FormBody<UrlForm>,
) -> Answer<Response> {
    let sources = &state.services.sources;
    let is_usable = sources.addresses_of(&hash).await?.iter().any(|address| address.url.as_str() == url);
    sources.remove_address(hash, url.clone()).await?;
    let toast = Toast::done("Removed an address");
    // What was not shown whole can't be put back from what was shown.
    if !is_usable {
        return toast.answer();
    }
    let query = QueryString::new().with("hash", &hash.to_string()).with("url", &url).into_text();
    toast.undo(format!("/ui/sources/put-back{query}"), "Undo").answer()
}

/// Adds an address again that was just removed.
pub(super) async fn put_back(
    State(state): State<WebState>,
    Params(UrlForm { hash, url }): Params<UrlForm>,
) -> Answer<Response> {
    state.services.sources.add(hash, &url).await?;
    Toast::done("The address is there again").answer()
}

/// Which addresses to look at.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct CheckForm {
    /// Those of one content; all without it.
    #[serde(default, deserialize_with = "optional")]
    hash: Option<Blake3>,
}

/// Begins a round of looks. Its progress arrives through the page's socket.
pub(super) async fn check(State(state): State<WebState>, FormBody(request): FormBody<CheckForm>) -> Answer<Response> {
    state.services.source_checks.start(request.hash.map(|hash| vec![hash])).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Stops the round.
pub(super) async fn cancel_check(State(state): State<WebState>) -> Answer<Response> {
    state.services.source_checks.cancel().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which contents to look up.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct DiscoverForm {
    /// This one; all without it.
    #[serde(default, deserialize_with = "optional")]
    hash: Option<Blake3>,
}

/// Begins a run of look-ups. Its progress arrives through the page's socket.
pub(super) async fn discover(
    State(state): State<WebState>,
    FormBody(request): FormBody<DiscoverForm>,
) -> Answer<Response> {
    let scope = LookupScope { hashes: request.hash.map(|hash| vec![hash]), ..LookupScope::default() };
    state.services.discoveries.start(scope).await?;
    Toast::done("Looking up where it can be had").link("/sources".to_owned(), "Sources").answer()
}

/// Stops a run of look-ups.
pub(super) async fn cancel_discovery(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Response> {
    state.services.discoveries.cancel(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Keeps who may be asked.
pub(super) async fn save_lookups(
    State(state): State<WebState>,
    FormBody(ticked): FormBody<BTreeMap<String, String>>,
) -> Answer<Response> {
    let allowed: Vec<&str> =
        Site::ALL.iter().map(|site| site.as_str()).filter(|name| ticked.contains_key(*name)).collect();
    let value = (!allowed.is_empty()).then(|| allowed.join(","));
    state.services.save_settings(BTreeMap::from([(Key::Lookups.name().to_owned(), value)]), &state.tasks).await?;
    let labels: Vec<&str> =
        Site::ALL.iter().filter(|site| allowed.contains(&site.as_str())).map(|site| site.label()).collect();
    let text = match labels.split_last() {
        None => "Nobody is asked".to_owned(),
        Some((last, [])) => format!("{last} may be asked"),
        Some((last, others)) => format!("{} and {last} may be asked", others.join(", ")),
    };
    let piece = partial("lookups", "innerMorph", "fragments/_lookups.html", sources::lookups(&state))?;
    Ok(respond(Toast::done(text).piece()? + &piece))
}
