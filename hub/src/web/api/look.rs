//! Looking at what an address leads to, before anything is loaded.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::services::sources::LookView;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Body;

/// What a person pasted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookRequest {
    /// An address of Hugging Face, Civitai (a page, or `urn:air:…`), ModelScope, or any `https` address of a file.
    #[schema(max_length = 4096)]
    url: String,
}

/// Looks at what an address leads to: its site is asked, and the header of the file is read by ranges. Nothing is kept.
#[utoipa::path(
    post, path = "/api/downloads/look", tag = "sources", request_body = LookRequest,
    responses((status = 200, body = LookView), (status = 422), (status = 503))
)]
pub(super) async fn look_at_address(
    State(state): State<WebState>,
    Body(LookRequest { url }): Body<LookRequest>,
) -> Answer<Json<LookView>> {
    Ok(Json(state.services.sources.look_at_pasted(&url).await?))
}
