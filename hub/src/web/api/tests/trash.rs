//! The trash through the routes, to the files on disk.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::services::trash::{EmptyRequest, ToEmpty};
use crate::web::test_hub::{Answered, TestHub};

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true")];

/// Three files of Local in its trash.
async fn with_trash() -> TestHub {
    let hub = TestHub::with(ALLOWED).await;
    for (path, size) in [("loras/a.safetensors", 10), ("loras/b.safetensors", 20), ("vae/c.safetensors", 30)] {
        hub.put(Root::Local, path, &vec![7; size]);
    }
    hub.put(Root::Local, "vae/stays.safetensors", b"stays");
    hub.scan().await;
    delete(&hub, &["loras", "vae/c.safetensors"]).await;
    hub
}

async fn delete(hub: &TestHub, paths: &[&str]) -> Value {
    let asked = hub
        .ask("POST", "/api/transfers", Some(json!({ "operation": "delete", "from": "local", "paths": paths })))
        .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    ended(hub, &asked).await
}

async fn ended(hub: &TestHub, asked: &Answered) -> Value {
    let path = format!("/api/batches/{}", asked.body["batch_id"]);
    hub.wait_for(&path, |batch| batch["n_open"] == 0).await
}

async fn post(hub: &TestHub, path: &str, body: Value) -> Answered {
    hub.ask("POST", path, Some(body)).await
}

fn local(hub: &TestHub, path: &str) -> PathBuf {
    hub.folders.local.path().join(path)
}

fn id_of(list: &Value, path: &str) -> i64 {
    let items = list["items"].as_array().unwrap();
    items.iter().find(|item| item["path"] == path).unwrap()["id"].as_i64().unwrap()
}

#[tokio::test]
async fn what_was_deleted_is_listed_and_comes_back() {
    let hub = with_trash().await;
    let list = hub.get("/api/trash?root=local").await;
    assert_eq!((&list["total"], &list["size_bytes"]), (&json!(3), &json!(60)));
    assert_eq!(list["items"][0]["batch_id"], 1);
    assert_eq!(hub.get("/api/trash?root=lake").await["total"], 0);
    assert_eq!(hub.get("/api/trash?q=VAE").await["total"], 1);
    let first = hub.get("/api/trash?limit=2").await;
    let rest = hub.get(&format!("/api/trash?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));

    let ids = [id_of(&list, "loras/a.safetensors"), id_of(&list, "vae/c.safetensors"), 999];
    fs::write(local(&hub, "vae/c.safetensors"), b"taken").unwrap();
    let asked = post(&hub, "/api/trash/restore", json!({ "ids": ids })).await;
    assert_eq!((asked.status, &asked.body["n_transfers"]), (StatusCode::ACCEPTED, &json!(2)), "{}", asked.body);
    let batch = ended(&hub, &asked).await;
    assert_eq!((&batch["n_completed"], &batch["n_failed"]), (&json!(1), &json!(1)), "{batch}");
    assert_eq!(fs::read(local(&hub, "loras/a.safetensors")).unwrap(), [7; 10]);
    assert_eq!(fs::read(local(&hub, "vae/c.safetensors")).unwrap(), b"taken", "an occupied path is never overwritten");
    assert_eq!(hub.get("/api/trash").await["total"], 2);

    hub.scan().await;
    let asked = post(&hub, "/api/trash/restore", json!({ "ids": [ids[1]] })).await;
    assert_eq!(asked.body["n_transfers"], 0, "known to be taken: {}", asked.body);
    assert!(asked.body["skipped"][0]["why"].as_str().unwrap().contains("has this name"));
    assert_eq!(post(&hub, "/api/trash/restore", json!({ "ids": [] })).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn emptying_removes_what_was_meant_and_nothing_else() {
    let hub = with_trash().await;
    let list = hub.get("/api/trash").await;
    let young = post(&hub, "/api/trash/empty", json!({ "root": "local", "older_than_days": 1 })).await;
    assert_eq!((young.status, &young.body["n"]), (StatusCode::OK, &json!(0)), "{}", young.body);
    let ids = [id_of(&list, "loras/b.safetensors")];
    let one = post(&hub, "/api/trash/empty", json!({ "root": "local", "ids": ids })).await;
    assert_eq!((&one.body["n"], &one.body["size_bytes"]), (&json!(1), &json!(20)), "{}", one.body);
    assert_eq!(hub.get("/api/trash").await["total"], 2);
    let other_root = post(&hub, "/api/trash/empty", json!({ "root": "lake" })).await;
    assert_eq!(other_root.status, StatusCode::FORBIDDEN, "each root has its own leave");
    let rest = post(&hub, "/api/trash/empty", json!({ "root": "local", "older_than_days": 0 })).await;
    assert_eq!((&rest.body["n"], &rest.body["size_bytes"]), (&json!(2), &json!(40)), "{}", rest.body);
    assert!(!local(&hub, ".comfy-hub-trash").exists());
    assert!(local(&hub, "vae/stays.safetensors").exists());
    assert!(hub.get("/api/history").await["items"][0]["summary"].as_str().unwrap().contains("Emptied the trash"));
}

#[tokio::test]
async fn a_confirmation_of_other_files_is_refused() {
    let hub = with_trash().await;
    let trash = &hub.state.services.trash;
    let shown = trash.to_empty(Root::Local, &EmptyRequest::default()).await.unwrap();
    assert_eq!((shown.n, shown.size_bytes), (3, 60));
    delete(&hub, &["vae"]).await;
    let refused = trash.empty(Root::Local, EmptyRequest::default(), Some(shown)).await;
    assert!(refused.is_err());
    assert_eq!(hub.get("/api/trash").await["total"], 4, "nothing went");
    let now = ToEmpty { ..trash.to_empty(Root::Local, &EmptyRequest::default()).await.unwrap() };
    assert_eq!(trash.empty(Root::Local, EmptyRequest::default(), Some(now)).await.unwrap().n, 4);
}

#[tokio::test]
async fn what_is_about_to_come_back_is_not_removed() {
    let hub = with_trash().await;
    let list = hub.get("/api/trash").await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let ids = [id_of(&list, "loras/a.safetensors")];
    let asked = post(&hub, "/api/trash/restore", json!({ "ids": ids })).await;
    let emptied = post(&hub, "/api/trash/empty", json!({ "root": "local" })).await;
    assert_eq!(emptied.body["n"], 2, "{}", emptied.body);
    hub.ask("POST", "/api/queue/resume", None).await;
    assert_eq!(ended(&hub, &asked).await["n_completed"], 1);
    assert_eq!(fs::read(local(&hub, "loras/a.safetensors")).unwrap(), [7; 10]);
}

/// As a kill in the middle of emptying leaves it: some files are gone, all lines are marked.
#[tokio::test]
async fn half_an_emptying_promises_nothing_that_is_gone() {
    let hub = with_trash().await;
    let trashed = fs::read_dir(local(&hub, ".comfy-hub-trash")).unwrap().next().unwrap().unwrap().path();
    let row = hub.state.services.roots.live(Root::Local).unwrap().row;
    let filter = crate::storage::trash::TrashFilter::default();
    hub.state.services.database.write(move |tx| crate::storage::trash::mark(tx, row, &filter)).await.unwrap();
    fs::remove_file(trashed.join("1/loras/a.safetensors")).unwrap();
    assert_eq!(hub.get("/api/trash").await["total"], 0, "what may be gone is not offered");
    hub.scan().await;
    let list = hub.wait_for("/api/trash", |list| list["total"] == 2).await;
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["path"] != "loras/a.safetensors"), "{list}");
    assert_eq!(list["items"][0]["batch_id"], 1, "what is left is what it was");
}

#[tokio::test]
async fn files_that_no_database_knows_are_found_and_put_back() {
    let hub = TestHub::with(ALLOWED).await;
    hub.put(Root::Local, "vae/x.safetensors", b"x");
    hub.put(Root::Local, ".comfy-hub-trash/2024-05-01/17~2/loras/old/lost.safetensors", b"lost and found");
    hub.put(Root::Local, ".comfy-hub-trash/2024-05-01/stranger", b"none of ours");
    hub.scan().await;
    let list = hub.wait_for("/api/trash", |list| list["total"] == 1).await;
    let item = &list["items"][0];
    assert_eq!((&item["path"], &item["batch_id"]), (&json!("loras/old/lost.safetensors"), &Value::Null));
    assert_eq!(item["deleted_at"], "2024-05-01T00:00:00Z");
    let asked = post(&hub, "/api/trash/restore", json!({ "ids": [item["id"]] })).await;
    assert_eq!(ended(&hub, &asked).await["n_completed"], 1);
    assert_eq!(fs::read(local(&hub, "loras/old/lost.safetensors")).unwrap(), b"lost and found");
    assert!(local(&hub, ".comfy-hub-trash/2024-05-01/stranger").exists());
}

#[tokio::test]
async fn what_changed_in_the_trash_stays_until_it_was_looked_at() {
    let hub = with_trash().await;
    let day = fs::read_dir(local(&hub, ".comfy-hub-trash")).unwrap().next().unwrap().unwrap().path();
    fs::write(day.join("1/vae/c.safetensors"), b"someone else was here").unwrap();
    let emptied = post(&hub, "/api/trash/empty", json!({ "root": "local" })).await;
    assert_eq!((&emptied.body["n"], &emptied.body["kept"][0]["path"]), (&json!(2), &json!("vae/c.safetensors")));
    hub.scan().await;
    hub.wait_for("/api/trash", |list| list["size_bytes"] == 21).await;
    let emptied = post(&hub, "/api/trash/empty", json!({ "root": "local" })).await;
    assert_eq!(emptied.body["n"], 1, "{}", emptied.body);
}

#[tokio::test]
async fn a_root_that_is_away_is_not_emptied() {
    let hub = with_trash().await;
    let away = hub.folders.local.path().with_extension("away");
    fs::rename(hub.folders.local.path(), &away).unwrap();
    tokio::time::timeout(Duration::from_secs(20), hub.state.services.roots.refresh(&hub.state.tasks)).await.unwrap();
    let refused = post(&hub, "/api/trash/empty", json!({ "root": "local" })).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    let list = hub.get("/api/trash").await;
    assert_eq!(list["total"], 3, "the last that is known is shown");
    let ids = [id_of(&list, "vae/c.safetensors")];
    assert_eq!(post(&hub, "/api/trash/restore", json!({ "ids": ids })).await.status, StatusCode::SERVICE_UNAVAILABLE);
    fs::rename(&away, hub.folders.local.path()).unwrap();
}

#[tokio::test]
async fn space_tells_what_takes_it_and_that_the_trash_is_not_free() {
    let hub = with_trash().await;
    let space = hub.get("/api/space?root=local").await;
    assert_eq!((&space["n_files"], &space["size_bytes"]), (&json!(1), &json!(5)), "{space}");
    assert_eq!(space["types"], json!([{ "name": "vae", "n_files": 1, "size_bytes": 5 }]));
    assert_eq!((&space["trash"]["n_files"], &space["trash"]["size_bytes"]), (&json!(3), &json!(60)));
    assert_eq!(space["ages"][0], json!({ "age": "month", "n_files": 1, "size_bytes": 5 }));
    assert!(space["free_bytes"].as_u64() > Some(0) && space["total_bytes"].as_u64() > space["free_bytes"].as_u64());
    let space = hub.wait_for("/api/space?root=local", |space| space["over_time"][0]["free_bytes"].is_u64()).await;
    assert!(space["over_time"].as_array().unwrap().len() <= 2, "{space}");
    assert_eq!(hub.ask("GET", "/api/space", None).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(hub.ask("GET", "/api/space?root=nas", None).await.status, StatusCode::BAD_REQUEST);
}
