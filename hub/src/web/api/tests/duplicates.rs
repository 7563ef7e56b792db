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

/// A model with this text in its header.
fn model(title: &str, weights: &[u8]) -> Vec<u8> {
    let end = weights.len();
    let header = format!(
        "{{\"__metadata__\":{{\"title\":\"{title}\"}},\"t\":{{\"dtype\":\"U8\",\"shape\":[{end}],\"data_offsets\":[0,{end}]}}}}"
    );
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), weights].concat()
}

#[tokio::test]
async fn the_same_weights_under_other_headers_are_a_group_of_their_own() {
    let hub = TestHub::with(&[("LAKE_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Lake, "a.safetensors", &model("one", &[5; 10_000]));
    hub.put(Root::Lake, "b.safetensors", &model("another title", &[5; 10_000]));
    hub.put(Root::Lake, "copy of a.safetensors", &model("one", &[5; 10_000]));
    hub.put(Root::Lake, "other.safetensors", &model("one too", &[6; 10_000]));
    hub.put(Root::Lake, "exact 1.safetensors", &model("same", &[7; 10_000]));
    hub.put(Root::Lake, "exact 2.safetensors", &model("same", &[7; 10_000]));
    hub.put(Root::Lake, "no model.safetensors", b"not a header at all");
    hub.scan().await;
    let scan = search(&hub, json!({"roots": ["lake"]})).await;
    assert_eq!((&scan["state"], &scan["n_groups"]), (&json!("complete"), &json!(2)), "{scan}");
    let weights = hub.get("/api/duplicates?kind=weights").await;
    assert_eq!(paths(&weights), [["lake:a.safetensors", "lake:b.safetensors", "lake:copy of a.safetensors"]]);
    assert_eq!(weights["items"][0]["hash"], format!("blake3:{}", blake3::hash(&[5; 10_000]).to_hex()));
    let again = search(&hub, json!({"roots": ["lake"]})).await;
    assert_eq!(
        (&again["state"], hub.get("/api/duplicates?kind=weights").await["total"].clone()),
        (&json!("complete"), json!(1))
    );
    // Not equal to the last byte, so none of them can be removed on the strength of another.
    let body = json!({
        "hash": weights["items"][0]["hash"], "action": "delete",
        "keep": {"root": "lake", "path": "a.safetensors"},
        "others": [{"root": "lake", "path": "b.safetensors"}],
    });
    let refused = hub.ask("POST", "/api/duplicates/resolve", Some(body)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    // A file that changes leaves this group too.
    hub.put(Root::Lake, "b.safetensors", b"something else");
    hub.put(Root::Lake, "copy of a.safetensors", b"something else again");
    hub.scan().await;
    assert_eq!(hub.get("/api/duplicates?kind=weights").await["total"], 0);
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

fn resolve(action: &str, content: &[u8], keep: (&str, &str), others: &[(&str, &str)]) -> Value {
    let file = |(root, path): (&str, &str)| json!({"root": root, "path": path});
    let others: Vec<Value> = others.iter().map(|other| file(*other)).collect();
    let hash = format!("blake3:{}", blake3::hash(content).to_hex());
    json!({"hash": hash, "keep": file(keep), "others": others, "action": action})
}

/// Resolves, waits for the end, and gives the batch back.
async fn resolved(hub: &TestHub, body: Value) -> Value {
    let asked = hub.ask("POST", "/api/duplicates/resolve", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    hub.wait_for(&format!("/api/batches/{}", asked.body["batch_id"]), |batch| batch["n_open"] == 0).await
}

async fn undone(hub: &TestHub, batch: &Value) -> Value {
    let undo = hub.ask("POST", &format!("/api/batches/{}/undo", batch["id"]), None).await;
    assert_eq!(undo.status, StatusCode::ACCEPTED, "{}", undo.body);
    hub.wait_for(&format!("/api/batches/{}", undo.body["batch_id"]), |batch| batch["n_open"] == 0).await
}

/// Three copies on Local and one on the Lake; deleting is allowed on Local only.
async fn copies() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    for path in ["a/x", "b/x", "c/x"] {
        hub.put(Root::Local, path, &content(1));
    }
    hub.put(Root::Lake, "x", &content(1));
    hub.scan().await;
    search(&hub, json!({"roots": ["local", "lake"]})).await;
    hub
}

#[tokio::test]
async fn a_duplicate_is_removed_outright_and_copied_back() {
    let hub = copies().await;
    let local = hub.folders.local.path();
    let batch =
        resolved(&hub, resolve("delete", &content(1), ("lake", "x"), &[("local", "b/x"), ("local", "c/x")])).await;
    assert_eq!((&batch["n_completed"], &batch["operation"]), (&json!(2), &json!("remove_duplicate")), "{batch}");
    let first = &batch["items"][0];
    assert_eq!((&first["path"], &first["to"], &first["to_path"]), (&json!("b/x"), &json!("lake"), &json!("x")));
    assert!(!local.join("b/x").exists() && !local.join("c/x").exists() && local.join("a/x").exists());
    assert!(!local.join(".comfy-hub-trash").exists(), "outright, not into the trash");
    assert_eq!(hub.get("/api/duplicates").await["items"][0]["n_files"], 2, "the group knows");
    let undo = undone(&hub, &batch).await;
    assert_eq!((&undo["n_completed"], &undo["n_failed"]), (&json!(2), &json!(0)), "{undo}");
    assert_eq!(std::fs::read(local.join("b/x")).unwrap(), content(1));
    assert_eq!(std::fs::read(local.join("c/x")).unwrap(), content(1));
}

#[cfg(unix)]
#[tokio::test]
async fn a_duplicate_becomes_a_hard_link_and_a_file_of_its_own_again() {
    use std::os::unix::fs::MetadataExt as _;
    let hub = copies().await;
    let local = hub.folders.local.path();
    let inode = |path: &str| std::fs::metadata(local.join(path)).unwrap().ino();
    let batch =
        resolved(&hub, resolve("hardlink", &content(1), ("local", "a/x"), &[("local", "b/x"), ("local", "c/x")])).await;
    assert_eq!((&batch["n_completed"], &batch["operation"]), (&json!(2), &json!("hardlink")), "{batch}");
    assert_eq!((inode("b/x"), inode("c/x")), (inode("a/x"), inode("a/x")));
    assert_eq!(hub.get("/api/duplicates?root=local").await["total"], 0, "they are one file now");
    assert_eq!(search(&hub, json!({"roots": ["local"]})).await["n_groups"], 0, "a search says the same");
    let undo = undone(&hub, &batch).await;
    assert_eq!((&undo["n_completed"], &undo["operation"]), (&json!(2), &json!("separate")), "{undo}");
    assert!(inode("b/x") != inode("a/x") && inode("c/x") != inode("a/x") && inode("b/x") != inode("c/x"));
    assert_eq!(std::fs::read(local.join("b/x")).unwrap(), content(1));
    assert_eq!(std::fs::read_dir(local.join("b")).unwrap().count(), 1, "nothing is left over");
}

#[tokio::test]
async fn what_changed_is_never_touched() {
    for action in ["delete", "hardlink"] {
        let hub = copies().await;
        let local = hub.folders.local.path();
        // The same size and time, another content: only reading it whole can tell.
        let before = std::fs::metadata(local.join("b/x")).unwrap().modified().unwrap();
        std::fs::write(local.join("b/x"), content(9)).unwrap();
        std::fs::File::options().write(true).open(local.join("b/x")).unwrap().set_modified(before).unwrap();
        std::fs::write(local.join("c/x"), b"shorter").unwrap();
        let body = resolve(action, &content(1), ("local", "a/x"), &[("local", "b/x"), ("local", "c/x")]);
        let batch = resolved(&hub, body.clone()).await;
        assert_eq!(batch["n_failed"], 2, "{action}: {batch}");
        for item in batch["items"].as_array().unwrap() {
            assert_eq!(item["error"]["code"], "changed", "{action}: {item}");
        }
        assert_eq!(std::fs::read(local.join("b/x")).unwrap(), content(9));
        assert_eq!(std::fs::read(local.join("c/x")).unwrap(), b"shorter");
        hub.scan().await;
        let refused = hub.ask("POST", "/api/duplicates/resolve", Some(body)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "what was read is known: {}", refused.body);
    }
}

#[tokio::test]
async fn without_the_copy_that_stays_nothing_goes() {
    let hub = copies().await;
    let local = hub.folders.local.path();
    std::fs::remove_file(local.join("a/x")).unwrap();
    for action in ["delete", "hardlink"] {
        let batch = resolved(&hub, resolve(action, &content(1), ("local", "a/x"), &[("local", "b/x")])).await;
        assert_eq!(batch["items"][0]["error"]["code"], "changed", "{batch}");
        assert_eq!(std::fs::read(local.join("b/x")).unwrap(), content(1));
    }
    std::fs::write(local.join("a/x"), content(3)).unwrap();
    let batch = resolved(&hub, resolve("delete", &content(1), ("local", "a/x"), &[("local", "b/x")])).await;
    assert_eq!(batch["items"][0]["error"]["code"], "changed", "{batch}");
    assert_eq!(std::fs::read_dir(local.join("b")).unwrap().count(), 1, "and it has its name");
}

#[tokio::test]
async fn resolving_has_its_rules() {
    let hub = copies().await;
    let c = content(1);
    for (body, status) in [
        (resolve("delete", &c, ("local", "a/x"), &[]), 400),
        (resolve("burn", &c, ("local", "a/x"), &[("local", "b/x")]), 400),
        (resolve("delete", &c, ("local", "a/x"), &[("local", "../x")]), 400),
        (resolve("delete", &c, ("local", "a/x"), &[("lake", "x")]), 403),
        (resolve("hardlink", &c, ("lake", "x"), &[("lake", "x")]), 422),
        (resolve("delete", &c, ("local", "a/x"), &[("local", "b/x"), ("local", "a/x")]), 422),
        (resolve("hardlink", &c, ("lake", "x"), &[("local", "b/x")]), 422),
        (resolve("reflink", &c, ("lake", "x"), &[("local", "b/x")]), 422),
        (resolve("delete", &content(2), ("local", "a/x"), &[("local", "b/x")]), 409),
        (resolve("delete", &c, ("local", "gone"), &[("local", "b/x")]), 409),
        (resolve("delete", &c, ("local", "a/x"), &[("local", "gone")]), 409),
    ] {
        let answered = hub.ask("POST", "/api/duplicates/resolve", Some(body.clone())).await;
        assert_eq!(answered.status.as_u16(), status, "{body}: {}", answered.body);
        assert_eq!(answered.headers["content-type"], "application/problem+json");
    }
    for path in ["a/x", "b/x", "c/x"] {
        assert!(hub.folders.local.path().join(path).exists());
    }
    assert_eq!(hub.get("/api/transfers").await["total"], 0);
}

#[tokio::test]
async fn the_leave_to_delete_counts_when_it_is_done() {
    let hub = copies().await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let body = resolve("delete", &content(1), ("local", "a/x"), &[("local", "b/x")]);
    let asked = hub.ask("POST", "/api/duplicates/resolve", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let changes = [("LOCAL_ALLOW_DELETE".to_owned(), Some("false".to_owned()))].into();
    hub.state.services.save_settings(changes, &hub.state.tasks).await.unwrap();
    hub.ask("POST", "/api/queue/resume", None).await;
    let batch = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    assert_eq!(batch["items"][0]["error"]["code"], "not_allowed", "{batch}");
    assert!(hub.folders.local.path().join("b/x").exists());
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
