//! Forms and fragments of our pages carry the token of this run.
//!
//! A second lock behind the origin check: it holds even for a browser that sends neither `Origin`
//! nor `Sec-Fetch-Site`. The API needs no token, because no form can send JSON across sites.

use axum::body::{Body, to_bytes};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::web::error::Problem;
use crate::web::state::WebState;

/// The header in which scripts of our pages send the token.
pub const HEADER: &str = "x-hub-token";
/// The field in which a plain form sends it.
pub const FIELD: &str = "_token";

/// Everything below is asked for by pages only.
const PAGES_ONLY: &str = "/ui/";

/// Largest form that is read to find the token.
const MAX_FORM_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
struct TokenField {
    #[serde(rename = "_token")]
    token: Option<String>,
}

/// Answers 403 to a page's request that would change something and has no token.
pub async fn check(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || !request.uri().path().starts_with(PAGES_ONLY) {
        return next.run(request).await;
    }
    if let Some(token) = request.headers().get(HEADER) {
        return if state.token.matches(token.as_bytes()) { next.run(request).await } else { refused() };
    }
    if !is_form(request.headers()) {
        return refused();
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_FORM_BYTES).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "This form is too large.").into_response();
    };
    let given = token_of(Request::from_parts(parts.clone(), Body::from(bytes.clone()))).await;
    if given.is_some_and(|token| state.token.matches(token.as_bytes())) {
        next.run(Request::from_parts(parts, Body::from(bytes))).await
    } else {
        refused()
    }
}

async fn token_of(request: Request<Body>) -> Option<String> {
    Form::<TokenField>::from_request(request, &()).await.ok()?.0.token
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn refused() -> Response {
    Problem::forbidden("This page is from an earlier run of the hub. Reload it and try again.").into_response()
}
