//! Pieces of pages and what their buttons and forms do. Everything below `/ui/` is for our own
//! pages only: a change needs the token of this run, and nothing here is kept or shown in history.

pub(super) mod bulk;
pub(super) mod choose;
pub(super) mod confirm;
mod confirmation;
pub(super) mod database;
pub(super) mod duplicates;
pub(super) mod evict;
pub(super) mod lists;
mod models;
pub(super) mod plans;
pub(super) mod preview;
pub(super) mod queue;
pub(super) mod remote;
pub(super) mod remote_send;
mod rename;
pub(super) mod room;
pub(super) mod selection;
pub(super) mod settings;
pub(super) mod skipped;
pub(super) mod sources;
pub(super) mod space;
pub(super) mod toast;
pub(super) mod transfers;
pub(super) mod trash;
pub(super) mod work;

use axum::Router;
use axum::routing::{get, post};

use super::state::WebState;

/// Adds the routes about machines outside.
fn with_remote(router: Router<WebState>) -> Router<WebState> {
    router
        .route("/ui/remote/session", post(remote::enable))
        .route("/ui/remote/session/extend", post(remote::extend))
        .route("/ui/remote/session/revoke", post(remote::revoke))
        .route("/ui/remote/self-test", post(remote::self_test))
        .route("/ui/remote/jobs", get(remote::show_jobs))
        .route("/ui/remote/jobs/{id}", get(remote::show_job))
        .route("/ui/remote/jobs/{id}/cancel", post(remote::cancel_job))
        .route("/ui/remote/jobs/{id}/retry", post(remote::retry_job))
        .route("/ui/remote/agents/{id}/inventory", post(remote::ask_inventory))
        .route("/ui/remote/agents/{id}/remove", get(remote::confirm_remove).post(remote::remove))
        .route("/ui/remote/agents/{id}/comfy", get(remote::confirm_comfy).post(remote::clone_comfy))
        .route("/ui/remote/send/confirm", get(remote_send::show_send))
        .route("/ui/remote/send", post(remote_send::send))
}

/// Adds the routes about models.
fn with_models(router: Router<WebState>) -> Router<WebState> {
    router
        .route("/ui/models/results", get(lists::show_models))
        .route("/ui/models/rows", get(lists::show_model_rows))
        .route("/ui/models/{id}/rename", get(rename::show_model_form).post(rename::rename_model))
        .route("/ui/models/reads", post(work::read_headers))
        .route("/ui/models/{id}/notes", post(models::set_notes))
        .route("/ui/models/filters", post(models::save_filter))
        .route("/ui/models/filters/new", get(models::ask_name))
        .route("/ui/models/filters/remove", post(models::remove_filter))
}

/// The routes of all fragments.
pub(super) fn routes() -> Router<WebState> {
    with_models(with_remote(Router::new()))
        .route("/ws/ui", get(super::live::open_live))
        .route("/ui/live", get(super::live::poll))
        .route("/ui/preview", get(preview::show_preview))
        .route("/ui/library/results", get(lists::show_library))
        .route("/ui/library/rows", get(lists::show_library_rows))
        .route("/ui/library/tree", get(lists::show_tree))
        .route("/ui/library/drawer", get(lists::show_drawer))
        .route("/ui/library/drawer/close", get(lists::close_drawer))
        .route("/ui/diff/results", get(lists::show_diff))
        .route("/ui/diff/rows", get(lists::show_diff_rows))
        .route("/ui/diff/verify", post(work::verify))
        .route("/ui/database/lost/take", post(database::take_back))
        .route("/ui/database/lost/anew", post(database::begin_anew))
        .route("/ui/duplicates/results", get(duplicates::show_duplicates))
        .route("/ui/duplicates/confirm", get(duplicates::confirm))
        .route("/ui/duplicates/resolve", post(duplicates::resolve))
        .route("/ui/duplicates/scans", post(duplicates::begin_search))
        .route("/ui/duplicates/scans/{id}/cancel", post(duplicates::cancel_search))
        .route("/ui/queue/list", get(lists::show_queue))
        .route("/ui/batches/{id}", get(lists::show_batch))
        .route("/ui/plans", post(plans::create_plan))
        .route("/ui/plans/new", get(plans::show_form))
        .route("/ui/plans/{id}", get(plans::show_plan))
        .route("/ui/plans/{id}/apply", post(plans::apply_plan))
        .route("/ui/plans/{id}/hash", post(plans::hash_plan))
        .route("/ui/history/results", get(lists::show_history))
        .route("/ui/logs/results", get(lists::show_logs))
        .route("/ui/selection", post(selection::tick))
        .route("/ui/selection/all", post(selection::tick_all))
        .route("/ui/selection/none", post(selection::tick_none))
        .route("/ui/transfers/confirm", get(confirm::show_confirm))
        .route("/ui/transfers", post(transfers::create_transfers))
        .route("/ui/transfers/{id}/{action}", post(queue::act))
        .route("/ui/batches/{id}/cancel", post(queue::cancel_batch))
        .route("/ui/batches/{id}/undo", post(queue::undo_batch))
        .route("/ui/queue/pause", post(queue::pause_all))
        .route("/ui/queue/resume", post(queue::resume_all))
        .route("/ui/queue/clear", post(queue::clear_finished))
        .route("/ui/queue/retry", get(queue::confirm_retry).post(queue::retry_failed))
        .route("/ui/space/results", get(space::show_space))
        .route("/ui/sources/results", get(sources::show_sources))
        .route("/ui/sources/add", get(sources::show_form).post(sources::add))
        .route("/ui/sources/remove", post(sources::remove))
        .route("/ui/sources/put-back", post(sources::put_back))
        .route("/ui/sources/check", post(sources::check))
        .route("/ui/sources/discover", post(sources::discover))
        .route("/ui/sources/discover/{id}/cancel", post(sources::cancel_discovery))
        .route("/ui/sources/lookups", post(sources::save_lookups))
        .route("/ui/sources/check/cancel", post(sources::cancel_check))
        .route("/ui/trash/results", get(trash::show_trash))
        .route("/ui/trash/confirm", get(trash::confirm))
        .route("/ui/trash/restore", post(trash::restore))
        .route("/ui/trash/empty", post(trash::empty))
        .route("/ui/evict/results", get(evict::show_evict))
        .route("/ui/evict/confirm", post(evict::confirm))
        .route("/ui/evict/restore", post(evict::bring_back))
        .route("/ui/evict", post(evict::create))
        .route("/ui/rename", post(rename::create))
        .route("/ui/rename/confirm", get(rename::confirm))
        .route("/ui/scans", post(work::begin_scan))
        .route("/ui/scans/{id}/cancel", post(work::cancel_scan))
        .route("/ui/hashes", post(work::begin_hashing))
        .route("/ui/hashes/selection", post(work::verify_selection))
        .route("/ui/scrub/heal", post(work::heal))
        .route("/ui/scrub/accept", post(work::accept_rotted))
        .route("/ui/hashes/{id}/cancel", post(work::cancel_hashing))
        .route("/ui/roots/{root}/adopt", post(work::adopt))
        .route("/ui/roots/{root}/skipped/accept", post(skipped::accept))
        .route("/ui/roots/{root}/links", post(skipped::set_link))
        .route("/ui/skipped/results", get(skipped::show_skipped))
        .route("/ui/settings", post(settings::save_settings))
        .route("/ui/room", get(room::show_room))
        .route("/ui/setup", post(settings::save_setup))
        .route("/ui/demo", post(settings::use_demo))
        .route("/ui/folders/choose", get(choose::show_folders))
}
