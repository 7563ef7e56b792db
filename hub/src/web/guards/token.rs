//! Forms and fragments of our pages carry the token of this run.
//!
//! A second lock behind the origin check: it holds even for a browser that sends neither `Origin`
//! nor `Sec-Fetch-Site`. Requests to the API need no token as long as they come from other programs;
//! from a browser they carry it, or say that they are JSON: no form can do either across sites, and a
//! script of another site has to ask first, which nobody here answers.

use axum::body::{Body, to_bytes};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::web::error::Problem;
use crate::web::extract::is_json;
use crate::web::state::WebState;

/// The header in which scripts of our pages send the token.
pub const HEADER: &str = "x-hub-token";

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
    if safe {
        return next.run(request).await;
    }
    if !request.uri().path().starts_with(PAGES_ONLY) {
        let headers = request.headers();
        let has_token = headers.get(HEADER).is_some_and(|token| state.token.matches(token.as_bytes()));
        if has_token || is_json(headers) || !is_of_a_browser(headers) {
            return next.run(request).await;
        }
        let text = "A browser has to send JSON (Content-Type: application/json) or the token of a page.";
        return Problem::forbidden(text).into_response();
    }
    if let Some(token) = request.headers().get(HEADER) {
        return if state.token.matches(token.as_bytes()) { next.run(request).await } else { refused() };
    }
    if !is_form(request.headers()) {
        return refused();
    }
    let (parts, body) = request.into_parts();
    let bytes = match to_bytes(body, MAX_FORM_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => return Problem::unread_body(&error, StatusCode::PAYLOAD_TOO_LARGE, "").into_response(),
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

/// Browsers send one of these with what changes something; other programs send none.
fn is_of_a_browser(headers: &HeaderMap) -> bool {
    ["origin", "sec-fetch-site", "cookie"].iter().any(|name| headers.contains_key(*name))
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
