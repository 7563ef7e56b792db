//! Hash jobs through the routes.

use std::fs;

use axum::http::StatusCode;
use serde_json::json;
use shared_protocol::{Blake3, RelPath};

use crate::domain::root::Root;
use crate::services::serving::{ContentPlace, ServeError};
use crate::web::test_hub::TestHub;

async fn library() -> TestHub {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Lake, "loras/a.safetensors", b"content");
    hub.put(Root::Lake, "vae/b.pt", b"other content");
    hub.put(Root::Local, "old place/a.safetensors", b"content");
    hub.scan().await;
    hub
}

async fn hash(hub: &TestHub, body: serde_json::Value) -> serde_json::Value {
    let asked = hub.ask("POST", "/api/hashes", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let path = format!("/api/hashes/{}", asked.body["id"]);
    hub.wait_for(&path, |job| job["state"] != "running" && job["state"] != "queued").await
}

#[tokio::test]
async fn a_hash_is_taken_and_shown() {
    let hub = library().await;
    let job = hash(&hub, json!({"root": "lake", "folder": "loras"})).await;
    assert_eq!((&job["state"], &job["n_done"], &job["n_total"]), (&json!("complete"), &json!(1), &json!(1)));
    assert_eq!((&job["bytes_done"], &job["bytes_total"]), (&json!(7), &json!(7)));
    assert!(job["bytes_per_second"].is_u64());
    let file = hub.get("/api/files/detail?root=lake&path=loras/a.safetensors").await;
    let expected = format!("blake3:{}", blake3::hash(b"content").to_hex());
    assert_eq!(file["hash"], expected);
    assert!(file["sha256"].as_str().unwrap().starts_with("sha256:") && file["hashed_at"].is_string());
    let coverage = hub.get("/api/hashes/coverage").await;
    assert_eq!((&coverage["lake"]["n_files"], &coverage["lake"]["n_hashed"]), (&json!(2), &json!(1)));
    assert_eq!(hub.get("/api/hashes?limit=1").await["items"][0]["id"], job["id"]);
}

#[tokio::test]
async fn the_same_content_elsewhere_counts_as_moved() {
    let hub = library().await;
    hash(&hub, json!({"root": "lake"})).await;
    hash(&hub, json!({"root": "local", "paths": ["old place/a.safetensors"]})).await;
    let moved = hub.get("/api/diff?status=moved").await;
    assert_eq!(moved["total"], 1, "{moved}");
    let row = &moved["items"][0];
    assert_eq!(
        (&row["path"], &row["local"]["path"]),
        (&json!("loras/a.safetensors"), &json!("old place/a.safetensors"))
    );
    let file = hub.get("/api/files/detail?root=local&path=old%20place/a.safetensors").await;
    assert_eq!((&file["status"], &file["usage"]["n_copies"]), (&json!("moved"), &json!(1)));
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let hub = library().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"root": "lake", "folder": "..", }), 400),
        (json!({"root": "lake", "paths": []}), 400),
        (json!({"root": "lake", "folder": "loras", "paths": ["vae"]}), 422),
        (json!({"root": "lake", "everything": true}), 400),
    ] {
        let answered = hub.ask("POST", "/api/hashes", Some(body.clone())).await;
        assert_eq!(answered.status.as_u16(), status, "{body}: {}", answered.body);
    }
    let job = hash(&hub, json!({"root": "lake"})).await;
    let again = hub.ask("POST", &format!("/api/hashes/{}/cancel", job["id"]), None).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "it has ended");
    assert_eq!(hub.ask("POST", "/api/hashes/99/cancel", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hub.ask("GET", "/api/hashes/99", None).await.status, StatusCode::NOT_FOUND);
    let bare = TestHub::bare().await;
    let asked = bare.ask("POST", "/api/hashes", Some(json!({"root": "lake"}))).await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY, "there is no such folder yet");
}

#[tokio::test]
async fn what_only_seems_gone_or_changed_keeps_its_hash() {
    const PATH: &str = "loras/a.safetensors";
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, PATH, b"weights");
    hub.put(Root::Local, "loras/b.safetensors", b"other");
    hub.scan().await;
    hash(&hub, json!({"root": "local"})).await;
    let place = ContentPlace {
        root: Root::Local,
        path: RelPath::parse(PATH).unwrap(),
        hash: Blake3::from_bytes(*blake3::hash(b"weights").as_bytes()),
    };
    let serving = &hub.state.services.serving;
    let detail = format!("/api/files/detail?root=local&path={PATH}");
    let has_hash = async || hub.get(&detail).await["hash"].is_string();
    let (here, away) = (hub.folders.local.path().to_owned(), hub.folders.local.path().with_extension("away"));
    // Its root was away for a moment, and is back when the file is looked at.
    assert!(matches!(serving.forget(&place).await, ServeError::Unavailable(_)) && has_hash().await);
    fs::rename(&here, &away).unwrap();
    assert!(matches!(serving.forget(&place).await, ServeError::Unavailable(_)) && has_hash().await);
    // An empty folder where the root was proves nothing.
    fs::create_dir(&here).unwrap();
    assert!(matches!(serving.forget(&place).await, ServeError::Unavailable(_)) && has_hash().await);
    fs::remove_dir(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    hub.wait_for("/api/health", |health| health["roots"]["local"]["online"] == true).await;
    hub.put(Root::Local, PATH, b"other weights");
    assert!(matches!(serving.open(place.clone()).await, Err(ServeError::Changed)) && !has_hash().await);
    fs::remove_file(here.join("loras/b.safetensors")).unwrap();
    let place = ContentPlace {
        path: RelPath::parse("loras/b.safetensors").unwrap(),
        hash: Blake3::from_bytes(*blake3::hash(b"other").as_bytes()),
        ..place
    };
    assert!(matches!(serving.open(place).await, Err(ServeError::Changed)));
    assert_eq!(hub.get("/api/files?root=local").await["total"], 1, "what is gone is gone");
}
