//! Looking up where contents can be had, and who may be asked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lookups::Site;
use serde::{Deserialize, Serialize};
use shared_protocol::Blake3;
use utoipa::ToSchema;

use crate::domain::described::{Blake3Text, TypedPathText};
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::domain::sources::said::LookupScope;
use crate::domain::typed_path::TypedPath;
use crate::services::sources::DiscoveryView;
use crate::web::WebState;
use crate::web::api::list::{ListView, PageQuery};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath, Params, distinct_if_any};
use crate::web::spelled;

/// Which contents are looked up: all models without any of these.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoverRequest {
    /// These. What was answered about them lately does not count: they are asked for anew.
    #[schema(value_type = Option<Vec<Blake3Text>>)]
    #[serde(default, deserialize_with = "distinct_if_any")]
    hashes: Option<Vec<Blake3>>,
    /// Those with a file on this root.
    root: Option<Root>,
    /// Those with a file in this folder of the root, or below it.
    #[schema(value_type = Option<TypedPathText>)]
    folder: Option<TypedPath>,
}

/// A run of look-ups that was put into the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiscoveryStartedView {
    /// Ask for its state under this number.
    pub id: BackgroundJobId,
}

/// Asks the sites that are allowed where contents can be had. What is proved is written to the Lake's file of addresses.
#[utoipa::path(
    post, path = "/api/sources/discover", tag = "sources", request_body = Option<DiscoverRequest>,
    responses((status = 202, body = DiscoveryStartedView), (status = 409), (status = 422), (status = 503))
)]
pub(crate) async fn start_discovery(
    State(state): State<WebState>,
    body: Option<Body<DiscoverRequest>>,
) -> Answer<(StatusCode, Json<DiscoveryStartedView>)> {
    let DiscoverRequest { hashes, root, folder } = body.map(|Body(request)| request).unwrap_or_default();
    let folder = match (root, folder) {
        (None, Some(_)) => {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Name the root of the folder, too."));
        }
        (Some(root), folder) => spelled::folder(&state, root, folder.map(Into::into)).await?.any(),
        (None, None) => None,
    };
    let id = state.services.discoveries.start(LookupScope { hashes, root, folder }).await?;
    Ok((StatusCode::ACCEPTED, Json(DiscoveryStartedView { id })))
}

/// Lists the latest runs of look-ups, newest first.
#[utoipa::path(
    get, path = "/api/sources/discover", tag = "sources", params(PageQuery),
    responses((status = 200, body = ListView<DiscoveryView>))
)]
pub(crate) async fn list_discoveries(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<DiscoveryView>>> {
    Ok(Json(state.services.discoveries.list(page.request()?).await?))
}

/// Shows a run of look-ups as it is now.
#[utoipa::path(
    get, path = "/api/sources/discover/{id}", tag = "sources", params(("id" = i64, Path, description = "The run")),
    responses((status = 200, body = DiscoveryView))
)]
pub(crate) async fn show_discovery(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Json<DiscoveryView>> {
    Ok(Json(state.services.discoveries.show(id).await?))
}

/// Stops a run of look-ups. What was found stays found.
#[utoipa::path(
    post, path = "/api/sources/discover/{id}/cancel", tag = "sources",
    params(("id" = i64, Path, description = "The run")),
    responses((status = 202, body = DiscoveryView), (status = 409))
)]
pub(crate) async fn cancel_discovery(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<(StatusCode, Json<DiscoveryView>)> {
    state.services.discoveries.cancel(id).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.discoveries.show(id).await?)))
}

/// A site that may be asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupView {
    /// Its name in the setting `LOOKUPS`: `civitai`, `civarchive`, `huggingface`, `modelscope`, `manager_list`.
    #[schema(value_type = String)]
    pub name: Site,
    /// Its name for people.
    pub label: &'static str,
    /// Whether a person allowed it.
    pub is_on: bool,
    /// Where it is asked; a file of this computer is told as a path.
    pub address: String,
    /// What is sent there, in one line.
    pub what_is_sent: &'static str,
}

/// Who may be asked where contents can be had.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupsView {
    pub finders: Vec<LookupView>,
}

/// Shows who may be asked where contents can be had, and what each would be sent.
#[utoipa::path(get, path = "/api/lookups", tag = "sources", responses((status = 200, body = LookupsView)))]
pub(crate) async fn show_lookups(State(state): State<WebState>) -> Json<LookupsView> {
    Json(LookupsView { finders: finders(&state) })
}

/// Every site, as it is set now.
pub(in crate::web) fn finders(state: &WebState) -> Vec<LookupView> {
    let config = state.services.settings.current();
    let lookups = &config.lookups;
    let view = |site: &Site| {
        let base = lookups.sites.base(*site).map(ToString::to_string).unwrap_or_default();
        let file = lookups.manager_list.as_ref().filter(|_| *site == Site::ManagerList);
        LookupView {
            name: *site,
            label: site.label(),
            is_on: lookups.allowed.contains(site),
            address: file.map_or(base, |file| file.display().to_string()),
            what_is_sent: site.what_is_sent(),
        }
    };
    Site::ALL.iter().map(view).collect()
}
