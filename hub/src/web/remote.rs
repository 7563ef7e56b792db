//! What the remote listener answers: `/remote/*` and nothing else.
//!
//! It stands on the internet, behind a tunnel or by itself, so the key is judged before anything else:
//! before the path, the method, the body or a WebSocket's upgrade. Only who answers here and the
//! bootstrapper are for everyone. A refusal is always the hub's own JSON, because agents take nothing
//! else for its word.

mod acquaintance;
mod agent_program;
mod blobs;
mod conditions;
mod guard;
mod install;
mod poll;
mod range;
mod refused;
mod socket;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use shared_protocol::refusal::{Health, Refusal, RefusalCode};
use shared_protocol::{routes, version};
use tower_http::catch_panic::CatchPanicLayer;

pub use acquaintance::Acquaintance;
pub use refused::RefusedPeer;

use crate::services::{Services, Tasks};

/// As if a key had been shown.
#[cfg(test)]
pub(crate) fn befriend_for_tests(acquaintance: &Acquaintance) {
    acquaintance.has_shown_key();
}

/// Handed to every handler of the remote listener.
#[derive(Clone)]
pub struct RemoteState {
    /// What the hub can do.
    pub services: Services,
    /// Holds upgraded sockets, which the server's own shutdown doesn't wait for.
    pub tasks: Tasks,
}

/// The router of the remote listener.
pub fn router(state: RemoteState) -> Router {
    let open = Router::new()
        .route(routes::HEALTH, get(health))
        .route(routes::INSTALL, get(install::script))
        .method_not_allowed_fallback(wrong_method);
    let guarded = Router::new()
        .route(routes::SOCKET, get(socket::open))
        .route(routes::POLL, post(poll::turn))
        .route("/remote/v1/agent/{target}", get(agent_program::program))
        .route("/remote/v1/blobs/{blake3}", get(blobs::content))
        .route("/remote/v1/blobs/{blake3}/groups", get(blobs::groups))
        .fallback(nothing_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), guard::check));
    open.merge(guarded)
        .layer(DefaultBodyLimit::max(version::MAX_POLL_BYTES))
        .layer(CatchPanicLayer::custom(|_panic| stumbled().into_response()))
        .layer(middleware::from_fn(add_headers))
        .with_state(state)
}

/// Whoever asks without a key asks once: the connection is not kept.
async fn health() -> Response {
    let health = Health { app: version::APP.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    ([(header::CONNECTION, "close")], Json(health)).into_response()
}

async fn nothing_there() -> RefusedPeer {
    RefusedPeer::not_found("There is nothing at this address.")
}

/// What is asked in another way than this address is; which ways there are, the router adds.
async fn wrong_method() -> Response {
    let refused = RefusedPeer::from(Refusal {
        code: RefusalCode::Protocol,
        detail: "This can't be asked of this address in this way.".to_owned(),
        retry: false,
        retry_after_s: None,
    });
    (StatusCode::METHOD_NOT_ALLOWED, refused).into_response()
}

fn stumbled() -> RefusedPeer {
    RefusedPeer::unavailable("The hub stumbled over this request. Its log says why.")
}

/// Nothing here is kept by anyone in between, or shown by a browser as something else.
async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // What nginx has taken in it goes on sending after the session is over.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
