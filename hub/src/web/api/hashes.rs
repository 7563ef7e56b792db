//! Hashing: what files hold, not what they are called.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use crate::domain::described::TypedPathText;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::{PerRoot, Root};
use crate::domain::typed_path::TypedPath;
use crate::services::hasher::{HashJobView, HashKind, HashScope};
use crate::storage::hashes::Coverage;
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath, Params};
use crate::web::spelled;

/// What to hash: a folder, or files and folders by name, or the whole root. Files that have a hash
/// already are not read again, unless `force` says so.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HashBody {
    root: Root,
    /// Everything in this folder and below it.
    #[schema(value_type = Option<TypedPathText>)]
    folder: Option<TypedPath>,
    /// These files and folders.
    #[schema(value_type = Option<Vec<TypedPathText>>)]
    paths: Option<Vec<TypedPath>>,
    /// Whether files are read again whose hash is known. One that holds something else than it did, though neither its
    /// size nor its time changed, is marked as `rotted`.
    #[serde(default)]
    force: bool,
}

/// A hash job that was put into the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct HashStartedView {
    /// Ask for its state under this number.
    pub id: BackgroundJobId,
}

/// Asks for hashes of whatever has none, or for a proof of those that are known.
#[utoipa::path(
    post, path = "/api/hashes", tag = "hashes", request_body = HashBody,
    responses((status = 202, body = HashStartedView), (status = 422))
)]
pub(super) async fn create_hash(
    State(state): State<WebState>,
    Body(HashBody { root, folder, paths, force }): Body<HashBody>,
) -> Answer<(StatusCode, Json<HashStartedView>)> {
    let scope = match (folder, paths) {
        (Some(_), Some(_)) => {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Name a folder or paths, not both."));
        }
        (folder, None) => HashScope::Folder(spelled::folder(&state, root, folder.map(Into::into)).await?.any()),
        (None, Some(paths)) => HashScope::Paths(spelled::paths(&state, root, paths).await?),
    };
    let kind = if force { HashKind::Verify } else { HashKind::Missing };
    let id = state.services.hasher.start(root, scope, kind).await?;
    Ok((StatusCode::ACCEPTED, Json(HashStartedView { id })))
}

/// Lists the latest hash jobs, newest first.
#[utoipa::path(
    get, path = "/api/hashes", tag = "hashes", params(PageQuery),
    responses((status = 200, body = ListView<HashJobView>))
)]
pub(super) async fn list_hashes(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<HashJobView>>> {
    Ok(Json(state.services.hasher.list(page.request()?).await?))
}

/// Shows how much of each root is hashed.
#[utoipa::path(
    get, path = "/api/hashes/coverage", tag = "hashes", responses((status = 200, body = PerRoot<Coverage>))
)]
pub(super) async fn show_coverage(State(state): State<WebState>) -> Answer<Json<PerRoot<Coverage>>> {
    Ok(Json(state.services.hasher.coverage().await?))
}

/// Shows a hash job as it is now.
#[utoipa::path(
    get, path = "/api/hashes/{id}", tag = "hashes", params(("id" = i64, Path, description = "The job")),
    responses((status = 200, body = HashJobView))
)]
pub(super) async fn show_hash(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Json<HashJobView>> {
    Ok(Json(state.services.hasher.show(id).await?))
}

/// Stops a hash job. What is hashed stays hashed.
#[utoipa::path(
    post, path = "/api/hashes/{id}/cancel", tag = "hashes", params(("id" = i64, Path, description = "The job")),
    responses((status = 202, body = HashJobView), (status = 409))
)]
pub(super) async fn cancel_hash(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<(StatusCode, Json<HashJobView>)> {
    state.services.hasher.cancel(id).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.hasher.show(id).await?)))
}
