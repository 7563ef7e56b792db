//! Ticks: single ones, ranges and "all that match".

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use minijinja::value::Value;
use serde::Deserialize;
use shared_protocol::RelPath;

use super::bulk;
use crate::services::selection::Selection;
use crate::web::address::current_with;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, optional};
use crate::web::pages;
use crate::web::pages::diff::query::DiffPageQuery;
use crate::web::pages::duplicates::query::DuplicatesPageQuery;
use crate::web::pages::frame::fragment;
use crate::web::pages::library::query::LibraryQuery;
use crate::web::pages::paging::Paging;
use crate::web::state::WebState;

const REPLACE_URL: HeaderName = HeaderName::from_static("hx-replace-url");

/// Which list, and what happens to its ticks.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct TickRequest {
    /// `library`, `diff` or `duplicates`.
    scope: String,
    /// The list, as the part of its address behind the `?`.
    filter: String,
    /// The selection's id, once it has one.
    #[serde(default, deserialize_with = "optional")]
    s: Option<String>,
    /// Paths, as JSON.
    #[serde(default)]
    items: String,
    /// Whether they are ticked now.
    #[serde(default)]
    on: String,
}

/// A list whose rows can be ticked.
pub(in crate::web) enum TickedList {
    Library(LibraryQuery),
    Diff(DiffPageQuery),
    /// Of the groups of duplicates.
    Duplicates(DuplicatesPageQuery),
}

impl TickedList {
    /// The list that a page named.
    pub(in crate::web) fn read(scope: &str, filter: &str, id: Option<String>) -> Answer<Self> {
        let text = filter.strip_prefix('?').unwrap_or(filter);
        let wrong = |error: axum::extract::rejection::QueryRejection| Problem::from(error);
        let uri = format!("/?{text}").parse().map_err(|_| Problem::malformed("This list can't be read."))?;
        match scope {
            "library" => {
                let query = axum::extract::Query::<LibraryQuery>::try_from_uri(&uri).map_err(wrong)?.0;
                Ok(Self::Library(LibraryQuery { paging: Paging { s: id, ..query.paging }, ..query }))
            }
            "diff" => {
                let query = axum::extract::Query::<DiffPageQuery>::try_from_uri(&uri).map_err(wrong)?.0;
                Ok(Self::Diff(DiffPageQuery { paging: Paging { s: id, ..query.paging }, ..query }))
            }
            "duplicates" => {
                let query = axum::extract::Query::<DuplicatesPageQuery>::try_from_uri(&uri).map_err(wrong)?.0;
                Ok(Self::Duplicates(DuplicatesPageQuery { s: id, ..query }))
            }
            _ => Err(Problem::malformed("scope: expected \"library\", \"diff\" or \"duplicates\"")),
        }
    }

    /// What is ticked in it.
    pub(in crate::web) fn selection(&self, state: &WebState) -> Selection {
        match self {
            Self::Library(query) => pages::library::selection(state, query),
            Self::Diff(query) => pages::diff::selection(state, query),
            Self::Duplicates(query) => pages::duplicates::bar::selection(state, query),
        }
    }

    async fn bar(&self, state: &WebState, all: Option<bool>) -> Answer<Value> {
        match self {
            Self::Library(query) => bulk::library(state, query, all).await,
            Self::Diff(query) => bulk::diff(state, query, all).await,
            Self::Duplicates(query) => pages::duplicates::bar::bar(state, query, all).await,
        }
    }

    const fn bar_template(&self) -> &'static str {
        match self {
            Self::Library(_) | Self::Diff(_) => "fragments/_bulk.html",
            Self::Duplicates(_) => "fragments/_duplicates_bulk.html",
        }
    }
}

/// Ticks rows, or takes their ticks away.
pub(super) async fn tick(
    State(state): State<WebState>,
    headers: HeaderMap,
    FormBody(request): FormBody<TickRequest>,
) -> Answer<Response> {
    let paths: Vec<RelPath> =
        serde_json::from_str(&request.items).map_err(|error| Problem::malformed(format!("items: {error}")))?;
    let on = request.on == "1";
    change(&state, &headers, request, None, |selection| {
        if selection.set(paths, on) {
            Ok(())
        } else {
            Err(Problem::impossible("That are too many single ticks. Narrow the list and select all that match."))
        }
    })
    .await
}

/// Ticks everything that the list's filter means.
pub(super) async fn tick_all(
    State(state): State<WebState>,
    headers: HeaderMap,
    FormBody(request): FormBody<TickRequest>,
) -> Answer<Response> {
    change(&state, &headers, request, Some(true), |selection| {
        *selection = Selection::all(selection.filter.clone());
        Ok(())
    })
    .await
}

/// Takes all ticks away.
pub(super) async fn tick_none(
    State(state): State<WebState>,
    headers: HeaderMap,
    FormBody(request): FormBody<TickRequest>,
) -> Answer<Response> {
    change(&state, &headers, request, Some(false), |selection| {
        *selection = Selection::none(selection.filter.clone());
        Ok(())
    })
    .await
}

async fn change(
    state: &WebState,
    headers: &HeaderMap,
    request: TickRequest,
    all: Option<bool>,
    change: impl FnOnce(&mut Selection) -> Answer<()>,
) -> Answer<Response> {
    let id = match request.s {
        Some(id) => id,
        None => new_id()?,
    };
    let list = TickedList::read(&request.scope, &request.filter, Some(id.clone()))?;
    let mut selection = list.selection(state);
    change(&mut selection)?;
    state.services.selections.keep(&id, selection);
    let mut response = fragment(list.bar_template(), list.bar(state, all).await?)?;
    if let Some(address) = current_with(headers, "s", Some(&id)) {
        response.headers_mut().insert(REPLACE_URL, address);
    }
    Ok(response)
}

/// Random, so that a selection of an earlier run is never taken for one of this.
fn new_id() -> Answer<String> {
    let mut bytes = [0_u8; 6];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
    Ok(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}
