//! Another name for a file in its own root.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::described::TypedPathText;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedPath;
use crate::services::queue::BatchReceipt;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Body;
use crate::web::spelled;

/// Which file gets which name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameBody {
    root: Root,
    #[schema(value_type = TypedPathText)]
    path: TypedPath,
    /// Its new path below the root; a free name beside it, such as `x (2).safetensors`, if it is missing. Folders that
    /// are there are meant in any case; the rest is made exactly as it is written.
    #[schema(value_type = Option<TypedPathText>)]
    to: Option<TypedPath>,
}

/// Gives a file another name in its own root, with the files that belong to it and are named after it. This ends the
/// conflict of names that differ only in case or in how accents are written. Nothing is overwritten, and undoing the
/// batch takes the names back.
#[utoipa::path(
    post, path = "/api/files/rename", tag = "queue", request_body = RenameBody,
    responses((status = 202, body = BatchReceipt), (status = 404), (status = 409), (status = 422))
)]
pub(in crate::web::api) async fn rename_file(
    State(state): State<WebState>,
    Body(RenameBody { root, path, to }): Body<RenameBody>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    let path = spelled::path(&state, root, path).await?;
    let to = match to {
        Some(to) => Some(spelled::new_path(&state, root, &to)?),
        None => None,
    };
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.rename(root, path, to).await?)))
}
