//! The agents that came.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use shared_protocol::AgentId;

use crate::services::remote::agents::AgentView;
use crate::services::remote::inventory::InventoryView;
use crate::web::WebState;
use crate::web::api::list::ListView;
use crate::web::error::{Answer, Problem};
use crate::web::extract::InPath;

/// Lists every agent that came and was not taken out, oldest first.
#[utoipa::path(
    get, path = "/api/remote/agents", tag = "remote", responses((status = 200, body = ListView<AgentView>))
)]
pub(in crate::web) async fn list_agents(State(state): State<WebState>) -> Answer<Json<ListView<AgentView>>> {
    let items = state.services.remote.list_agents().await?;
    let total = items.len() as u64;
    Ok(Json(ListView { items, next_cursor: None, total }))
}

/// Shows an agent as it is now.
#[utoipa::path(
    get, path = "/api/remote/agents/{id}", tag = "remote", params(("id" = String, Path, description = "The agent")),
    responses((status = 200, body = AgentView), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(in crate::web) async fn show_agent(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<Json<AgentView>> {
    Ok(Json(state.services.remote.show_agent(id).await?))
}

/// Takes an agent out with its jobs. It is told to stop for good, and refused while this session lives.
#[utoipa::path(
    delete, path = "/api/remote/agents/{id}", tag = "remote", params(("id" = String, Path, description = "The agent")),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(in crate::web) async fn remove_agent(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<StatusCode> {
    state.services.remote.remove_agent(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks an agent what lies in its folder of models.
#[utoipa::path(
    get, path = "/api/remote/agents/{id}/inventory", tag = "remote",
    params(("id" = String, Path, description = "The agent")),
    responses(
        (status = 200, body = InventoryView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)
    )
)]
pub(in crate::web) async fn show_inventory(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<Json<InventoryView>> {
    Ok(Json(state.services.remote.inventory(id).await?))
}

/// Shows what `ComfyUI` on an agent's machine needs to find the models there.
#[utoipa::path(
    get, path = "/api/remote/agents/{id}/extra_model_paths.yaml", tag = "remote",
    params(("id" = String, Path, description = "The agent")),
    responses(
        (status = 200, body = String, content_type = "application/yaml"), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)
    )
)]
pub(in crate::web) async fn show_extra_model_paths(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<([(HeaderName, &'static str); 1], String)> {
    let text = state.services.remote.extra_model_paths(id).await?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], text))
}
