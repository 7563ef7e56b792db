//! Hashes: how much has one, and the work of taking them.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};

use super::frame::{Frame, page};
use crate::domain::root::Root;
use crate::storage::views::PageRequest;
use crate::web::api::scrub;
use crate::web::error::Answer;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "hashes", title: "Hashes", topics: "strip,hashes" };

/// Jobs that are listed.
const JOBS: u32 = 20;

/// Shows coverage and work.
pub(super) async fn show_hashes(State(state): State<WebState>) -> Answer<Response> {
    page(&state, FRAME, "pages/hashes.html", content(&state).await?).await
}

/// What the page shows: `{coverage, jobs, scrub}`.
pub(in crate::web) async fn content(state: &WebState) -> Answer<Value> {
    let hasher = &state.services.hasher;
    let coverage = hasher.coverage().await?;
    let sides = Root::ALL.map(|root| context! { root => Serde(root), ..Value::from(Serde(*coverage.get(root))) });
    let jobs = hasher.list(PageRequest::latest(JOBS)).await?.items;
    let scrub = scrub::view(state).await?;
    Ok(context! { coverage => sides.to_vec(), jobs => Serde(jobs), scrub => Serde(scrub) })
}
