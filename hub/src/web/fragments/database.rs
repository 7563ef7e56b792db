//! What to do about a database that was lost.

use axum::extract::State;
use axum::response::Response;

use super::toast::Toast;
use crate::web::error::Answer;
use crate::web::state::WebState;

/// Takes back what the list on Local names.
pub(super) async fn take_back(State(state): State<WebState>) -> Answer<Response> {
    let n = state.services.evictions_list.take_back().await?;
    let files = if n == 1 { "file is" } else { "files are" };
    Toast::done(format!("{n} evicted {files} known again")).link("/evict".to_owned(), "Show").answer()
}

/// Begins without it.
pub(super) async fn begin_anew(State(state): State<WebState>) -> Answer<Response> {
    state.services.evictions_list.begin_anew().await?;
    Toast::done("Begun anew").answer()
}
