//! The JSON interface for tools, and its description.
//!
//! A route is added together with its description, so one can't be there without the other. What it
//! promises is written down in the description and tested against it.

mod asked;
pub mod batches;
pub mod database;
pub mod diff;
pub mod downloads;
pub mod duplicates;
pub mod evictions;
pub mod file_detail;
pub mod files;
pub mod folders;
pub mod hashes;
pub mod health;
pub mod history;
pub mod links;
pub mod list;
pub mod logs;
mod look;
pub mod mirrors;
pub mod models;
pub mod queue;
pub mod remote;
mod responses;
pub mod roots;
pub mod scans;
pub mod scrub;
pub mod settings;
pub mod skipped;
pub mod sources;
pub mod space;
mod strictness;
pub mod transfers;
pub mod trash;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::{WebState, events_socket};

/// The description apart from the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "ComfyUI model library",
        description = "Two folders of models, Local and the Lake: index, comparison, transfers. Times are RFC 3339 \
            in UTC, sizes are bytes, paths are relative with '/'. Every error is a problem document (RFC 9457)."
    ),
    components(schemas(Problem)),
    tags(
        (name = "hub", description = "The program itself"),
        (name = "settings", description = "The configuration"),
        (name = "scans", description = "From the folders on disk to the index"),
        (name = "library", description = "The index and the comparison"),
        (name = "models", description = "What the library's files are"),
        (name = "hashes", description = "What files hold, not what they are called"),
        (name = "duplicates", description = "Files that hold the same"),
        (name = "queue", description = "Transfers and the queue that they wait in"),
        (name = "evictions", description = "What leaves Local because the Lake holds it"),
        (name = "trash", description = "What was deleted"),
        (name = "mirrors", description = "Plans that make one root like the other"),
        (name = "sources", description = "Where contents can be fetched from publicly"),
        (name = "remote", description = "Agents on other machines, and what they were asked to do"),
        (name = "events", description = "What changes, as it changes"),
        (name = "history", description = "What happened"),
    )
)]
struct Description;

/// Every route with its description.
fn described() -> OpenApiRouter<WebState> {
    with_sources(with_remote(OpenApiRouter::with_openapi(Description::openapi())))
        .routes(routes!(health::show_health))
        .routes(routes!(database::show_database))
        .routes(routes!(database::answer_lost))
        .routes(routes!(settings::show_settings, settings::update_settings))
        .routes(routes!(scans::create_scan, scans::list_scans))
        .routes(routes!(scans::show_scan))
        .routes(routes!(scans::cancel_scan))
        .routes(routes!(folders::show_folder))
        .routes(routes!(files::list_files))
        .routes(routes!(file_detail::show_file))
        .routes(routes!(models::list_models))
        .routes(routes!(models::show_facets))
        .routes(routes!(models::reads::create_read, models::reads::list_reads))
        .routes(routes!(models::reads::show_read))
        .routes(routes!(models::reads::cancel_read))
        .routes(routes!(models::rename::rename_model))
        .routes(routes!(models::notes::set_notes))
        .routes(routes!(models::picture::set_picture))
        .routes(routes!(models::filters::list_filters))
        .routes(routes!(models::filters::save_filter, models::filters::remove_filter))
        .routes(routes!(models::show_model))
        .routes(routes!(diff::list_diff))
        .routes(routes!(hashes::create_hash, hashes::list_hashes))
        .routes(routes!(hashes::show_coverage))
        .routes(routes!(hashes::show_hash))
        .routes(routes!(hashes::cancel_hash))
        .routes(routes!(scrub::show_scrub))
        .routes(routes!(scrub::heal))
        .routes(routes!(scrub::accept))
        .routes(routes!(duplicates::list_duplicates))
        .routes(routes!(duplicates::create_duplicate_scan, duplicates::list_duplicate_scans))
        .routes(routes!(duplicates::show_duplicate_scan))
        .routes(routes!(duplicates::cancel_duplicate_scan))
        .routes(routes!(duplicates::resolve::resolve_duplicates))
        .routes(routes!(transfers::list_transfers, transfers::actions::create_transfers))
        .routes(routes!(downloads::create_downloads))
        .routes(routes!(transfers::rename::rename_file))
        .routes(routes!(transfers::show_transfer))
        .routes(routes!(transfers::actions::cancel_transfer))
        .routes(routes!(transfers::actions::retry_transfer))
        .routes(routes!(transfers::actions::pause_transfer))
        .routes(routes!(transfers::actions::resume_transfer))
        .routes(routes!(transfers::actions::place_transfer_first))
        .routes(routes!(transfers::actions::place_transfer_up))
        .routes(routes!(transfers::actions::place_transfer_down))
        .routes(routes!(transfers::actions::place_transfer_last))
        .routes(routes!(batches::list_batches))
        .routes(routes!(batches::show_batch))
        .routes(routes!(batches::cancel_batch))
        .routes(routes!(batches::undo_batch))
        .routes(routes!(batches::retry_failed_of_batch))
        .routes(routes!(queue::show_queue))
        .routes(routes!(queue::pause_queue))
        .routes(routes!(queue::resume_queue))
        .routes(routes!(queue::clear_finished))
        .routes(routes!(queue::retry_failed))
        .routes(routes!(evictions::list_candidates))
        .routes(routes!(evictions::list_evictions, evictions::create_evictions))
        .routes(routes!(evictions::restore_evictions))
        .routes(routes!(space::show_space))
        .routes(routes!(trash::list_trash))
        .routes(routes!(trash::restore_trash))
        .routes(routes!(trash::empty_trash))
        .routes(routes!(mirrors::create_mirror, mirrors::list_mirrors))
        .routes(routes!(mirrors::show_mirror))
        .routes(routes!(mirrors::list_mirror_items))
        .routes(routes!(mirrors::apply_mirror))
        .routes(routes!(roots::adopt_root))
        .routes(routes!(skipped::list_skipped))
        .routes(routes!(skipped::accept_skipped))
        .routes(routes!(links::list_links, links::set_link))
        .routes(routes!(history::list_history))
        .routes(routes!(logs::list_logs))
        .routes(routes!(show_openapi))
        .routes(routes!(events_socket::open_events))
}

/// Adds the routes about where contents can be had.
fn with_sources(router: OpenApiRouter<WebState>) -> OpenApiRouter<WebState> {
    router
        .routes(routes!(look::look_at_address))
        .routes(routes!(sources::list_sources))
        .routes(routes!(sources::check::show_check, sources::check::start_check))
        .routes(routes!(sources::check::cancel_check))
        .routes(routes!(sources::show_coverage))
        .routes(routes!(sources::discover::list_discoveries, sources::discover::start_discovery))
        .routes(routes!(sources::discover::show_discovery))
        .routes(routes!(sources::discover::cancel_discovery))
        .routes(routes!(sources::discover::show_lookups))
        .routes(routes!(sources::show_source, sources::update_source, sources::delete_source))
}

/// Adds the routes about machines outside.
fn with_remote(router: OpenApiRouter<WebState>) -> OpenApiRouter<WebState> {
    router
        .routes(routes!(
            remote::session::create_session,
            remote::session::show_session,
            remote::session::revoke_session
        ))
        .routes(routes!(remote::session::extend_session))
        .routes(routes!(remote::session::test_session))
        .routes(routes!(remote::agents::list_agents))
        .routes(routes!(remote::agents::show_agent, remote::agents::remove_agent))
        .routes(routes!(remote::agents::show_inventory))
        .routes(routes!(remote::agents::show_extra_model_paths))
        .routes(routes!(remote::jobs::list_jobs, remote::jobs::create_jobs))
        .routes(routes!(remote::jobs::preview_jobs))
        .routes(routes!(remote::jobs::show_job))
        .routes(routes!(remote::jobs::cancel_job))
        .routes(routes!(remote::jobs::retry_job))
}

/// All routes of the API.
pub(super) fn routes() -> Router<WebState> {
    Router::from(described()).layer(from_fn(asked::check)).layer(map_response(no_store))
}

/// Answers are true for a moment only; no browser may keep one.
async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The whole description.
fn description() -> utoipa::openapi::OpenApi {
    let mut description = described().into_openapi();
    responses::complete(&mut description);
    description
}

/// Shows this description.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "hub",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
async fn show_openapi() -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}

/// The description as JSON text.
pub fn openapi_json() -> String {
    let mut description = serde_json::to_value(description()).unwrap_or_default();
    strictness::complete(&mut description);
    serde_json::to_string_pretty(&description).unwrap_or_default()
}

#[cfg(test)]
mod tests;
