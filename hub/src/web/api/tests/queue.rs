//! Copies, moves and deletes through the routes, to the files on disk.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::{Answered, TestHub};

/// Three models on the Lake; deleting is allowed on Local only.
async fn library() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Lake, "loras/a.safetensors", &[1; 100]);
    hub.put(Root::Lake, "loras/a.preview.png", &[9; 5]);
    hub.put(Root::Lake, "loras/sub/b.safetensors", &[2; 200]);
    hub.put(Root::Lake, "vae/c.pt", &[3; 300]);
    hub.scan().await;
    hub
}

async fn transfer(hub: &TestHub, body: Value) -> Answered {
    hub.ask("POST", "/api/transfers", Some(body)).await
}

/// Asks for something and waits for its end.
async fn done(hub: &TestHub, body: Value) -> (Value, Value) {
    let asked = transfer(hub, body).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let path = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&path, |batch| batch["n_open"] == 0).await;
    (asked.body, batch)
}

fn copy(paths: &[&str]) -> Value {
    json!({"operation": "copy", "from": "lake", "to": "local", "paths": paths})
}

#[tokio::test]
async fn a_folder_is_copied_file_by_file() {
    let hub = library().await;
    let (receipt, batch) = done(&hub, copy(&["loras"])).await;
    assert_eq!((&receipt["n_transfers"], &receipt["size_bytes"]), (&json!(3), &json!(305)));
    assert_eq!(receipt["skipped"], json!([]));
    assert_eq!((&batch["n_completed"], &batch["completed_bytes"]), (&json!(3), &json!(305)));
    assert_eq!(std::fs::read(hub.folders.local.path().join("loras/sub/b.safetensors")).unwrap(), [2; 200]);

    let list = hub.get(&format!("/api/transfers?batch={}&limit=2", receipt["batch_id"])).await;
    assert_eq!(list["total"], 3);
    let detail = hub.get(&format!("/api/batches/{}?limit=2", receipt["batch_id"])).await;
    assert_eq!((&detail["items"], &detail["total"]), (&list["items"], &json!(3)), "what was done to which file");
    assert_eq!(detail["next_cursor"], list["next_cursor"]);
    let first = &list["items"][0];
    assert_eq!((&first["operation"], &first["from"], &first["to"]), (&json!("copy"), &json!("lake"), &json!("local")));
    assert_eq!((&first["state"], &first["error"]), (&json!("completed"), &Value::Null));
    assert_eq!(first["bytes_done"], first["size_bytes"]);
    let hash = first["hash"].as_str().unwrap();
    assert!(hash.starts_with("blake3:") && hash.len() == 71, "{hash}");

    let diff = hub.get("/api/diff?folder=loras").await;
    assert_eq!(diff["summary"]["same"]["n"], 3, "the index follows without a scan: {diff}");
    let file = hub.get("/api/files?root=local&folder=loras/sub").await;
    assert!(file["items"][0]["hash"].is_string(), "the hash was taken on the way");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused() {
    let hub = library().await;
    for (body, status) in [
        (json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["../x"]}), 400),
        (json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["C:\\x"]}), 400),
        (json!({"operation": "copy", "from": "lake", "to": "local"}), 400),
        (json!({"operation": "restore", "from": "lake", "paths": ["vae"]}), 400),
        (json!({"operation": "copy", "from": "nas", "to": "local", "paths": ["vae"]}), 400),
        (json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["vae"], "on_conflict": "burn"}), 400),
        (json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["vae"], "force": true}), 400),
        (json!({"operation": "delete", "from": "lake", "paths": ["vae"]}), 403),
        (json!({"operation": "move", "from": "lake", "to": "local", "paths": ["vae"]}), 403),
    ] {
        let answered = transfer(&hub, body.clone()).await;
        assert_eq!(answered.status.as_u16(), status, "{body}: {}", answered.body);
        assert_eq!(answered.headers["content-type"], "application/problem+json");
    }
    assert!(hub.folders.lake.path().join("vae/c.pt").exists());
    assert_eq!(hub.get("/api/transfers").await["total"], 0);
}

#[tokio::test]
async fn a_delete_is_undone() {
    let hub = library().await;
    done(&hub, copy(&["vae/c.pt"])).await;
    let file = hub.folders.local.path().join("vae/c.pt");
    assert!(file.exists());
    let (receipt, _) = done(&hub, json!({"operation": "delete", "from": "local", "paths": ["vae"]})).await;
    assert!(!file.exists());
    let path = format!("/api/batches/{}/undo", receipt["batch_id"]);
    let undo = hub.ask("POST", &path, None).await;
    assert_eq!(undo.status, StatusCode::ACCEPTED, "{}", undo.body);
    let batch = hub.wait_for(&format!("/api/batches/{}", undo.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    assert_eq!((&batch["n_completed"], &batch["undo_of"]), (&json!(1), &receipt["batch_id"]));
    assert_eq!(std::fs::read(file).unwrap(), [3; 300]);
    assert_eq!(hub.get("/api/batches?limit=1").await["total"], 3);
}

#[tokio::test]
async fn the_queue_is_held_ordered_and_cleared() {
    let hub = library().await;
    let held = hub.ask("POST", "/api/queue/pause", None).await;
    assert_eq!((held.status, &held.body["is_paused"]), (StatusCode::OK, &json!(true)));
    let asked = transfer(&hub, copy(&["loras", "vae"])).await;
    assert_eq!(hub.get("/api/queue").await["queued"], 4);
    let queued = async || -> Vec<i64> {
        let list = hub.get("/api/transfers?state=queued").await;
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    };
    let [a, b, c, d] = queued().await.try_into().unwrap();
    let act = async |id: i64, action: &str| hub.ask("POST", &format!("/api/transfers/{id}/{action}"), None).await;
    for (id, action, order) in
        [(d, "first", [d, a, b, c]), (d, "down", [a, d, b, c]), (c, "up", [a, d, c, b]), (a, "last", [d, c, b, a])]
    {
        let answered = act(id, action).await;
        assert_eq!(answered.status, StatusCode::OK, "{action}: {}", answered.body);
        assert_eq!(queued().await, order, "{action}");
    }
    assert_eq!(act(a, "pause").await.body["state"], "paused");
    assert_eq!(act(b, "cancel").await.body["state"], "cancelled");
    assert_eq!(act(b, "pause").await.status, StatusCode::CONFLICT);
    assert_eq!(act(999, "pause").await.status, StatusCode::NOT_FOUND);
    assert_eq!(act(b, "retry").await.body["state"], "queued");
    assert_eq!(act(a, "resume").await.body["state"], "queued");
    assert_eq!(act(b, "cancel").await.body["state"], "cancelled");

    let freed = hub.ask("POST", "/api/queue/resume", None).await;
    assert_eq!(freed.body["is_paused"], false);
    let batch = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    assert_eq!((&batch["n_completed"], &batch["n_cancelled"]), (&json!(3), &json!(1)));
    let cleared = hub.ask("DELETE", "/api/queue/finished", None).await;
    assert_eq!((cleared.status, &cleared.body["n"]), (StatusCode::OK, &json!(4)));
    assert_eq!(hub.get("/api/queue").await["completed"], 0);
}

#[tokio::test]
async fn what_was_left_out_is_told_with_the_batch() {
    let hub = library().await;
    done(&hub, copy(&["vae/c.pt"])).await;
    let (receipt, batch) = done(&hub, copy(&["vae", "loras/sub"])).await;
    assert_eq!((&receipt["n_transfers"], &receipt["skipped"][0]["path"]), (&json!(1), &json!("vae/c.pt")));
    assert_eq!((&batch["skipped"], &batch["n_skipped"]), (&receipt["skipped"], &json!(1)));
    assert_eq!(hub.get("/api/batches?limit=1").await["items"][0]["n_skipped"], 1);
}

#[tokio::test]
async fn a_batch_is_dropped_as_a_whole() {
    let hub = library().await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = transfer(&hub, copy(&["loras"])).await;
    let path = format!("/api/batches/{}/cancel", asked.body["batch_id"]);
    assert_eq!(hub.ask("POST", &path, None).await.body["n"], 3);
    assert_eq!(hub.get("/api/transfers?state=cancelled").await["total"], 3);
    assert_eq!(hub.ask("POST", "/api/batches/77/cancel", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hub.ask("POST", "/api/batches/77/undo", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_failed_is_one_line_of_history_and_is_tried_again_together() {
    let hub = library().await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = transfer(&hub, copy(&["loras", "vae"])).await;
    let batch = asked.body["batch_id"].as_i64().unwrap();
    // Two of four change before their turn comes.
    hub.put(Root::Lake, "loras/a.safetensors", &[4; 101]);
    hub.put(Root::Lake, "vae/c.pt", &[4; 301]);
    let failures = async || -> Vec<Value> {
        let lines = hub.get("/api/history?level=error").await;
        lines["items"].as_array().unwrap().clone()
    };
    let run = async || {
        hub.ask("POST", "/api/queue/resume", None).await;
        hub.wait_for(&format!("/api/batches/{batch}"), |batch| batch["n_open"] == 0).await
    };
    assert_eq!(run().await["n_failed"], 2);
    let lines = failures().await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let summary = lines[0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("Copied 2 of 4 files to Local in ") && summary.ends_with("(2 failed)"), "{summary}");
    assert_eq!(&lines[0]["batch_id"], &json!(batch));
    let all = hub.get("/api/history?kind=batch").await;
    assert_eq!(all["total"], 1, "one line from the begin to the end: {all}");
    assert!(lines[0]["detail"].as_str().unwrap().starts_with("2 × changed, as loras/a.safetensors: "), "{lines:?}");
    let failed = hub.get(&format!("/api/transfers?batch={batch}&state=failed")).await;
    assert_eq!(failed["total"], 2, "which, and why, stands with the batch: {failed}");

    // Tried again they fail again: that is told anew, and the line before stays.
    hub.ask("POST", "/api/queue/pause", None).await;
    let again = hub.ask("POST", "/api/queue/retry-failed", None).await;
    assert_eq!((again.status, &again.body["n"]), (StatusCode::OK, &json!(2)));
    assert_eq!(hub.get("/api/queue").await["failed"], 0);
    // One is gone by then: another reason, still one line.
    std::fs::remove_file(hub.folders.lake.path().join("vae/c.pt")).unwrap();
    assert_eq!(run().await["n_failed"], 2);
    assert_eq!(failures().await.len(), 2);
    hub.ask("DELETE", "/api/queue/finished", None).await;
    assert_eq!(hub.ask("POST", "/api/queue/retry-failed", None).await.body["n"], 0, "what was cleared is not listed");

    hub.ask("POST", "/api/queue/pause", None).await;
    let path = format!("/api/batches/{batch}/retry-failed");
    assert_eq!(hub.ask("POST", &path, None).await.body["n"], 2, "its batch still tells of it");
    assert_eq!(hub.ask("POST", "/api/batches/77/retry-failed", None).await.status, StatusCode::NOT_FOUND);
    let told = hub.get("/api/history?q=trying%202%20failed").await;
    assert_eq!(told["total"], 1, "it is under way: {told}");
    let all = hub.get("/api/history?kind=batch").await;
    assert_eq!(all["total"], 3, "each end is told, and what is tried again now: {all}");
}

#[tokio::test]
async fn history_tells_each_batch_in_one_line_from_its_begin_to_its_end() {
    let hub = library().await;
    let lines = async || -> Vec<String> {
        let told = hub.get("/api/history?kind=batch").await;
        told["items"].as_array().unwrap().iter().map(|line| line["summary"].as_str().unwrap().to_owned()).collect()
    };
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = transfer(&hub, copy(&["loras/a.safetensors", "nowhere"])).await;
    assert_eq!(lines().await, ["Copying 2 files to Local (1 skipped)"], "while it waits and runs");
    hub.ask("POST", "/api/queue/resume", None).await;
    let batch = format!("/api/batches/{}", asked.body["batch_id"]);
    hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    let told = lines().await;
    assert!(told[0].starts_with("Copied 2 files to Local in ") && told[0].ends_with("(1 skipped)"), "{told:?}");
    // What is all there already is told at once, and what is dropped, too.
    transfer(&hub, copy(&["loras/a.safetensors"])).await;
    assert_eq!(lines().await[0], "Copied nothing to Local (2 skipped)");
    hub.ask("POST", "/api/queue/pause", None).await;
    let dropped = transfer(&hub, copy(&["vae/c.pt"])).await;
    hub.ask("POST", &format!("/api/batches/{}/cancel", dropped.body["batch_id"]), None).await;
    assert_eq!(lines().await[0], "Copied none of 1 file to Local (1 cancelled)");
    let single = transfer(&hub, copy(&["vae/c.pt"])).await;
    let one = hub.get(&format!("/api/transfers?batch={}", single.body["batch_id"])).await["items"][0]["id"].clone();
    hub.ask("POST", &format!("/api/transfers/{one}/cancel"), None).await;
    assert_eq!(lines().await[0], "Copied none of 1 file to Local (1 cancelled)");
    assert_eq!(lines().await.len(), 4, "{:?}", lines().await);
}

#[tokio::test]
async fn of_small_files_that_go_together_one_runs() {
    let hub = TestHub::with(&[]).await;
    for n in 0..300 {
        hub.put(Root::Lake, &format!("loras/m{n}.pt"), &[7; 4_000]);
    }
    hub.scan().await;
    let asked = transfer(&hub, copy(&["loras"])).await;
    let path = format!("/api/batches/{}", asked.body["batch_id"]);
    let mut most = 0;
    loop {
        let queue = hub.get("/api/queue").await;
        let running = hub.get("/api/transfers?state=running").await;
        let n = running["items"].as_array().unwrap().len() as u64;
        assert!(n <= 1 && queue["running"].as_u64().unwrap() <= 1, "one place, one that runs: {running}");
        assert!(running["items"].as_array().unwrap().iter().all(|one| one["state"] == "running"), "{running}");
        most = most.max(n);
        if hub.get(&path).await["n_open"] == 0 {
            break;
        }
    }
    assert_eq!(most, 1, "it was seen to run");
    assert_eq!(hub.get(&path).await["n_completed"], 300);
}

#[tokio::test]
async fn a_long_batch_is_undone_page_by_page() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    let n: u64 = 603;
    for i in 0..n {
        hub.put(Root::Lake, &format!("loras/m{i}.pt"), &[7; 10]);
    }
    hub.scan().await;
    let undo = async |batch: &Value| hub.ask("POST", &format!("/api/batches/{batch}/undo"), None).await;
    let (copied, _) = done(&hub, copy(&["loras"])).await;
    let (deleted, _) = done(&hub, json!({"operation": "delete", "from": "local", "paths": ["loras"]})).await;
    // What was removed from the trash meanwhile is told, the rest comes back.
    let trash = hub.get("/api/trash?root=local&limit=1").await;
    let ids = json!({"root": "local", "ids": [trash["items"][0]["id"]]});
    assert_eq!(hub.ask("POST", "/api/trash/empty", Some(ids)).await.body["n"], 1);
    let back = undo(&deleted["batch_id"]).await;
    assert_eq!((back.status, &back.body["n_transfers"]), (StatusCode::ACCEPTED, &json!(n - 1)), "{}", back.body);
    assert_eq!(back.body["skipped"][0]["path"], trash["items"][0]["path"]);
    hub.wait_for(&format!("/api/batches/{}", back.body["batch_id"]), |batch| batch["n_completed"] == n - 1).await;
    assert_eq!(undo(&deleted["batch_id"]).await.status, StatusCode::CONFLICT, "once");

    // Without leave to delete nothing of it is queued.
    hub.ask("PUT", "/api/settings", Some(json!({"LOCAL_ALLOW_DELETE": "false"}))).await;
    assert_eq!(undo(&copied["batch_id"]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(hub.get("/api/batches?limit=1").await["total"], 3);
    hub.ask("PUT", "/api/settings", Some(json!({"LOCAL_ALLOW_DELETE": "true"}))).await;
    let gone = undo(&copied["batch_id"]).await;
    hub.wait_for(&format!("/api/batches/{}", gone.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    let left = std::fs::read_dir(hub.folders.local.path().join("loras")).map_or(0, Iterator::count);
    assert_eq!((&gone.body["n_transfers"], left), (&json!(n), 0), "{}", gone.body);
}
