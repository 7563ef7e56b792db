//! What a kill leaves on the disk is found again, whichever way the work ends.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::domain::temporary::{part_name, probe_name, token_of};
use crate::storage::facts;
use crate::web::test_hub::TestHub;

const FILE: &str = "vae/x.safetensors";

async fn library() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Local, FILE, b"content");
    hub.put(Root::Lake, "vae/other.safetensors", b"another");
    hub.scan().await;
    hub
}

fn place(hub: &TestHub, root: Root, path: &str) -> PathBuf {
    hub.folders.get(root).path().join(path)
}

/// Asks for something while the queue is held, as it is after a kill that caught it under way.
async fn killed(hub: &TestHub, path: &str, body: Option<Value>) -> i64 {
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = hub.ask("POST", path, body).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let batch = asked.body["batch_id"].as_i64().unwrap();
    let database = &hub.state.services.database;
    database
        .write(move |tx| {
            Ok(tx.execute("UPDATE transfers SET started_at = 1 WHERE batch_id = ?1", [batch]).map(drop)?)
        })
        .await
        .unwrap();
    batch
}

fn link(from: &PathBuf, to: &PathBuf) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::hard_link(from, to).unwrap();
}

async fn ended(hub: &TestHub, batch: i64) -> Value {
    hub.ask("POST", "/api/queue/resume", None).await;
    let batch = hub.wait_for(&format!("/api/batches/{batch}"), |batch| batch["n_open"] == 0).await;
    assert_eq!(batch["n_completed"], 1, "{batch}");
    batch
}

fn trashed(hub: &TestHub, batch: i64) -> PathBuf {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d");
    place(hub, Root::Local, &format!(".comfy-hub-trash/{today}/{batch}/{FILE}"))
}

fn move_body() -> Value {
    json!({"operation": "move", "from": "local", "to": "lake", "paths": [FILE]})
}

#[tokio::test]
async fn a_move_that_left_both_names_ends_with_one() {
    let hub = library().await;
    let (source, dest) = (place(&hub, Root::Local, FILE), place(&hub, Root::Lake, FILE));
    let batch = killed(&hub, "/api/transfers", Some(move_body())).await;
    link(&source, &dest);
    ended(&hub, batch).await;
    assert!(!source.exists() && dest.exists());
    assert_eq!(hub.get("/api/diff?status=lake_only").await["total"], 2, "the index knows it");
}

#[tokio::test]
async fn a_move_that_left_both_names_and_is_cancelled_leaves_the_old_one() {
    let hub = library().await;
    let (source, dest) = (place(&hub, Root::Local, FILE), place(&hub, Root::Lake, FILE));
    let batch = killed(&hub, "/api/transfers", Some(move_body())).await;
    link(&source, &dest);
    hub.ask("POST", &format!("/api/batches/{batch}/cancel"), None).await;
    hub.ask("POST", "/api/queue/resume", None).await;
    for _ in 0..1_000 {
        if !dest.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(source.exists() && !dest.exists());
}

#[tokio::test]
async fn a_name_that_was_there_before_stays_when_a_move_is_cancelled() {
    let hub = library().await;
    let (source, dest) = (place(&hub, Root::Local, FILE), place(&hub, Root::Lake, FILE));
    link(&source, &dest);
    hub.scan().await;
    let mut body = move_body();
    body["on_conflict"] = json!("replace");
    let batch = killed(&hub, "/api/transfers", Some(body)).await;
    hub.ask("POST", &format!("/api/batches/{batch}/cancel"), None).await;
    hub.ask("POST", "/api/queue/resume", None).await;
    let database = &hub.state.services.database;
    let is_left = "SELECT EXISTS (SELECT 1 FROM transfers WHERE part_left = 1)";
    while database.read(|c| Ok(c.query_row(is_left, [], |row| row.get::<_, bool>(0))?)).await.unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(source.exists() && dest.exists(), "both were a person's names of one file");
}

#[tokio::test]
async fn a_delete_and_its_undo_that_left_both_names_end_with_one() {
    let hub = library().await;
    let source = place(&hub, Root::Local, FILE);
    let body = Some(json!({"operation": "delete", "from": "local", "paths": [FILE]}));
    let batch = killed(&hub, "/api/transfers", body).await;
    let in_trash = trashed(&hub, batch);
    link(&source, &in_trash);
    ended(&hub, batch).await;
    assert!(!source.exists() && in_trash.exists());

    let undo = killed(&hub, &format!("/api/batches/{batch}/undo"), None).await;
    link(&in_trash, &source);
    ended(&hub, undo).await;
    assert!(source.exists() && !in_trash.exists());
    assert_eq!(hub.get("/api/files?root=local").await["total"], 1);
}

#[tokio::test]
async fn parts_that_nothing_goes_on_with_are_removed_wherever_they_lie() {
    let hub = library().await;
    let token = hub.state.services.database.read(facts::token).await.unwrap();
    let body = Some(json!({"operation": "delete", "from": "local", "paths": [FILE]}));
    let batch = killed(&hub, "/api/transfers", body).await;
    ended(&hub, batch).await;
    let in_trash = trashed(&hub, batch).with_file_name(part_name("x", &token_of(&token, 7_000)));
    let beside = place(&hub, Root::Lake, &format!("vae/{}", part_name("gone", &token_of(&token, 8_000))));
    let theirs = place(&hub, Root::Lake, &format!("vae/{}", part_name("theirs", &token_of("another", 8_000))));
    // Written in one go: long ago, and perhaps just now.
    let [old, new] = ["old", "new"].map(|name| place(&hub, Root::Lake, &format!("vae/{}", probe_name(name))));
    fs::write(&new, b"part").unwrap();
    fs::write(&old, b"part").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    for part in [&in_trash, &beside, &theirs] {
        fs::write(part, b"part").unwrap();
    }
    hub.scan().await;
    for _ in 0..1_000 {
        if !in_trash.exists() && !beside.exists() && !old.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!in_trash.exists() && !beside.exists() && !old.exists());
    assert!(new.exists(), "it may be written just now");
    assert!(theirs.exists(), "another hub's on the same share");
    let skipped = hub.get("/api/roots/lake/skipped").await;
    let shown =
        skipped["items"].as_array().unwrap().iter().any(|place| place["path"].as_str().unwrap().contains("theirs"));
    assert!(shown, "and it is shown: {skipped}");
}
