//! Bytes that change while size and time stay as they were: what was learned of the file is not believed any more. And
//! the other way round: what the hub itself does to a file costs it nothing that is known of it.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const A: &str = "loras/a.safetensors";
const B: &str = "loras/b.safetensors";
/// Only on Local.
const C: &str = "loras/c.safetensors";

fn path(hub: &TestHub, root: Root, path: &str) -> PathBuf {
    hub.folders.get(root).path().join(path)
}

fn set_time(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Two files of one size and time on each root, all hashed.
async fn library() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    for root in Root::ALL {
        hub.put(root, A, b"content a");
        hub.put(root, B, b"content b");
        set_time(&path(&hub, root, A));
        set_time(&path(&hub, root, B));
    }
    hub.put(Root::Local, C, b"content c");
    set_time(&path(&hub, Root::Local, C));
    hub.scan().await;
    for root in Root::ALL {
        hash(&hub, root).await;
    }
    // The clock of change times has steps of some milliseconds.
    tokio::time::sleep(Duration::from_millis(30)).await;
    hub
}

async fn hash(hub: &TestHub, root: Root) {
    let asked = hub.ask("POST", "/api/hashes", Some(json!({"root": root}))).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    hub.wait_for(&format!("/api/hashes/{}", asked.body["id"]), |job| job["state"] == "complete").await;
}

async fn known(hub: &TestHub, root: Root, path: &str) -> Value {
    hub.get(&format!("/api/files/detail?root={root}&path={path}")).await["hash"].clone()
}

fn of(content: &[u8]) -> Value {
    json!(format!("blake3:{}", blake3::hash(content).to_hex()))
}

async fn done(hub: &TestHub, asked: (&str, Value)) -> Value {
    let answered = hub.ask("POST", asked.0, Some(asked.1)).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED, "{}", answered.body);
    let batch = format!("/api/batches/{}", answered.body["batch_id"]);
    hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    hub.get(&format!("/api/transfers?batch={}", answered.body["batch_id"])).await
}

/// What people and programs do to files.
#[derive(Debug, Clone, Copy)]
enum Tampering {
    Edited,
    Swapped,
    Replaced,
    Linked,
    CopiedOver,
}

impl Tampering {
    /// Does it to the file A, and tells what it holds afterwards.
    fn act(self, a: &Path, b: &Path) -> Vec<u8> {
        let beside = a.with_extension("beside");
        match self {
            Self::Edited => fs::write(a, b"Content a").unwrap(),
            Self::Swapped => {
                fs::rename(a, &beside).unwrap();
                fs::rename(b, a).unwrap();
                fs::rename(&beside, b).unwrap();
            }
            Self::Replaced => {
                fs::write(&beside, b"Content a").unwrap();
                set_time(&beside);
                fs::rename(&beside, a).unwrap();
            }
            Self::Linked => {
                fs::remove_file(a).unwrap();
                fs::hard_link(b, a).unwrap();
            }
            Self::CopiedOver => _ = fs::copy(b, a).unwrap(),
        }
        set_time(a);
        fs::read(a).unwrap()
    }
}

#[rstest]
#[tokio::test]
async fn what_was_tampered_with_is_not_known_any_more(
    #[values(Root::Local, Root::Lake)] root: Root,
    #[values(
        Tampering::Edited,
        Tampering::Swapped,
        Tampering::Replaced,
        Tampering::Linked,
        Tampering::CopiedOver
    )]
    how: Tampering,
) {
    let hub = library().await;
    let (a, b) = (path(&hub, root, A), path(&hub, root, B));
    let holds = how.act(&a, &b);
    let scan = hub.scan().await;
    assert_eq!(scan["state"], "complete");
    assert_eq!(known(&hub, root, A).await, Value::Null, "{how:?}");
    // By hash, nobody claims that the two sides hold the same; hashed anew, the difference is seen.
    hash(&hub, root).await;
    assert_eq!(known(&hub, root, A).await, of(&holds));
    let plan = hub.ask(
        "POST",
        "/api/mirrors",
        Some(json!({"from": "lake", "to": "local", "compare": "hash", "delete": true})),
    );
    let plan = plan.await;
    assert_eq!(plan.status, StatusCode::CREATED, "{}", plan.body);
    let changes = ["overwrites", "moves", "copies"].map(|kind| plan.body[kind]["n"].as_u64().unwrap());
    assert!(changes.iter().sum::<u64>() > 0, "{how:?}: {}", plan.body);
}

#[rstest]
#[tokio::test]
#[cfg_attr(windows, ignore = "there only listings tell an identity, see docs/adr/0014")]
async fn a_transfer_does_not_touch_what_was_tampered_with_since(#[values("delete", "move", "copy")] operation: &str) {
    let hub = library().await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let mut body = json!({"operation": operation, "from": "local", "paths": [C]});
    if operation != "delete" {
        body["to"] = json!("lake");
    }
    let asked = hub.ask("POST", "/api/transfers", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let c = path(&hub, Root::Local, C);
    Tampering::Edited.act(&c, &c);
    hub.ask("POST", "/api/queue/resume", None).await;
    let list = format!("/api/transfers?batch={}", asked.body["batch_id"]);
    let ended = hub.wait_for(&list, |list| list["items"][0]["state"] == "failed").await;
    assert_eq!(ended["items"][0]["error"]["code"], "changed", "{ended}");
    assert_eq!(fs::read(&c).unwrap(), b"Content a");
}

/// Nothing of what the hub did is news to the next scan, and no hash is lost.
async fn assert_known(hub: &TestHub, files: &[(Root, &str)]) {
    for (root, path) in files {
        assert_ne!(known(hub, *root, path).await, Value::Null, "{root} {path} before the scan");
    }
    let scan = hub.scan().await;
    for root in Root::ALL {
        let part = &scan["roots"][root.as_str()];
        assert_eq!((&part["n_changed"], &part["n_added"]), (&json!(0), &json!(0)), "{scan}");
    }
    for (root, path) in files {
        assert_ne!(known(hub, *root, path).await, Value::Null, "{root} {path} behind the scan");
    }
}

async fn all_done(hub: &TestHub, asked: (&str, Value)) {
    let list = done(hub, asked).await;
    let items = list["items"].as_array().unwrap();
    assert!(!items.is_empty() && items.iter().all(|item| item["state"] == "completed"), "{list}");
    tokio::time::sleep(Duration::from_millis(30)).await;
}

#[tokio::test]
#[cfg_attr(windows, ignore = "there only listings tell an identity, see docs/adr/0014")]
async fn what_the_hub_does_to_files_loses_no_hash() {
    use Root::{Lake, Local};
    let hub = library().await;
    // A third and fourth name of one file, which feel what is done to the others.
    fs::hard_link(path(&hub, Local, A), path(&hub, Local, "loras/a2.safetensors")).unwrap();
    fs::hard_link(path(&hub, Local, A), path(&hub, Local, "loras/a3.safetensors")).unwrap();
    hub.scan().await;
    hash(&hub, Local).await;

    let copy = json!({"operation": "copy", "from": "local", "to": "lake", "paths": ["loras/a2.safetensors"]});
    all_done(&hub, ("/api/transfers", copy)).await;
    assert_known(&hub, &[(Local, A), (Local, "loras/a2.safetensors"), (Lake, "loras/a2.safetensors")]).await;

    let delete =
        json!({"operation": "delete", "from": "local", "paths": ["loras/a2.safetensors", "loras/a3.safetensors"]});
    let asked = hub.ask("POST", "/api/transfers", Some(delete)).await;
    let batch = asked.body["batch_id"].clone();
    hub.wait_for(&format!("/api/batches/{batch}"), |batch| batch["n_open"] == 0).await;
    assert_known(&hub, &[(Local, A)]).await;
    all_done(&hub, (&format!("/api/batches/{batch}/undo"), json!({}))).await;
    assert_known(&hub, &[(Local, A), (Local, "loras/a2.safetensors"), (Local, "loras/a3.safetensors")]).await;

    let moved = json!({"operation": "move", "from": "local", "to": "lake", "paths": ["loras/a2.safetensors", "loras/a3.safetensors"], "on_conflict": "replace"});
    all_done(&hub, ("/api/transfers", moved)).await;
    assert_known(&hub, &[(Local, A), (Lake, "loras/a2.safetensors"), (Lake, "loras/a3.safetensors")]).await;
}

#[tokio::test]
async fn a_hard_link_in_place_of_a_duplicate_loses_no_hash() {
    use Root::Lake;
    let hub = library().await;
    for n in 0..3 {
        hub.put(Lake, &format!("more/{n}.safetensors"), b"content a");
    }
    hub.scan().await;
    hash(&hub, Lake).await;
    let others: Vec<Value> = (0..3).map(|n| json!({"root": "lake", "path": format!("more/{n}.safetensors")})).collect();
    let resolve =
        json!({"hash": of(b"content a"), "keep": {"root": "lake", "path": A}, "others": others, "action": "hardlink"});
    all_done(&hub, ("/api/duplicates/resolve", resolve)).await;
    let names = [A, "more/0.safetensors", "more/1.safetensors", "more/2.safetensors"].map(|path| (Lake, path));
    assert_known(&hub, &names).await;
}

#[tokio::test]
async fn evicted_and_brought_back_both_are_known() {
    use Root::{Lake, Local};
    let hub = library().await;
    all_done(&hub, ("/api/evictions", json!({"paths": [A]}))).await;
    assert_known(&hub, &[(Lake, A), (Local, B)]).await;
    all_done(&hub, ("/api/evictions/restore", json!({"paths": [A]}))).await;
    assert_known(&hub, &[(Lake, A), (Local, A)]).await;
}

#[tokio::test]
#[cfg_attr(windows, ignore = "there only listings tell an identity, see docs/adr/0014")]
async fn what_was_changed_in_the_trash_comes_back_without_its_hash() {
    let hub = library().await;
    let asked =
        hub.ask("POST", "/api/transfers", Some(json!({"operation": "delete", "from": "local", "paths": [A]}))).await;
    let batch = asked.body["batch_id"].clone();
    hub.wait_for(&format!("/api/batches/{batch}"), |batch| batch["n_open"] == 0).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let trash = hub.get("/api/trash?root=local").await;
    assert_eq!(trash["total"], 1, "{trash}");
    let lies = walk(&path(&hub, Root::Local, ".comfy-hub-trash"));
    Tampering::Edited.act(&lies, &lies);
    all_done(&hub, (&format!("/api/batches/{batch}/undo"), json!({}))).await;
    assert_eq!(known(&hub, Root::Local, A).await, Value::Null);
    assert_eq!(fs::read(path(&hub, Root::Local, A)).unwrap(), b"Content a", "it is a person's file all the same");
}

/// The one file below a folder.
fn walk(folder: &Path) -> PathBuf {
    let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if entry.is_dir() { walk(&entry) } else { entry }
}

#[tokio::test]
async fn hashes_of_before_stay_and_are_bound_by_the_next_scan() {
    let hub = library().await;
    let forget =
        "UPDATE files SET identity = NULL; UPDATE hashes SET identity = NULL; UPDATE folders SET listing = NULL";
    hub.state.services.database.write(move |tx| Ok(tx.execute_batch(forget)?)).await.unwrap();
    assert_known(&hub, &[(Root::Local, A), (Root::Lake, A), (Root::Lake, B)]).await;
    let a = path(&hub, Root::Lake, A);
    Tampering::Edited.act(&a, &a);
    hub.scan().await;
    assert_eq!(known(&hub, Root::Lake, A).await, Value::Null, "from then on it is bound");
}
