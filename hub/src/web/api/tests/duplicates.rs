//! Searching for duplicates through the routes.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

/// A content that only differs from that of another seed in its middle.
fn content(seed: u8) -> Vec<u8> {
    let mut bytes = vec![7; 300_000];
    bytes[150_000] = seed;
    bytes
}

/// A pair on the Lake, a third copy on Local, and files that are only like them.
async fn library() -> TestHub {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Lake, "loras/a.safetensors", &content(1));
    hub.put(Root::Lake, "old/a copy.safetensors", &content(1));
    hub.put(Root::Local, "loras/a.safetensors", &content(1));
    hub.put(Root::Lake, "loras/near.safetensors", &content(2));
    hub.put(Root::Lake, "small/x.json", b"{}");
    hub.put(Root::Lake, "small/y.json", b"{}");
    hub.put(Root::Lake, "small/z.json", b"[]");
    hub.put(Root::Lake, "empty", b"");
    hub.put(Root::Lake, "empty too", b"");
    hub.scan().await;
    hub
}

async fn search(hub: &TestHub, body: Value) -> Value {
    let asked = hub.ask("POST", "/api/duplicates/scans", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let path = format!("/api/duplicates/scans/{}", asked.body["id"]);
    hub.wait_for(&path, |scan| scan["state"] != "running" && scan["state"] != "queued").await
}

/// The paths of each group.
fn paths(list: &Value) -> Vec<Vec<String>> {
    let group = |group: &Value| {
        let name = |file: &Value| format!("{}:{}", file["root"].as_str().unwrap(), file["path"].as_str().unwrap());
        group["files"].as_array().unwrap().iter().map(name).collect()
    };
    list["items"].as_array().unwrap().iter().map(group).collect()
}

#[tokio::test]
async fn equal_files_are_found_within_and_across_roots() {
    let hub = library().await;
    let scan = search(&hub, json!({"roots": ["local", "lake"]})).await;
    assert_eq!((&scan["state"], &scan["n_groups"], &scan["n_failed"]), (&json!("complete"), &json!(2), &json!(0)));
    let all = hub.get("/api/duplicates").await;
    assert_eq!(
        paths(&all),
        [
            vec!["local:loras/a.safetensors", "lake:loras/a.safetensors", "lake:old/a copy.safetensors"],
            vec!["lake:small/x.json", "lake:small/y.json"],
        ]
    );
    let first = &all["items"][0];
    let expected = format!("blake3:{}", blake3::hash(&content(1)).to_hex());
    assert_eq!((&first["hash"], &first["kind"]), (&json!(expected), &json!("content")));
    assert_eq!((&first["n_files"], &first["reclaimable_bytes"]), (&json!(3), &json!(600_000)));
    assert_eq!(all["summary"], json!({"n_groups": 2, "n_files": 5, "reclaimable_bytes": 600_002}));
    assert_eq!(all["scan"]["id"], scan["id"]);
    let lake = hub.get("/api/duplicates?root=lake&limit=1").await;
    assert_eq!(paths(&lake), [["lake:loras/a.safetensors", "lake:old/a copy.safetensors"]]);
    assert_eq!((&lake["total"], &lake["items"][0]["reclaimable_bytes"]), (&json!(2), &json!(300_000)));
    assert!(lake["next_cursor"].is_string());
    assert_eq!(hub.get("/api/duplicates?root=local").await["total"], 0);

    let large = search(&hub, json!({"roots": ["lake"], "min_size": 1000})).await;
    assert_eq!((&large["n_groups"], &large["roots"]), (&json!(1), &json!(["lake"])));
    assert_eq!(hub.get("/api/duplicates").await["total"], 1, "its result takes the place of the one before");
    assert_eq!(hub.get("/api/duplicates/scans?limit=1").await["items"][0]["id"], large["id"]);
}

#[tokio::test]
async fn what_a_search_reads_is_known_afterwards() {
    let hub = library().await;
    search(&hub, json!({"roots": ["lake"]})).await;
    let file = hub.get("/api/files/detail?root=lake&path=loras/near.safetensors").await;
    assert_eq!(file["hash"], format!("blake3:{}", blake3::hash(&content(2)).to_hex()), "it was read whole");
    let other = hub.get("/api/files/detail?root=local&path=loras/a.safetensors").await;
    assert_eq!(other["hash"], Value::Null, "the search did not look there");
    let again = search(&hub, json!({"roots": ["lake"]})).await;
    assert_eq!((&again["state"], &again["n_groups"]), (&json!("complete"), &json!(2)));
}

#[cfg(unix)]
#[tokio::test]
async fn hard_links_are_one_file() {
    let hub = library().await;
    let lake = hub.folders.lake.path();
    std::fs::hard_link(lake.join("loras/near.safetensors"), lake.join("loras/near again.safetensors")).unwrap();
    std::fs::hard_link(lake.join("small/x.json"), lake.join("small/w.json")).unwrap();
    hub.scan().await;
    search(&hub, json!({"roots": ["lake"]})).await;
    let list = hub.get("/api/duplicates").await;
    assert_eq!(
        paths(&list),
        [
            vec!["lake:loras/a.safetensors", "lake:old/a copy.safetensors"],
            vec!["lake:small/w.json", "lake:small/x.json", "lake:small/y.json"],
        ]
    );
    let small = &list["items"][1];
    assert_eq!((&small["n_files"], &small["reclaimable_bytes"]), (&json!(2), &json!(2)));
    assert_eq!((&small["files"][1]["link_of"], &small["files"][2]["link_of"]), (&json!("small/w.json"), &Value::Null));
}

#[tokio::test]
async fn a_file_that_changed_since_the_scan_makes_the_result_partial() {
    let hub = library().await;
    hub.put(Root::Lake, "old/a copy.safetensors", b"another content");
    let scan = search(&hub, json!({"roots": ["lake"], "min_size": 1000})).await;
    assert_eq!((&scan["state"], &scan["n_failed"], &scan["n_groups"]), (&json!("partial"), &json!(1), &json!(0)));
    assert!(scan["detail"].as_str().unwrap().starts_with("old/a copy.safetensors: "), "{scan}");
}

#[tokio::test]
async fn a_group_follows_its_files_without_another_search() {
    let hub = TestHub::with(&[("LAKE_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Lake, "a", b"same");
    hub.put(Root::Lake, "b", b"same");
    hub.scan().await;
    search(&hub, json!({"roots": ["lake"]})).await;
    assert_eq!(hub.get("/api/duplicates").await["total"], 1);
    let body = json!({"operation": "delete", "from": "lake", "paths": ["b"]});
    let asked = hub.ask("POST", "/api/transfers", Some(body)).await;
    hub.wait_for(&format!("/api/batches/{}", asked.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    assert_eq!(hub.get("/api/duplicates").await["total"], 0);
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let hub = library().await;
    for body in [
        json!({}),
        json!({"roots": []}),
        json!({"roots": ["nas"]}),
        json!({"roots": ["lake"], "min_size": -1}),
        json!({"roots": ["lake"], "deep": true}),
    ] {
        let answered = hub.ask("POST", "/api/duplicates/scans", Some(body.clone())).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{body}: {}", answered.body);
    }
    let scan = search(&hub, json!({"roots": ["lake"]})).await;
    let again = hub.ask("POST", &format!("/api/duplicates/scans/{}/cancel", scan["id"]), None).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "it has ended");
    assert_eq!(hub.ask("POST", "/api/duplicates/scans/99/cancel", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hub.ask("GET", "/api/duplicates/scans/99", None).await.status, StatusCode::NOT_FOUND);
    let bare = TestHub::bare().await;
    let asked = bare.ask("POST", "/api/duplicates/scans", Some(json!({"roots": ["lake"]}))).await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY, "there is no such folder yet");
}
