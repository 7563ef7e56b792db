//! The machines outside: the session that lets them in, the machines themselves, and their jobs.

pub(in crate::web) mod agent;
pub(in crate::web) mod inventory;
pub(in crate::web) mod job;
pub(in crate::web) mod jobs;
pub(in crate::web) mod machines;
pub(in crate::web) mod session;

use axum::extract::State;
use axum::response::Response;
use minijinja::value::Value;

use super::frame::{Frame, join, page};
use crate::web::error::Answer;
use crate::web::extract::Params;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "remote", title: "Remote", topics: "strip,remote,jobs" };

/// Shows the page.
pub(super) async fn show_remote(
    State(state): State<WebState>,
    Params(query): Params<jobs::JobsQuery>,
) -> Answer<Response> {
    let content = join([jobs::content(&state, &query).await?, live(&state).await?]);
    page(&state, FRAME, "pages/remote.html", content).await
}

/// What changes by itself beside the list of jobs: `{remote, agents}`.
pub(in crate::web) async fn live(state: &WebState) -> Answer<Value> {
    Ok(join([session::content(state).await?, machines::content(state).await?]))
}
