//! Whoever changes something or opens a socket must not come from another site.
//!
//! Browsers say where a request comes from in `Origin` and `Sec-Fetch-Site`, and no page can forge
//! either. Other programs send neither and pass. Both headers must be clean: a request that
//! contradicts itself is refused, also one that has either of them twice.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::error::Problem;

/// The page's own socket: only a page has a reason to open it, and a page sends its `Origin`.
const PAGE_SOCKET: &str = "/ws/ui";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers 403 to requests of other sites that would change or hear something.
pub async fn check(request: Request, next: Next) -> Response {
    match judge_origin(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => Problem::forbidden(why).into_response(),
    }
}

fn judge_origin(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), &'static str> {
    let socket = path.starts_with("/ws/");
    if !socket && (method == Method::GET || method == Method::HEAD || method == Method::OPTIONS) {
        return Ok(());
    }
    let site = only(headers, SEC_FETCH_SITE)?;
    let origin = only(headers, header::ORIGIN)?;
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err("Another site asked for this.");
    }
    match origin {
        Some(origin) if is_own(origin.as_bytes(), headers) => Ok(()),
        Some(_) => Err("A page of another origin asked for this."),
        None if path == PAGE_SOCKET => Err("This socket is for the hub's own pages; tools use /ws/events."),
        None => Ok(()),
    }
}

/// The value of a header that may stand there once: of several, who reads another one than we do is
/// told something else.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err("This request says twice where it comes from."),
    }
}

/// The host has been checked before: an origin that equals it is our own.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    headers.get(header::HOST).is_some_and(|host| {
        origin.strip_prefix(b"http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
    })
}
