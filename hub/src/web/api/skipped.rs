//! What a root holds that the index does not see, and saying that a place is right as it is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use super::scans::ScanStartedView;
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::storage::views::skipped::{self, SkippedEntry};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath, Params};

/// Something that is not in the index.
#[derive(Debug, Serialize, ToSchema)]
pub struct SkippedView {
    /// Its path; a name that is no text is shown as well as it can be.
    pub path: String,
    /// Why it is not in the index, by name.
    pub reason: SkipReason,
    /// Why, for people: where a link leads, what the system said.
    pub why: String,
    /// Whether it is unknown what is there and below: nothing at or below it counts as absent. Else it is
    /// left alone by rule.
    pub unknown: bool,
    /// What a person can do about it.
    pub way_out: String,
    /// Whether `/api/roots/{root}/skipped/accept` takes this path.
    pub can_accept: bool,
}

impl From<SkippedEntry> for SkippedView {
    fn from(entry: SkippedEntry) -> Self {
        let SkippedEntry { path, reason, detail, .. } = entry;
        Self {
            path,
            reason,
            why: reason.why(detail.as_deref()),
            unknown: reason.is_unknown(),
            way_out: reason.way_out().to_owned(),
            can_accept: reason.can_accept(),
        }
    }
}

/// Lists what the last scan skipped in a root, by path.
#[utoipa::path(
    get, path = "/api/roots/{root}/skipped", tag = "library",
    params(("root" = Root, Path, description = "The root"), PageQuery),
    responses((status = 200, body = ListView<SkippedView>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn list_skipped(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<SkippedView>>> {
    let request = page.request()?;
    let page = state.services.database.read(move |connection| skipped::list(connection, root, &request)).await?;
    Ok(Json(ListView::of(page)))
}

/// Which place is right as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// Its path, as the list tells it.
    path: String,
}

/// Says that a folder whose disk is gone or another one is right as it is now. The scan that this starts
/// takes what is missing there out of the index; no file is touched.
#[utoipa::path(
    post, path = "/api/roots/{root}/skipped/accept", tag = "library", request_body = AcceptBody,
    params(("root" = Root, Path, description = "The root")),
    responses(
        (status = 202, body = ScanStartedView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(super) async fn accept_skipped(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    Body(body): Body<AcceptBody>,
) -> Answer<(StatusCode, Json<ScanStartedView>)> {
    let id = state.services.indexer.accept(root, body.path).await?;
    Ok((StatusCode::ACCEPTED, Json(ScanStartedView { id })))
}
