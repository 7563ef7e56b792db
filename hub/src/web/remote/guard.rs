//! The key, judged before anything else.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Acquaintance, RefusedPeer, RemoteState};

/// Lets a request with the key of the live session through, with the session in its extensions.
pub(super) async fn check(
    State(state): State<RemoteState>,
    mut request: Request,
    next: Next,
) -> Result<Response, RefusedPeer> {
    let session = state.services.remote.sessions.authorize(bearer(request.headers()))?;
    if let Some(acquaintance) = request.extensions().get::<Acquaintance>() {
        acquaintance.has_shown_key();
    }
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

/// What stands behind `Bearer`, if there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_one_scheme() {
        let read = |values: &[&str]| {
            let headers: HeaderMap = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).fold(
                HeaderMap::new(),
                |mut headers, (name, value)| {
                    headers.append(name, value);
                    headers
                },
            );
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer abc"]), Some("abc".to_owned()));
        assert_eq!(read(&["bearer  abc "]), Some("abc".to_owned()));
        for wrong in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
