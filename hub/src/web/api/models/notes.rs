//! What people write about a model.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ids::ModelId;
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

/// Keeps what a person wrote about a model in place of what was there. It stays with the content, wherever that is.
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
    Ok(state.services.models.set_notes(id, notes).await?)
}
