//! What becomes of a group of duplicates.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared_protocol::Blake3;
use utoipa::ToSchema;

use crate::domain::described::{Blake3Text, TypedPathText};
use crate::domain::duplicates::DuplicateAction;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedPath;
use crate::services::queue::{BatchReceipt, Named, Resolution};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Body;
use crate::web::spelled;

/// A file by its root and path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedFile {
    root: Root,
    #[schema(value_type = TypedPathText)]
    path: TypedPath,
}

impl NamedFile {
    async fn spelled(self, state: &WebState) -> Answer<Named> {
        Ok((self.root, spelled::path(state, self.root, self.path).await?))
    }
}

/// Which file of a group stays, and what is done with which others.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// The content that all of them hold.
    #[schema(value_type = Blake3Text)]
    hash: Blake3,
    /// The file that stays.
    keep: NamedFile,
    /// The files that don't.
    others: Vec<NamedFile>,
    /// `delete` removes them outright; `hardlink` and `reflink` keep their names without their room.
    action: DuplicateAction,
}

/// Queues what becomes of duplicates. Each file and the one that stays are read whole just before it is
/// touched; one that has changed ends as `failed` with the code `changed`.
#[utoipa::path(
    post, path = "/api/duplicates/resolve", tag = "duplicates", request_body = ResolveRequest,
    responses((status = 202, body = BatchReceipt), (status = 409), (status = 422))
)]
pub(in crate::web::api) async fn resolve_duplicates(
    State(state): State<WebState>,
    Body(ResolveRequest { hash, keep, others, action }): Body<ResolveRequest>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    let mut named = Vec::with_capacity(others.len());
    for other in others {
        named.push(other.spelled(&state).await?);
    }
    let group = Resolution { hash, keep: keep.spelled(&state).await?, others: named };
    let receipt = state.services.queue.resolve(action, vec![group]).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt)))
}
