//! Links whose folders are a part of a root: which they are, including one, leaving one out again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use crate::domain::described::RelPathText;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::fs::inclusion;
use crate::storage::included_links::{self, ShownLink};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath, Params};

/// A link whose folder is a part of the root.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// The real path of the folder that was included.
    pub target: String,
    /// Whether the last scan found another folder behind it, or none: then nothing at or below it counts as absent, and
    /// `/api/roots/{root}/skipped` lists it as `link_changed`.
    pub changed: bool,
    /// What is wrong with it.
    pub why: Option<String>,
}

impl From<ShownLink> for LinkView {
    fn from(shown: ShownLink) -> Self {
        let ShownLink { link, changed } = shown;
        Self { target: inclusion::shown(&link), path: link.path, changed: changed.is_some(), why: changed }
    }
}

/// Lists the included links of a root, by path. All others are listed among what is skipped.
#[utoipa::path(
    get, path = "/api/roots/{root}/links", tag = "library",
    params(("root" = Root, Path, description = "The root"), PageQuery),
    responses((status = 200, body = ListView<LinkView>))
)]
pub(super) async fn list_links(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<LinkView>>> {
    let request = page.request()?;
    let read = move |connection: &_| {
        let links = included_links::shown(connection, root)?;
        request.cut(links, |shown| (shown.link.path.match_key(), shown.link.path.to_string()))
    };
    Ok(Json(state.services.database.read(read).await?.map(LinkView::from)))
}

/// Which link, and what is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// The link's path.
    #[schema(value_type = RelPathText)]
    path: RelPath,
    /// Whether what it leads to is a part of the root from now on.
    include: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LinkStartedView {
    /// The scan that takes it over.
    #[schema(value_type = i64)]
    pub id: BackgroundJobId,
    /// The link, if it is included now.
    pub link: Option<LinkView>,
}

/// Includes the folder that a link leads to, as it is now, or leaves it out again. The scan that this starts takes its
/// files into the index or out of it; left out, they are unknown again, not absent. No file is touched.
#[utoipa::path(
    post, path = "/api/roots/{root}/links", tag = "library", request_body = LinkBody,
    params(("root" = Root, Path, description = "The root")),
    responses((status = 202, body = LinkStartedView), (status = 409), (status = 422))
)]
pub(super) async fn set_link(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    Body(LinkBody { path, include }): Body<LinkBody>,
) -> Answer<(StatusCode, Json<LinkStartedView>)> {
    let indexer = &state.services.indexer;
    if !include {
        let id = indexer.leave_link_out(root, path).await?;
        return Ok((StatusCode::ACCEPTED, Json(LinkStartedView { id, link: None })));
    }
    let id = indexer.include_link(root, path.clone()).await?;
    let links = state.services.database.read(move |connection| included_links::shown(connection, root)).await?;
    let link = links.into_iter().find(|shown| shown.link.path == path).map(LinkView::from);
    Ok((StatusCode::ACCEPTED, Json(LinkStartedView { id, link })))
}
