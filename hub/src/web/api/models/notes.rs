//! What people write about a model.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ids::ModelId;
use crate::services::hasher::{HashKind, HashScope};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath};

/// Characters that are kept at most.
const MOST: usize = 20_000;

/// What a person writes about a model.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelNotesBody {
    #[schema(max_length = 20_000)]
    notes: String,
}

/// Keeps what a person wrote about a model in place of what was there. It stays with the content, wherever that is: one
/// that is not known yet is hashed.
#[utoipa::path(
    put, path = "/api/models/{id}/notes", tag = "models", request_body = ModelNotesBody,
    params(("id" = i64, Path, description = "The model")),
    responses((status = 204), (status = 422))
)]
pub(in crate::web::api) async fn set_notes(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
    Body(ModelNotesBody { notes }): Body<ModelNotesBody>,
) -> Answer<StatusCode> {
    set(&state, id, notes).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps what a person wrote about a model.
pub(in crate::web) async fn set(state: &WebState, id: ModelId, notes: String) -> Answer<()> {
    let notes = notes.replace("\r\n", "\n").trim().to_owned();
    if notes.chars().count() > MOST {
        let text = format!("Notes have at most {MOST} characters.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let is_empty = notes.is_empty();
    let model = state.services.models.show(id).await?.model;
    state.services.models.set_notes(id, notes).await?;
    // It would go with the file's name; a content is known wherever it is.
    if model.hash.is_none()
        && !is_empty
        && let Some(copy) = model.copies.into_iter().next()
        && let Err(error) =
            state.services.hasher.start(copy.root, HashScope::Paths(vec![copy.path]), HashKind::Missing).await
    {
        tracing::info!(%error, "a model with notes is not hashed");
    }
    Ok(())
}
