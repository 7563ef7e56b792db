//! How much room a disk has at this moment, for dialogs that wait for an answer.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use crate::domain::root::Root;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional_parsed};
use crate::web::pages::frame::fragment;
use crate::web::state::WebState;

/// Whose disk, and how much is to be written there.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct RoomQuery {
    root: Root,
    #[serde(default, deserialize_with = "optional_parsed")]
    needed: Option<u64>,
}

#[derive(Debug, Serialize)]
struct RoomView {
    root: Root,
    needed: u64,
    free: Option<u64>,
    missing: u64,
}

/// The room of a disk now. The piece asks for itself again.
pub(super) async fn show_room(State(state): State<WebState>, Params(query): Params<RoomQuery>) -> Answer<Response> {
    fragment("fragments/_room.html", context! { room => room(&state, query.root, query.needed.unwrap_or(0)) })
}

/// The room of a disk now, and what of so many bytes does not fit.
pub(in crate::web) fn room(state: &WebState, root: Root, needed: u64) -> Value {
    let free = state.services.roots.status(root).free_bytes;
    let missing = free.map_or(0, |free| needed.saturating_sub(free));
    Value::from(Serde(RoomView { root, needed, free, missing }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use crate::web::test_hub::TestHub;

    #[tokio::test]
    async fn what_is_missing_is_said_anew_each_time() {
        let hub = TestHub::with(&[]).await;
        hub.wait_for("/api/health", |health| health.pointer("/roots/local/free_bytes").unwrap().is_u64()).await;
        let fits = hub.get("/ui/room?root=local&needed=1").await;
        assert!(fits.as_str().unwrap().contains("free now") && !fits.as_str().unwrap().contains("missing"), "{fits}");
        let too_much = hub.get(&format!("/ui/room?root=local&needed={}", u64::MAX / 2)).await;
        let text = too_much.as_str().unwrap();
        assert!(text.contains("are missing") && text.contains("hx-trigger=\"every 3s\""), "it asks again: {text}");
    }
}
