//! Whether the hub is well.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::root::{PerRoot, Root};
use crate::services::roots::RootStatus;
use crate::storage::{backups, search};
use crate::web::WebState;

#[derive(Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// `ok`, or `degraded` when the database or a configured root fails.
    pub status: &'static str,
    /// The hub's version.
    pub version: &'static str,
    /// `ok`, or `failed` when it can't be read or written.
    pub database: &'static str,
    /// More about the database.
    pub database_state: DatabaseState,
    /// The two folders.
    pub roots: PerRoot<RootStatus>,
    /// Whether the demo library is served.
    pub demo: bool,
}

/// The database: whether it can be read and written, and if not, why and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatabaseState {
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written. While it can't, nothing new begins, and the ends of what was under way
    /// are kept in memory.
    pub writable: bool,
    /// Since when it can't be written.
    pub since: Option<jiff::Timestamp>,
    /// Why it can't be written.
    pub why: Option<String>,
    /// What to do about it.
    pub todo: Option<String>,
    /// Ends of jobs that are kept until it can be written.
    pub n_kept: usize,
    pub path: String,
    /// The newest copy of it.
    pub last_backup_at: Option<jiff::Timestamp>,
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
    let (trouble, path) = (services.database.troubles().now(), services.database.path().to_owned());
    let shown = path.display().to_string();
    let backups = state.tasks.blocking(move || backups::list(&path)).await.unwrap_or_default();
    let writable = read.is_ok() && trouble.is_none();
    let database_state = DatabaseState {
        readable: read.is_ok(),
        writable,
        since: trouble.as_ref().map(|trouble| trouble.since),
        why: trouble.as_ref().map(|trouble| trouble.why.clone()),
        todo: trouble.map(|trouble| trouble.todo),
        n_kept: services.ends.n_kept(),
        path: shown,
        last_backup_at: backups.first().map(|backup| backup.made_at),
    };
    let well = writable && roots.iter().all(|(_, root)| root.online || !root.configured);
    Json(HealthView {
        status: if well { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        database: if writable { "ok" } else { "failed" },
        database_state,
        roots,
        demo: services.demo,
    })
}
