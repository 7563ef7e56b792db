//! What is no library: never listed, copied, mirrored, evicted, or taken for a copy.

use std::fs;

use axum::http::StatusCode;
use serde_json::{Value, json};
use shared_protocol::RelPath;

use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::fs::open::stamp_path;
use crate::storage::queue::batches::{self, NewBatch, NewTransfer};
use crate::web::test_hub::TestHub;

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];

/// Two roots that are not empty.
async fn library() -> TestHub {
    let hub = TestHub::with(ALLOWED).await;
    for root in Root::ALL {
        hub.put(root, "vae/same.pt", &[1; 40]);
    }
    hub
}

async fn paths(hub: &TestHub, root: Root) -> Vec<String> {
    let files = hub.get(&format!("/api/files?root={}&limit=1000", root.as_str())).await;
    files["items"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

async fn ended(hub: &TestHub, batch: &Value) -> Vec<Value> {
    let batch = hub.wait_for(&format!("/api/batches/{batch}"), |batch| batch["n_open"] == 0).await;
    batch["items"].as_array().unwrap().clone()
}

/// A transfer that stands in the queue although this hub would not have made it: an earlier one has.
fn queue(hub: &TestHub, operation: Operation, from: Root, to: Option<Root>, path: &str, to_path: &str) -> Value {
    let services = &hub.state.services;
    let row = |root: Root| (root, services.roots.live(root).unwrap().row);
    let found = stamp_path(&hub.folders.get(from).path().join(path)).ok();
    let transfer = NewTransfer {
        operation,
        from: row(from),
        to: to.map(row),
        path: RelPath::parse(path).unwrap(),
        to_path: Some(RelPath::parse(to_path).unwrap()).filter(|_| to_path != path),
        on_conflict: OnConflict::Skip,
        size_bytes: found.map_or(0, |stamp| stamp.size_bytes),
        modified: found.map_or(Ticks(0), |stamp| stamp.modified),
        trash_path: None,
        occupant: None,
        phase: 0,
    };
    let batch =
        NewBatch { operation, from, to, on_conflict: OnConflict::Skip, skipped: "[]".to_owned(), undo_of: None };
    let id = services.database.write_blocking(|tx| batches::insert(tx, &batch, &[transfer])).unwrap();
    services.queue.begin(id);
    json!(id)
}

#[tokio::test]
async fn a_copy_in_a_trash_is_no_copy() {
    let hub = library().await;
    hub.put(Root::Local, "loras/a.safetensors", &[2; 5_000]);
    for place in [".Trash-1000/files/a.safetensors", "#recycle/a.safetensors", ".zfs/snapshot/d/a.safetensors"] {
        hub.put(Root::Lake, place, &[2; 5_000]);
    }
    hub.put(Root::Lake, "loras/a.safetensors.tmp", &[2; 5_000]);
    let scan = hub.scan().await;
    assert_eq!(paths(&hub, Root::Lake).await, ["vae/same.pt"]);
    assert_eq!((&scan["state"], &scan["roots"]["lake"]["n_errors"]), (&json!("complete"), &json!(0)));
    for root in ["local", "lake"] {
        let started = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
        hub.wait_for(&format!("/api/hashes/{}", started.body["id"]), |job| job["state"] == "complete").await;
    }
    let plan = hub.ask("POST", "/api/mirrors", Some(json!({"from": "lake", "to": "local", "delete": true}))).await.body;
    assert_eq!(
        (&plan["deletes"]["n"], &plan["last_copies"]["n"], &plan["copies"]["n"]),
        (&json!(1), &json!(1), &json!(0))
    );

    let asked = hub.ask("POST", "/api/evictions", Some(json!({"paths": ["loras/a.safetensors"]}))).await;
    let transfers = ended(&hub, &asked.body["batch_id"]).await;
    assert_eq!(transfers[0]["state"], "completed", "{transfers:?}");
    assert!(!hub.folders.local.path().join("loras/a.safetensors").exists());
    let kept = fs::read(hub.folders.lake.path().join("loras/a.safetensors")).unwrap();
    assert_eq!(kept, [2; 5_000], "it was copied first, because the Lake had none");
}

#[tokio::test]
async fn a_request_for_it_is_refused_in_plain_words() {
    let hub = library().await;
    hub.put(Root::Lake, ".Trash-1000/files/a.safetensors", &[2; 50]);
    hub.put(Root::Lake, "loras/x.crdownload", &[2; 50]);
    hub.scan().await;
    let told = [
        (".Trash-1000/files/a.safetensors", "it is a trash"),
        ("loras/x.crdownload", "it holds what has not been downloaded"),
    ];
    for (path, why) in told {
        for operation in ["copy", "move"] {
            let body = json!({"operation": operation, "from": "lake", "to": "local", "paths": [path, "vae"]});
            let answer = hub.ask("POST", "/api/transfers", Some(body)).await;
            assert!(answer.body.to_string().contains(why), "{operation} {path}: {}", answer.body);
        }
    }
    let evict = hub.ask("POST", "/api/evictions", Some(json!({"paths": [".Trash-1000/files/a.safetensors"]}))).await;
    assert!(evict.body.to_string().contains("it is a trash"), "{}", evict.body);
    let mirror = json!({"from": "lake", "to": "local", "folder": ".Trash-1000"});
    let plan = hub.ask("POST", "/api/mirrors", Some(mirror)).await;
    assert_eq!(plan.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(plan.body["detail"].as_str().unwrap().contains("it is a trash"), "{}", plan.body);
}

#[tokio::test]
async fn what_stands_in_the_queue_is_asked_again_when_its_turn_comes() {
    let hub = library().await;
    for (root, path) in [
        (Root::Lake, ".Trash-1000/files/a.safetensors"),
        (Root::Lake, "loras/half.safetensors"),
        (Root::Local, "loras/half.safetensors"),
        (Root::Local, "loras/a.safetensors"),
        (Root::Local, "old.tmp"),
    ] {
        hub.put(root, path, &[2; 50]);
    }
    hub.put(Root::Lake, "loras/half.safetensors.aria2", b"control");
    hub.put(Root::Lake, "loras/to.safetensors.aria2", b"control");
    hub.scan().await;
    let (lake, local) = (Root::Lake, Root::Local);
    let trash = ".Trash-1000/files/a.safetensors";
    let (a, half) = ("loras/a.safetensors", "loras/half.safetensors");
    let cases = [
        (Operation::Copy, lake, Some(local), trash, trash),
        (Operation::Copy, local, Some(lake), a, trash),
        (Operation::Move, lake, Some(local), half, "loras/new.safetensors"),
        (Operation::Copy, local, Some(lake), a, "loras/to.safetensors"),
        (Operation::Evict, local, Some(lake), a, trash),
        (Operation::Evict, local, Some(lake), half, half),
        (Operation::Delete, local, None, "old.tmp", "old.tmp"),
        (Operation::RemoveDuplicate, local, Some(lake), half, half),
    ];
    for (operation, from, to, path, to_path) in cases {
        let batch = queue(&hub, operation, from, to, path, to_path);
        let transfers = ended(&hub, &batch).await;
        let error = &transfers[0]["error"];
        assert_eq!(error["code"], "excluded", "{operation:?} {path} to {to_path}: {transfers:?}");
        assert!(hub.folders.get(from).path().join(path).exists(), "{operation:?} {path}");
    }
}

#[tokio::test]
async fn a_file_that_becomes_one_leaves_the_index_and_is_not_gone() {
    let hub = library().await;
    for path in ["loras/x.safetensors", "loras/y.safetensors", "torrent/a/z.safetensors"] {
        hub.put(Root::Local, path, &[3; 70]);
    }
    hub.scan().await;
    assert_eq!(paths(&hub, Root::Local).await.len(), 4);
    hub.put(Root::Local, "loras/x.safetensors.aria2", b"control");
    hub.put(Root::Local, "torrent.aria2", b"control");
    let started = hub.ask("POST", "/api/scans", Some(json!({"roots": ["local"]}))).await;
    let path = format!("/api/scans/{}", started.body["id"]);
    let scan = hub.wait_for(&path, |scan| scan["state"] != "running").await;
    let local = &scan["roots"]["local"];
    assert_eq!((&local["n_removed"], &local["state"]), (&json!(0), &json!("complete")), "{scan}");
    assert_eq!(local["n_skipped"], 4, "{scan}");
    assert_eq!(paths(&hub, Root::Local).await, ["loras/y.safetensors", "vae/same.pt"]);
    fs::remove_file(hub.folders.local.path().join("loras/x.safetensors.aria2")).unwrap();
    hub.scan().await;
    assert_eq!(paths(&hub, Root::Local).await.len(), 3, "its download has ended");
}

fn model(data: usize) -> Vec<u8> {
    let header = br#"{"a":{"dtype":"U8","shape":[400],"data_offsets":[0,400]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &vec![1; data]].concat()
}

#[tokio::test]
async fn a_damaged_file_replaces_a_whole_one_only_if_that_was_said() {
    let hub = library().await;
    for (name, damaged) in
        [("cut", model(300)), ("grown", model(500)), ("empty", Vec::new()), ("header", model(400)[..40].to_vec())]
    {
        hub.put(Root::Lake, &format!("loras/{name}.safetensors"), &damaged);
        hub.put(Root::Local, &format!("loras/{name}.safetensors"), &model(400));
    }
    hub.put(Root::Lake, "loras/only.safetensors", &model(300));
    hub.put(Root::Lake, "loras/good.safetensors", &model(400));
    hub.put(Root::Local, "loras/good.safetensors", &model(300));
    hub.scan().await;
    let path = "/api/files/detail?root=lake&path=loras/cut.safetensors";
    hub.wait_for(path, |detail| detail["safetensors"]["damaged"] == true).await;

    let mut body = json!({"from": "lake", "to": "local"});
    let plan = hub.ask("POST", "/api/mirrors", Some(body.clone())).await.body;
    assert_eq!(
        (&plan["overwrites"]["n"], &plan["left_out"]["n"], &plan["copies"]["n"]),
        (&json!(1), &json!(4), &json!(1))
    );
    let rows = hub.get(&format!("/api/mirrors/{}/items?action=left_out", plan["id"])).await;
    assert!(rows["items"][0]["why"].as_str().unwrap().starts_with("it is damaged"), "{rows}");
    body["include_damaged"] = json!(true);
    let ticked = hub.ask("POST", "/api/mirrors", Some(body)).await.body;
    assert_eq!((&ticked["overwrites"]["n"], &ticked["include_damaged"]), (&json!(5), &json!(true)));

    let mut copy =
        json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["loras"], "on_conflict": "replace"});
    let asked = hub.ask("POST", "/api/transfers", Some(copy.clone())).await;
    let transfers = ended(&hub, &asked.body["batch_id"]).await;
    let code = |transfer: &Value| transfer["error"]["code"].as_str().unwrap_or("done").to_owned();
    let mut codes: Vec<_> = transfers.iter().map(|t| (t["path"].as_str().unwrap().to_owned(), code(t))).collect();
    codes.sort();
    let codes: Vec<_> = codes.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, ["damaged", "damaged", "done", "damaged", "damaged", "done"], "{transfers:?}");
    assert_eq!(fs::read(hub.folders.local.path().join("loras/cut.safetensors")).unwrap(), model(400));
    copy["include_damaged"] = json!(true);
    let asked = hub.ask("POST", "/api/transfers", Some(copy)).await;
    let transfers = ended(&hub, &asked.body["batch_id"]).await;
    assert!(transfers.iter().all(|transfer| transfer["state"] == "completed"), "{transfers:?}");
    assert_eq!(fs::read(hub.folders.local.path().join("loras/cut.safetensors")).unwrap(), model(300));
}

#[tokio::test]
async fn a_plan_that_was_made_before_a_file_broke_replaces_nothing_by_it() {
    let hub = library().await;
    // Of one size, so that only its header tells, and only of so many that a plan looks at all of them.
    hub.put(Root::Lake, "loras/x.safetensors", &model(400));
    hub.put(Root::Local, "loras/x.safetensors", &model(300));
    hub.scan().await;
    let plan = hub.ask("POST", "/api/mirrors", Some(json!({"from": "lake", "to": "local"}))).await.body;
    assert_eq!(plan["overwrites"]["n"], 1, "{plan}");
    // The same size and time, another header: nothing but a look into it tells.
    let path = hub.folders.lake.path().join("loras/x.safetensors");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, vec![0; model(400).len()]).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    let applied = hub.ask("POST", &format!("/api/mirrors/{}/apply", plan["id"]), Some(json!({}))).await.body;
    let transfers = ended(&hub, &applied["batch_id"]).await;
    assert_eq!(transfers[0]["error"]["code"], "damaged", "{transfers:?}");
    assert_eq!(fs::read(hub.folders.local.path().join("loras/x.safetensors")).unwrap(), model(300));
}
