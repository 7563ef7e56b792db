//! All routes with all layers. A request meets the layer that was added last first.

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::error::Problem;
use super::limits::MAX_BODY_BYTES;
use super::state::WebState;
use super::{api, assets, fragments, guards, pages};

/// The router of the listener on localhost.
pub fn router(state: WebState) -> Router {
    guarded(api::routes().merge(pages::routes()).merge(fragments::routes()).merge(assets::routes()), state)
}

/// Puts the guards around `routes`.
pub(super) fn guarded(routes: Router<WebState>, state: WebState) -> Router {
    routes
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), pages::errors::show))
        .layer(from_fn_with_state(state.clone(), guards::token::check))
        .layer(from_fn(guards::origin::check))
        .layer(from_fn_with_state(state.clone(), guards::body::bound))
        .layer(from_fn_with_state(state.clone(), guards::host::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(guards::headers::add))
        .with_state(state)
}

async fn no_such_route(uri: Uri) -> Problem {
    Problem::not_found(format!("There is nothing at {}.", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} can't be asked of {}.", method, uri.path()))
}

#[allow(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    Problem::panicked().into_response()
}
