//! Whether the hub is well.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::root::{PerRoot, Root};
use crate::services::roots::RootStatus;
use crate::storage::search;
use crate::web::WebState;

/// How the hub is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// `ok`, or `degraded` when the database or a configured root fails.
    pub status: &'static str,
    /// The hub's version.
    pub version: &'static str,
    /// `ok`, or `failed`.
    pub database: &'static str,
    /// The two folders.
    pub roots: PerRoot<RootStatus>,
    /// Whether the demo library is served.
    pub demo: bool,
}

/// Tells whether the hub is well. Answers 200 as long as it answers at all.
#[utoipa::path(get, path = "/api/health", tag = "hub", responses((status = 200, body = HealthView)))]
pub(super) async fn show_health(State(state): State<WebState>) -> Json<HealthView> {
    let services = &state.services;
    let read = services.database.read(search::indexed_to).await;
    if let Err(error) = &read {
        tracing::error!(%error, "the database can't be read");
    }
    let roots = PerRoot::from_fn(|root: Root| services.roots.status(root));
    let well = read.is_ok() && roots.iter().all(|(_, root)| root.online || !root.configured);
    Json(HealthView {
        status: if well { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        database: if read.is_ok() { "ok" } else { "failed" },
        roots,
        demo: services.demo,
    })
}
