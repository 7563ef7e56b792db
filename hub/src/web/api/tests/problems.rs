//! Everything that goes wrong is a problem document with the right status.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::web::test_hub::{Answered, PORT, TestHub};

fn assert_problem(answered: &Answered, status: u16) {
    assert_eq!(answered.status.as_u16(), status, "{}", answered.body);
    assert_eq!(answered.headers["content-type"], "application/problem+json", "{}", answered.body);
    assert_eq!(answered.body["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(answered.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", answered.body);
    }
}

#[rstest]
#[case("GET", "/api/nowhere", 404)]
#[case("GET", "/api/", 404)]
#[case("PATCH", "/api/files", 405)]
#[case("GET", "/api/files", 400)]
#[case("GET", "/api/files?root=nas", 400)]
#[case("GET", "/api/files?root=local&limit=1001", 400)]
#[case("GET", "/api/files?root=local&limit=0", 400)]
#[case("GET", "/api/files?root=local&limit=many", 400)]
#[case("GET", "/api/files?root=local&cursor=zz", 400)]
#[case("GET", "/api/files?root=local&cursor=7b7d", 404)]
#[case("GET", "/api/files?root=local&kind=weights", 400)]
#[case("GET", "/api/files?root=local&sort=colour", 400)]
#[case("GET", "/api/files?root=local&order=sideways", 400)]
#[case("GET", "/api/files?root=local&folder=../etc", 400)]
#[case("GET", "/api/files?root=local&folder=/etc", 404)]
#[case("GET", "/api/files?root=local&folder=C:%5CWindows", 400)]
#[case("GET", "/api/files?root=local&folder=a%00b", 400)]
#[case("GET", "/api/folders?root=local&path=loras", 404)]
#[case("GET", "/api/folders?root=local&path=..", 400)]
#[case("GET", "/api/files/detail?root=local&path=x", 404)]
#[case("GET", "/api/files/detail?root=local", 400)]
#[case("GET", "/api/files/detail?root=local&path=../../etc/passwd", 400)]
#[case("GET", "/api/diff?status=odd", 400)]
#[case("GET", "/api/diff?cursor=00", 404)]
#[case("GET", "/api/scans/17", 404)]
#[case("GET", "/api/scans/abc", 400)]
#[case("POST", "/api/scans/17/cancel", 404)]
#[case("GET", "/api/transfers?state=odd", 400)]
#[case("GET", "/api/transfers?batch=x", 400)]
#[case("GET", "/api/transfers/17", 404)]
#[case("GET", "/api/batches/17", 404)]
#[case("GET", "/api/history?level=odd", 400)]
#[case("GET", "/api/logs?level=odd", 400)]
#[case("GET", "/api/logs?limit=5000", 400)]
#[tokio::test]
async fn wrong_requests(#[case] method: &str, #[case] path: &str, #[case] status: u16) {
    assert_problem(&TestHub::with(&[]).await.ask(method, path, None).await, status);
}

#[rstest]
#[case("POST", "/api/scans", json!({"roots": ["nas"]}))]
#[case("POST", "/api/scans", json!({"roots": []}))]
#[case("POST", "/api/scans", json!({"root": ["local"]}))]
#[case("POST", "/api/scans", json!([1]))]
#[case("PUT", "/api/settings", json!({"QUEUE_CONCURRENCY": ["1"]}))]
#[case("PUT", "/api/settings", json!("text"))]
#[tokio::test]
async fn wrong_bodies(#[case] method: &str, #[case] path: &str, #[case] body: Value) {
    assert_problem(&TestHub::with(&[]).await.ask(method, path, Some(body)).await, 400);
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let hub = TestHub::with(&[]).await;
    let send = async |content_type: Option<&str>, body: Body| {
        let mut request =
            Request::builder().method("POST").uri("/api/scans").header("host", format!("127.0.0.1:{PORT}"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        hub.send(request.body(body).unwrap()).await
    };
    assert_problem(&send(Some("application/json"), Body::from("{")).await, 400);
    assert_problem(&send(Some("text/plain"), Body::from("{}")).await, 415);
    let large = vec![b' '; crate::web::limits::MAX_BODY_BYTES + 1];
    assert_problem(&send(Some("application/json"), Body::from(large)).await, 413);
    let all_paths_of_a_library = format!("{}{{\"roots\": []}}", " ".repeat(8 << 20));
    assert_problem(&send(Some("application/json"), Body::from(all_paths_of_a_library)).await, 400);
}

#[tokio::test]
async fn roots_that_are_not_set_up() {
    let hub = TestHub::bare().await;
    assert_problem(&hub.ask("POST", "/api/scans", None).await, 422);
    let list = hub.get("/api/files?root=local").await;
    assert_eq!(list, json!({"items": [], "next_cursor": null, "total": 0}));
    assert_eq!(hub.get("/api/folders?root=lake").await["folders"], json!([]));
    assert_eq!(hub.get("/api/diff").await["summary"]["same"], json!({"n": 0, "size_bytes": 0}));
    let health = hub.get("/api/health").await;
    assert_eq!(health["status"], "ok", "nothing is set up, so nothing fails");
    assert_eq!(health["roots"]["local"]["path"], Value::Null);
}

#[tokio::test]
async fn wrong_settings_name_key_value_and_expectation() {
    let hub = TestHub::with(&[]).await;
    let before = hub.get("/api/settings").await;
    let wrong = json!({"QUEUE_CONCURRENCY": "many", "SCAN_INTERVAL_MINUTES": 5});
    let answered = hub.ask("PUT", "/api/settings", Some(wrong)).await;
    assert_problem(&answered, 422);
    let problem = &answered.body["problems"][0];
    assert_eq!((problem["key"].as_str(), problem["value"].as_str()), (Some("QUEUE_CONCURRENCY"), Some("many")));
    assert!(problem["message"].as_str().unwrap().starts_with("expected"));
    assert_eq!(hub.get("/api/settings").await, before, "nothing was saved");

    let unknown = hub.ask("PUT", "/api/settings", Some(json!({"NO_SUCH": "1"}))).await;
    assert_problem(&unknown, 422);
    assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY);
}
