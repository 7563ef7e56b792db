//! Each guard with requests that only it stops.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may unwrap")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use axum::routing::{any, post};
use rstest::rstest;
use tower::ServiceExt;

use crate::web::router::guarded;
use crate::web::state::{LaunchToken, WebState};

const PORT: u16 = 8420;

const JSON: (&str, &str) = ("content-type", "application/json");

fn routes() -> Router<WebState> {
    Router::new()
        .route("/api/thing", any(async || "done"))
        .route("/ui/thing", any(async |body: String| format!("done {body}")))
        .route("/ws/events", any(async || "open"))
        .route("/ws/ui", any(async || "open"))
        .route("/only-post", post(async || "done"))
        .route("/panics", any(async || if PORT > 0 { panic!("on purpose") } else { "never" }))
}

async fn state() -> WebState {
    WebState::for_tests(LaunchToken::new().unwrap(), PORT).await
}

struct Asked {
    status: StatusCode,
    body: String,
    response: Response<()>,
}

async fn ask_with(state: WebState, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Asked {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "127.0.0.1:8420");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = guarded(routes(), state).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Asked { status: parts.status, body, response: Response::from_parts(parts, ()) }
}

async fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Asked {
    ask_with(state().await, method, path, headers, "").await
}

fn assert_problem(asked: &Asked, status: StatusCode) {
    assert_eq!(asked.status, status, "{}", asked.body);
    assert_eq!(asked.response.headers()["content-type"], "application/problem+json");
    let json: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(json["status"], status.as_u16());
    for member in ["type", "title", "detail"] {
        assert!(json[member].is_string(), "{member}");
    }
}

#[rstest]
#[case("evil.example:8420")]
#[case("127.0.0.1:1")]
#[case("127.0.0.1")]
#[tokio::test]
async fn another_host_is_misdirected(#[case] host: &str) {
    for path in ["/api/thing", "/nowhere", "/ws/events"] {
        assert_problem(&ask("GET", path, &[("host", host)]).await, StatusCode::MISDIRECTED_REQUEST);
    }
}

#[tokio::test]
async fn two_hosts_are_none() {
    let asked = ask("GET", "/api/thing", &[("host", "127.0.0.1:8420"), ("host", "evil.example")]).await;
    assert_problem(&asked, StatusCode::MISDIRECTED_REQUEST);
    let asked = ask("GET", "http://evil.example/api/thing", &[]).await;
    assert_problem(&asked, StatusCode::MISDIRECTED_REQUEST);
}

#[rstest]
#[case(&[("origin", "http://evil.example")])]
#[case(&[("origin", "null")])]
#[case(&[("origin", "http://127.0.0.1:3000")])]
#[case(&[("origin", "http://localhost:8420")])]
#[case(&[("origin", "https://127.0.0.1:8420")])]
#[case(&[("sec-fetch-site", "cross-site")])]
#[case(&[("sec-fetch-site", "same-site")])]
#[case(&[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")])]
#[case(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8420")])]
#[case(&[("origin", "http://127.0.0.1:8420"), ("origin", "http://evil.example")])]
#[case(&[("origin", "http://evil.example"), ("origin", "http://127.0.0.1:8420")])]
#[case(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")])]
#[case(&[("sec-fetch-site", "none"), ("sec-fetch-site", "none")])]
#[tokio::test]
async fn other_sites_change_nothing(#[case] headers: &[(&str, &str)]) {
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_problem(&ask(method, "/api/thing", headers).await, StatusCode::FORBIDDEN);
    }
    assert_problem(&ask("GET", "/ws/events", headers).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("GET", "/api/thing", headers).await.status, StatusCode::OK, "a link to us may be followed");
}

#[rstest]
#[case(&[])]
#[case(&[("origin", "http://127.0.0.1:8420")])]
#[case(&[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8420")])]
#[case(&[("sec-fetch-site", "none")])]
#[tokio::test]
async fn tools_and_own_pages_pass(#[case] headers: &[(&str, &str)]) {
    let json = [headers, &[JSON]].concat();
    assert_eq!(ask("POST", "/api/thing", &json).await.status, StatusCode::OK);
    assert_eq!(ask("GET", "/ws/events", headers).await.status, StatusCode::OK);
}

/// What needs no body can be asked for by a form, so it has to be said in another way that it is ours.
#[rstest]
#[case(&[("origin", "http://127.0.0.1:8420")])]
#[case(&[("sec-fetch-site", "same-origin")])]
#[case(&[("sec-fetch-site", "none")])]
#[case(&[("cookie", "a=b")])]
#[tokio::test]
async fn a_browser_needs_json_or_the_token(#[case] headers: &[(&str, &str)]) {
    let state = state().await;
    let token = state.token.as_str().to_owned();
    let earlier = LaunchToken::new().unwrap();
    for method in ["POST", "PUT", "DELETE"] {
        let with = async |more: &[(&str, &str)]| {
            ask_with(state.clone(), method, "/api/thing", &[headers, more].concat(), "").await
        };
        assert_problem(&with(&[]).await, StatusCode::FORBIDDEN);
        assert_problem(&with(&[("content-type", "text/plain")]).await, StatusCode::FORBIDDEN);
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert_problem(&with(&[form]).await, StatusCode::FORBIDDEN);
        assert_problem(&with(&[("x-hub-token", earlier.as_str())]).await, StatusCode::FORBIDDEN);
        assert_eq!(with(&[JSON]).await.status, StatusCode::OK);
        assert_eq!(with(&[("x-hub-token", &token)]).await.status, StatusCode::OK);
    }
    assert_eq!(ask("GET", "/api/thing", headers).await.status, StatusCode::OK);
    assert_eq!(ask("POST", "/api/thing", &[]).await.status, StatusCode::OK, "other programs pass");
}

#[tokio::test]
async fn a_body_that_is_said_to_be_too_large_is_not_waited_for() {
    let large = (crate::web::limits::MAX_BODY_BYTES + 1).to_string();
    let asked = ask_with(state().await, "POST", "/api/thing", &[("content-length", &large)], "x").await;
    assert_problem(&asked, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_pages_socket_needs_our_origin() {
    assert_problem(&ask("GET", "/ws/ui", &[]).await, StatusCode::FORBIDDEN);
    assert_problem(&ask("GET", "/ws/ui", &[("sec-fetch-site", "same-origin")]).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("GET", "/ws/ui", &[("origin", "http://127.0.0.1:8420")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_needs_the_token_of_this_run() {
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    let state = state().await;
    let token = state.token.as_str().to_owned();
    let post =
        async |headers: &[(&str, &str)], body: &str| ask_with(state.clone(), "POST", "/ui/thing", headers, body).await;

    assert_problem(&post(&[], "").await, StatusCode::FORBIDDEN);
    assert_problem(&post(&[FORM], "a=1").await, StatusCode::FORBIDDEN);
    assert_problem(&post(&[FORM], "a=1&_token=wrong").await, StatusCode::FORBIDDEN);
    assert_problem(&post(&[("x-hub-token", "wrong")], &format!("_token={token}")).await, StatusCode::FORBIDDEN);
    let earlier = LaunchToken::new().unwrap();
    assert_problem(&post(&[("x-hub-token", earlier.as_str())], "").await, StatusCode::FORBIDDEN);

    assert_eq!(post(&[("x-hub-token", &token)], "").await.status, StatusCode::OK);
    let body = format!("a=1&_token={token}");
    let asked = post(&[FORM], &body).await;
    assert_eq!((asked.status, asked.body), (StatusCode::OK, format!("done {body}")), "the form arrives whole");
    assert_eq!(ask_with(state, "GET", "/ui/thing", &[], "").await.status, StatusCode::OK, "looking needs none");
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    for (method, path, host) in [
        ("GET", "/api/thing", "127.0.0.1:8420"),
        ("GET", "/nowhere", "127.0.0.1:8420"),
        ("GET", "/panics", "127.0.0.1:8420"),
        ("GET", "/api/thing", "evil.example"),
    ] {
        let headers = ask(method, path, &[("host", host), ("origin", "http://evil.example")]).await.response;
        let headers = headers.headers();
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "same-origin");
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "no CORS");
    }
}

#[tokio::test]
async fn a_panic_is_a_problem() {
    assert_problem(&ask("GET", "/panics", &[]).await, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    assert_problem(&ask("GET", "/api/nowhere", &[]).await, StatusCode::NOT_FOUND);
    let asked = ask("GET", "/only-post", &[]).await;
    assert_problem(&asked, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(asked.response.headers()["allow"], "POST");
}
