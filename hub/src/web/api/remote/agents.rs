//! The agents that came.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde::Serialize;
use shared_protocol::AgentId;
use utoipa::ToSchema;

use crate::domain::described::UuidText;
use crate::services::remote::agents::AgentView;
use crate::services::remote::inventory::{InventoryFileView, InventoryView};
use crate::web::WebState;
use crate::web::api::list::{ListView, PageQuery};
use crate::web::error::Answer;
use crate::web::extract::{InPath, Params};

/// Lists every agent that came and was not taken out, oldest first.
#[utoipa::path(
    get, path = "/api/remote/agents", tag = "remote", params(PageQuery),
    responses((status = 200, body = ListView<AgentView>))
)]
pub(in crate::web) async fn list_agents(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<AgentView>>> {
    let agents = state.services.remote.list_agents().await?;
    let page = page.request()?.cut(agents, |agent| (agent.first_seen_at, agent.id.to_string()))?;
    Ok(Json(page))
}

/// Shows an agent as it is now.
#[utoipa::path(
    get, path = "/api/remote/agents/{id}", tag = "remote", params(("id" = inline(UuidText), Path, description = "The agent")),
    responses((status = 200, body = AgentView))
)]
pub(in crate::web) async fn show_agent(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<Json<AgentView>> {
    Ok(Json(state.services.remote.show_agent(id).await?))
}

/// Takes an agent out with its jobs. It is told to stop for good, and refused while this session lives.
#[utoipa::path(
    delete, path = "/api/remote/agents/{id}", tag = "remote", params(("id" = inline(UuidText), Path, description = "The agent")),
    responses((status = 204))
)]
pub(in crate::web) async fn remove_agent(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<StatusCode> {
    state.services.remote.remove_agent(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One page of what lies in an agent's folder of models.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryListView {
    /// The files, by path.
    #[serde(flatten)]
    pub files: ListView<InventoryFileView>,
    /// Bytes of all of them.
    pub size_bytes: u64,
    /// Folders that could not be listed.
    pub n_errors: u64,
    /// There are more files than the agent told.
    pub is_cut: bool,
}

/// Asks an agent what lies in its folder of models; each page asks again.
#[utoipa::path(
    get, path = "/api/remote/agents/{id}/inventory", tag = "remote",
    params(("id" = inline(UuidText), Path, description = "The agent"), PageQuery),
    responses((status = 200, body = InventoryListView), (status = 409))
)]
pub(in crate::web) async fn show_inventory(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<InventoryListView>> {
    let request = page.request()?;
    let InventoryView { items, total: _, size_bytes, n_errors, is_cut } = state.services.remote.inventory(id).await?;
    let files = request.cut(items, |file| file.path.clone())?;
    Ok(Json(InventoryListView { files, size_bytes, n_errors, is_cut }))
}

/// Shows what `ComfyUI` on an agent's machine needs to find the models there.
#[utoipa::path(
    get, path = "/api/remote/agents/{id}/extra_model_paths.yaml", tag = "remote",
    params(("id" = inline(UuidText), Path, description = "The agent")),
    responses((status = 200, body = String, content_type = "application/yaml"), (status = 409))
)]
pub(in crate::web) async fn show_extra_model_paths(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
) -> Answer<([(HeaderName, &'static str); 1], String)> {
    let text = state.services.remote.extra_model_paths(id).await?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], text))
}
