//! Bytes that change though nothing writes to them: found, told, used for nothing, and healed.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const A: &str = "loras/a.safetensors";
const GOOD: &[u8] = b"the right content";
const ROTTEN: &[u8] = b"the wrong content";

fn path(hub: &TestHub, root: Root) -> PathBuf {
    hub.folders.get(root).path().join(A)
}

fn set_time(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn of(content: &[u8]) -> Value {
    json!(format!("blake3:{}", blake3::hash(content).to_hex()))
}

/// The same file on both sides, hashed.
async fn library(settings: &[(&str, &str)]) -> TestHub {
    let allowed = [("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];
    let hub = TestHub::with(&[&allowed, settings].concat()).await;
    for root in Root::ALL {
        hub.put(root, A, GOOD);
        set_time(&path(&hub, root));
    }
    hub.scan().await;
    for root in Root::ALL {
        hash(&hub, json!({"root": root})).await;
    }
    hub
}

async fn hash(hub: &TestHub, body: Value) -> Value {
    let asked = hub.ask("POST", "/api/hashes", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    hub.wait_for(&format!("/api/hashes/{}", asked.body["id"]), |job| job["state"] == "complete").await
}

/// A failing disk changes bytes without a trace. Here it leaves one, which the index is told to have seen before.
async fn rot(hub: &TestHub, root: Root) {
    fs::write(path(hub, root), ROTTEN).unwrap();
    set_time(&path(hub, root));
    let forget =
        "UPDATE files SET identity = NULL; UPDATE hashes SET identity = NULL; UPDATE folders SET listing = NULL";
    hub.state.services.database.write(move |tx| Ok(tx.execute_batch(forget)?)).await.unwrap();
    hub.scan().await;
}

async fn detail(hub: &TestHub, root: Root) -> Value {
    hub.get(&format!("/api/files/detail?root={root}&path={A}")).await
}

async fn batch(hub: &TestHub, asked: (&str, Value)) -> Value {
    let answered = hub.ask("POST", asked.0, Some(asked.1)).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED, "{}", answered.body);
    hub.wait_for(&format!("/api/batches/{}", answered.body["batch_id"]), |batch| batch["n_open"] == 0).await
}

async fn history(hub: &TestHub) -> String {
    hub.get("/api/history?limit=20").await.to_string()
}

#[tokio::test]
async fn a_forced_hash_reads_what_is_known_and_finds_rot() {
    let hub = library(&[]).await;
    let job = hash(&hub, json!({"root": "lake", "force": true})).await;
    assert_eq!((&job["n_total"], &job["n_done"], &job["kind"]), (&json!(1), &json!(1), &json!("verify")));
    assert_eq!(detail(&hub, Root::Lake).await["rotted"], Value::Null);

    rot(&hub, Root::Lake).await;
    assert_eq!(detail(&hub, Root::Lake).await["hash"], of(GOOD), "nothing tells so far");
    hash(&hub, json!({"root": "lake", "paths": [A]})).await;
    assert_eq!(detail(&hub, Root::Lake).await["hash"], of(GOOD), "what is known is not read without force");
    hash(&hub, json!({"root": "lake", "paths": [A], "force": true})).await;
    let file = detail(&hub, Root::Lake).await;
    assert_eq!((&file["hash"], &file["rotted"]), (&of(ROTTEN), &of(GOOD)));
    assert!(history(&hub).await.contains("changed on disk without being written"));
    assert_eq!(hub.get("/api/diff?status=different").await["total"], 1, "the comparison knows it at once");
    let home = hub.ask("GET", "/", None).await;
    assert!(home.body.as_str().unwrap().contains("changed on disk without being written"));
    assert!(hub.ask("GET", "/hashes", None).await.body.as_str().unwrap().contains("Heal"));
}

#[tokio::test]
async fn a_copy_that_reads_other_bytes_forgets_the_hash_at_once() {
    let hub = library(&[]).await;
    rot(&hub, Root::Lake).await;
    // An empty folder would count as one that is not mounted.
    hub.put(Root::Local, "vae/other", b"x");
    fs::remove_file(path(&hub, Root::Local)).unwrap();
    hub.scan().await;
    let copy = json!({"operation": "copy", "from": "lake", "to": "local", "paths": [A]});
    let ended = batch(&hub, ("/api/transfers", copy.clone())).await;
    assert_eq!(ended["items"][0]["error"]["code"], "corrupt", "{ended}");
    let file = detail(&hub, Root::Lake).await;
    assert_eq!((&file["hash"], &file["rotted"]), (&of(ROTTEN), &of(GOOD)));
    assert!(!path(&hub, Root::Local).exists());
    // From now on it is no source at all, whoever asks.
    let again = hub.ask("POST", "/api/transfers", Some(copy)).await;
    assert_eq!(again.body["n_transfers"], 0, "{}", again.body);
    let retried = hub.ask("POST", &format!("/api/transfers/{}/retry", ended["items"][0]["id"]), None).await;
    assert!(retried.status.is_success(), "{}", retried.body);
    let list = format!("/api/transfers?batch={}", ended["id"]);
    hub.wait_for(&list, |list| list["items"][0]["error"]["code"] == "rotted").await;
    assert!(!path(&hub, Root::Local).exists());
    // Nobody has the right content: it can't be healed, and it can be taken as it is.
    let heal = hub.ask("POST", "/api/scrub/heal", Some(json!({}))).await;
    assert_eq!(heal.body["n_transfers"], 0, "{}", heal.body);
    let accepted = hub.ask("POST", "/api/scrub/accept", Some(json!({"files": [{"root": "lake", "path": A}]}))).await;
    assert_eq!((accepted.status, &accepted.body["n"]), (StatusCode::OK, &json!(1)));
    assert_eq!(detail(&hub, Root::Lake).await["rotted"], Value::Null);
}

#[tokio::test]
async fn what_rotted_is_healed_by_what_the_other_side_holds() {
    for root in Root::ALL {
        let hub = library(&[]).await;
        rot(&hub, root).await;
        hash(&hub, json!({"root": root, "force": true})).await;
        let found = hub.get("/api/scrub").await;
        assert_eq!(
            (&found["n_rotted"][root.as_str()], &found["rotted"][0]["good"]["root"]),
            (&json!(1), &json!(root.other()))
        );
        let wrong = json!({"files": [{"root": root.other(), "path": A}]});
        assert_eq!(hub.ask("POST", "/api/scrub/heal", Some(wrong)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let healed = batch(&hub, ("/api/scrub/heal", json!({"files": [{"root": root, "path": A}]}))).await;
        assert_eq!(healed["items"][0]["state"], "completed", "{healed}");
        assert_eq!(fs::read(path(&hub, root)).unwrap(), GOOD);
        let file = detail(&hub, root).await;
        assert_eq!((&file["hash"], &file["rotted"]), (&of(GOOD), &Value::Null));
        assert_eq!(hub.get(&format!("/api/trash?root={root}")).await["total"], 1, "the rotted one is in the trash");
        assert_eq!(hub.get("/api/scrub").await["rotted"], json!([]));
    }
}

#[tokio::test]
async fn nothing_is_replaced_by_a_copy_that_is_not_right() {
    let hub = library(&[]).await;
    rot(&hub, Root::Lake).await;
    hash(&hub, json!({"root": "lake", "force": true})).await;
    // The other one rots, too, and nobody knows it yet.
    fs::write(path(&hub, Root::Local), b"the other content").unwrap();
    set_time(&path(&hub, Root::Local));
    let forget = "UPDATE files SET identity = NULL WHERE rotted IS NULL; UPDATE hashes SET identity = NULL";
    hub.state.services.database.write(move |tx| Ok(tx.execute_batch(forget)?)).await.unwrap();
    let healed = batch(&hub, ("/api/scrub/heal", json!({"files": [{"root": "lake", "path": A}]}))).await;
    assert_eq!(healed["items"][0]["error"]["code"], "corrupt", "{healed}");
    assert_eq!(fs::read(path(&hub, Root::Lake)).unwrap(), ROTTEN);
    assert_eq!(hub.get("/api/scrub").await["n_rotted"], json!({"local": 1, "lake": 1}));
}

#[tokio::test]
async fn idle_hours_verify_the_oldest_proofs_once_a_day() {
    let hub = library(&[("SCRUB_GB_PER_DAY", "1"), ("SCRUB_HOURS", "22:00-06:00")]).await;
    rot(&hub, Root::Lake).await;
    let scrub = &hub.state.services.scrub;
    // Tomorrow at noon, then at night: what was hashed today is due.
    let day = jiff::Zoned::now().checked_add(jiff::Span::new().days(1)).unwrap();
    let at = |hour| day.with().hour(hour).minute(0).build().unwrap();
    scrub.look_at_time(&at(12)).await.unwrap();
    assert_eq!(hub.get("/api/hashes").await["items"][0]["kind"], "missing", "not at this hour");
    scrub.look_at_time(&at(23)).await.unwrap();
    let found = hub.wait_for("/api/scrub", |scrub| scrub["n_rotted"]["lake"] == 1).await;
    assert_eq!((&found["enabled"], &found["hours"]), (&json!(true), &json!("22:00-06:00")));
    assert!(history(&hub).await.contains("changed on disk without being written"));
    hub.wait_for("/api/hashes", |list| {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|job| job["kind"] == "scrub")
            .all(|job| job["state"] == "complete")
    })
    .await;
}
