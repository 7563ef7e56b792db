//! The addresses of one file's content, in its details.

use serde::Serialize;
use shared_protocol::Blake3;

use super::closed;
use crate::web::api::sources::AddressView;
use crate::web::error::Problem;
use crate::web::state::WebState;

/// What the details show.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Addresses {
    hash: String,
    urls: Vec<AddressView>,
    problem: Option<String>,
    /// Why none can be added now.
    closed: Option<String>,
}

/// The addresses of a content, or why they can't be told.
pub(in crate::web) async fn addresses(state: &WebState, hash: &Blake3) -> Addresses {
    let (urls, problem) = match state.services.sources.addresses_of(hash).await {
        Ok(found) => (found.into_iter().map(AddressView::from).collect(), None),
        Err(error) => (Vec::new(), Some(Problem::from(error).detail)),
    };
    Addresses { hash: hash.to_string(), urls, problem, closed: closed(state) }
}
