//! The pages: whole documents with all their state in the address. Links between them are plain, so
//! bookmarks, Back and reload work; what changes inside a page comes from [`super::fragments`] and
//! [`super::live`], made by the same functions and templates.

pub(super) mod batch;
mod curve;
pub(super) mod diff;
pub(super) mod duplicates;
pub(super) mod errors;
pub(super) mod evict;
pub(super) mod frame;
pub(super) mod hashes;
pub(super) mod history;
pub(super) mod home;
pub(super) mod library;
pub(super) mod load;
pub(super) mod logs;
pub(super) mod models;
pub(in crate::web) mod paging;
pub(super) mod plan;
pub(super) mod queue;
pub(super) mod remote;
pub(super) mod settings;
pub(super) mod setup;
pub(super) mod skipped;
pub(super) mod sources;
pub(super) mod space;
pub(super) mod trash;

use axum::Router;
use axum::routing::get;

use super::state::WebState;

/// The routes of all pages.
pub(super) fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(home::show_home))
        .route("/library", get(library::show_library))
        .route("/models", get(models::show_models))
        .route("/models/{id}", get(models::show_model))
        .route("/diff", get(diff::show_diff))
        .route("/duplicates", get(duplicates::show_duplicates))
        .route("/queue", get(queue::show_queue))
        .route("/batches/{id}", get(batch::show_batch))
        .route("/plans/{id}", get(plan::show_plan))
        .route("/remote", get(remote::show_remote))
        .route("/remote/jobs/{id}", get(remote::job::show_job))
        .route("/remote/agents/{id}", get(remote::agent::show_agent))
        .route("/hashes", get(hashes::show_hashes))
        .route("/evict", get(evict::show_evict))
        .route("/space", get(space::show_space))
        .route("/skipped", get(skipped::show_skipped))
        .route("/sources", get(sources::show_sources))
        .route("/trash", get(trash::show_trash))
        .route("/history", get(history::show_history))
        .route("/logs", get(logs::show_logs))
        .route("/settings", get(settings::show_settings))
        .route("/setup", get(setup::show_setup))
}

#[cfg(test)]
mod tests;
