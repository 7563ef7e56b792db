//! Only requests that name this computer itself: `127.0.0.1`, `localhost` or `[::1]`, with our port.
//!
//! This is the guard against DNS rebinding, where a foreign name is pointed at 127.0.0.1 and its
//! pages then count as "same origin".

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::error::Problem;
use crate::web::state::WebState;

const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Answers 421 to whoever means another host.
pub async fn check(State(state): State<WebState>, request: Request, next: Next) -> Response {
    if is_ours(request.headers(), request.uri(), state.port) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!("This hub answers at http://127.0.0.1:{}/ and under no other name.", state.port),
    )
    .into_response()
}

/// Exactly one `Host`, and an authority in the request line (if there is one) that is ours, too.
fn is_ours(headers: &HeaderMap, uri: &Uri, port: u16) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(|host| names_us(host, port))
        && uri.authority().is_none_or(|authority| names_us(authority.as_str(), port))
}

fn names_us(host: &str, port: u16) -> bool {
    NAMES.iter().any(|name| {
        host.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && host.get(name.len()..).is_some_and(|rest| match rest.strip_prefix(':') {
                Some(given) => given == port.to_string(),
                // Browsers leave the default port out.
                None => rest.is_empty() && port == 80,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_with_our_port() {
        for host in ["127.0.0.1:8420", "localhost:8420", "LOCALHOST:8420", "[::1]:8420"] {
            assert!(names_us(host, 8420), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:8421",
            "127.0.0.1:08420",
            "localhost.evil.example:8420",
            "localhost:8420.evil.example",
            "evil.example:8420",
            "user@127.0.0.1:8420",
            "127.0.0.2:8420",
            "::1:8420",
            "",
        ] {
            assert!(!names_us(host, 8420), "{host}");
        }
        assert!(names_us("localhost", 80));
    }
}
