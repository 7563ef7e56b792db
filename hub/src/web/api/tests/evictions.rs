//! Evicting and bringing back through the routes, to the files on disk.

use std::fs;
use std::path::PathBuf;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::{Answered, TestHub};

/// On Local: a model that the Lake has, one that it lacks, and one that it has under another name.
async fn library(settings: &[(&str, &str)]) -> TestHub {
    let hub = TestHub::with(settings).await;
    for root in Root::ALL {
        hub.put(root, "loras/both.safetensors", &[1; 3_000]);
    }
    hub.put(Root::Local, "loras/alone.safetensors", &[2; 2_000]);
    hub.put(Root::Local, "loras/deep/moved.safetensors", &[3; 1_000]);
    hub.put(Root::Lake, "old/moved.safetensors", &[3; 1_000]);
    hub.scan().await;
    hub
}

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true")];

fn local(hub: &TestHub, path: &str) -> PathBuf {
    hub.folders.local.path().join(path)
}

async fn hash(hub: &TestHub, root: &str) {
    let started = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
    let path = format!("/api/hashes/{}", started.body["id"]);
    hub.wait_for(&path, |job| job["state"] == "complete").await;
}

async fn ask(hub: &TestHub, path: &str, paths: &[&str]) -> Answered {
    hub.ask("POST", path, Some(json!({ "paths": paths }))).await
}

/// Asks for something and waits for its end: the receipt and the transfers.
async fn done(hub: &TestHub, path: &str, paths: &[&str]) -> (Value, Vec<Value>) {
    let asked = ask(hub, path, paths).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let batch = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    (asked.body, batch["items"].as_array().unwrap().clone())
}

fn code(transfer: &Value) -> &str {
    transfer["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_file_leaves_local_only_for_a_proved_copy_and_comes_back() {
    let hub = library(ALLOWED).await;
    hash(&hub, "local").await;
    hash(&hub, "lake").await;
    let (receipt, transfers) = done(&hub, "/api/evictions", &["loras"]).await;
    assert_eq!((&receipt["n_transfers"], &receipt["size_bytes"]), (&json!(3), &json!(6_000)));
    assert_eq!(receipt["refused"], json!([]));
    for transfer in &transfers {
        assert_eq!((&transfer["operation"], &transfer["state"]), (&json!("evict"), &json!("completed")), "{transfer}");
        assert!(transfer["hash"].is_string(), "verified by content: {transfer}");
    }
    for path in ["loras/both.safetensors", "loras/alone.safetensors", "loras/deep/moved.safetensors"] {
        assert!(!local(&hub, path).exists(), "{path}");
    }
    assert!(!local(&hub, ".comfy-hub-trash").exists(), "not through the trash: space is free at once");
    assert_eq!(fs::read(hub.folders.lake.path().join("loras/alone.safetensors")).unwrap(), [2; 2_000]);
    assert!(!hub.folders.lake.path().join("loras/deep").exists(), "the Lake has it under another name already");
    let listed = hub.get("/api/evictions").await;
    assert_eq!(listed["total"], 3);
    assert_eq!(listed["items"][2]["lake_path"], "old/moved.safetensors", "{listed}");

    let (receipt, transfers) = done(&hub, "/api/evictions/restore", &["loras/deep/moved.safetensors", "x"]).await;
    assert_eq!((&receipt["n_transfers"], &receipt["refused"][0]["path"]), (&json!(1), &json!("x")));
    assert_eq!(transfers[0]["state"], "completed", "{}", transfers[0]);
    assert_eq!(fs::read(local(&hub, "loras/deep/moved.safetensors")).unwrap(), [3; 1_000]);
    assert_eq!(hub.get("/api/evictions").await["total"], 2, "what is back is no longer evicted");
    assert_eq!(hub.get("/api/evictions?q=alone").await["total"], 1);
}

#[tokio::test]
async fn undoing_copies_back_to_the_exact_path() {
    let hub = library(ALLOWED).await;
    hash(&hub, "local").await;
    hash(&hub, "lake").await;
    let (receipt, _) = done(&hub, "/api/evictions", &["loras"]).await;
    let undo = hub.ask("POST", &format!("/api/batches/{}/undo", receipt["batch_id"]), None).await;
    assert_eq!(undo.status, StatusCode::ACCEPTED, "{}", undo.body);
    let path = format!("/api/batches/{}", undo.body["batch_id"]);
    assert_eq!(hub.wait_for(&path, |batch| batch["n_open"] == 0).await["n_completed"], 3);
    assert_eq!(fs::read(local(&hub, "loras/deep/moved.safetensors")).unwrap(), [3; 1_000]);
    assert_eq!(fs::read(local(&hub, "loras/alone.safetensors")).unwrap(), [2; 2_000]);
    assert_eq!(hub.get("/api/evictions").await["total"], 0);
}

#[tokio::test]
async fn other_bytes_behind_the_same_size_and_time_are_noticed() {
    let hub = library(ALLOWED).await;
    hash(&hub, "local").await;
    hash(&hub, "lake").await;
    let copy = hub.folders.lake.path().join("loras/both.safetensors");
    let time = fs::metadata(&copy).unwrap().modified().unwrap();
    fs::write(&copy, [9; 3_000]).unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(time).unwrap();
    let (_, transfers) = done(&hub, "/api/evictions", &["loras/both.safetensors"]).await;
    assert_eq!((&transfers[0]["state"], code(&transfers[0])), (&json!("failed"), "differs"), "{}", transfers[0]);
    assert_eq!(fs::read(local(&hub, "loras/both.safetensors")).unwrap(), [1; 3_000], "the good one stays");
    assert_eq!(hub.get("/api/evictions").await["total"], 0);
    let diff = hub.get("/api/diff?status=different").await;
    assert_eq!(diff["items"][0]["path"], "loras/both.safetensors", "what was read is known from now on: {diff}");
}

#[tokio::test]
async fn what_cannot_be_evicted_is_told_and_stays() {
    let hub = library(ALLOWED).await;
    hub.put(Root::Local, "vae/other.safetensors", &[5; 10]);
    hub.put(Root::Lake, "vae/other.safetensors", &[5; 11]);
    hub.scan().await;
    let asked = ask(&hub, "/api/evictions", &["vae/other.safetensors", "vae/absent.safetensors"]).await;
    assert_eq!((asked.status, &asked.body["n_transfers"]), (StatusCode::ACCEPTED, &json!(0)));
    let why = |n: usize| asked.body["refused"][n]["why"].as_str().unwrap();
    assert!(why(0).contains("another file") && why(1).contains("not in the index"), "{}", asked.body);
    assert!(local(&hub, "vae/other.safetensors").exists());
    assert_eq!(ask(&hub, "/api/evictions", &[]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&hub, "/api/evictions", &["../x"]).await.status, StatusCode::BAD_REQUEST);

    // Changed after it was asked for.
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = ask(&hub, "/api/evictions", &["loras/both.safetensors"]).await;
    fs::write(local(&hub, "loras/both.safetensors"), b"new work").unwrap();
    let again = ask(&hub, "/api/evictions", &["loras/both.safetensors"]).await;
    assert!(again.body["refused"][0]["why"].as_str().unwrap().contains("has not ended"), "{}", again.body);
    hub.ask("POST", "/api/queue/resume", None).await;
    let path = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&path, |batch| batch["n_open"] == 0).await;
    assert_eq!(code(&batch["items"][0]), "changed", "{batch}");
    assert_eq!(fs::read(local(&hub, "loras/both.safetensors")).unwrap(), b"new work");
}

#[tokio::test]
async fn the_guard_is_asked_now_and_when_the_turn_comes() {
    let hub = library(&[]).await;
    assert_eq!(ask(&hub, "/api/evictions", &["loras"]).await.status, StatusCode::FORBIDDEN);

    let hub = library(ALLOWED).await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = ask(&hub, "/api/evictions", &["loras/both.safetensors"]).await;
    let off = [("LOCAL_ALLOW_DELETE".to_owned(), Some("false".to_owned()))].into();
    hub.state.services.save_settings(off, &hub.state.tasks).await.unwrap();
    hub.ask("POST", "/api/queue/resume", None).await;
    let path = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&path, |batch| batch["n_open"] == 0).await;
    assert_eq!(code(&batch["items"][0]), "not_allowed", "{batch}");
    assert!(local(&hub, "loras/both.safetensors").exists());
}

#[tokio::test]
async fn a_hard_link_frees_nothing_and_stays() {
    let hub = library(ALLOWED).await;
    let copy = hub.folders.lake.path().join("loras/both.safetensors");
    fs::remove_file(&copy).unwrap();
    fs::hard_link(local(&hub, "loras/both.safetensors"), &copy).unwrap();
    hub.scan().await;
    let (_, transfers) = done(&hub, "/api/evictions", &["loras/both.safetensors"]).await;
    assert_eq!(code(&transfers[0]), "same_file", "{}", transfers[0]);
    assert!(local(&hub, "loras/both.safetensors").exists());
}

#[tokio::test]
async fn candidates_free_what_was_asked_for() {
    let hub = library(ALLOWED).await;
    let all = hub.get("/api/evictions/candidates").await;
    assert_eq!((&all["n_files"], &all["size_bytes"], &all["enough"]), (&json!(3), &json!(6_000), &json!(true)));
    let some = hub.get("/api/evictions/candidates?free_bytes=3500&by=size").await;
    let paths: Vec<_> = some["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["loras/both.safetensors", "loras/deep/moved.safetensors"], "the smallest that is enough");
    let too_much = hub.get("/api/evictions/candidates?free_bytes=7000&by=age").await;
    assert_eq!((&too_much["enough"], &too_much["n_files"]), (&json!(false), &json!(3)));
    let wrong = hub.ask("GET", "/api/evictions/candidates?by=colour", None).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}
