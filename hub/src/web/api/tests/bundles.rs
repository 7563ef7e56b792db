//! Models and their sidecars through the routes, to the files on disk.

use std::collections::BTreeMap;
use std::fs;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];

/// What tools put beside a model.
const SIDECARS: [&str; 14] = [
    "m.yaml",
    "m.json",
    "m.txt",
    "m.mp4",
    "m.preview.mp4",
    "m.jpeg",
    "m.gif",
    "m.webm",
    "m.sha256",
    "m.swarm.json",
    "m.dl-meta",
    "m.rgthree-info.json",
    "m.Preview.PNG",
    "m.safetensors.json",
];

async fn hub_with(root: Root, files: &[&str]) -> TestHub {
    let hub = TestHub::with(ALLOWED).await;
    for file in files {
        hub.put(root, file, file.as_bytes());
    }
    hub.scan().await;
    hub
}

/// Asks for something and waits for its end: the receipt and the batch.
async fn done(hub: &TestHub, path: &str, body: Value) -> (Value, Value) {
    let asked = hub.ask("POST", path, (!body.is_null()).then_some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let batch = format!("/api/batches/{}", asked.body["batch_id"]);
    (asked.body, hub.wait_for(&batch, |batch| batch["n_open"] == 0).await)
}

async fn transfer(hub: &TestHub, operation: &str, paths: &[&str], on_conflict: &str) -> (Value, Value) {
    let mut body = json!({"operation": operation, "from": "local", "paths": paths});
    if operation != "delete" {
        body["to"] = json!("lake");
        body["on_conflict"] = json!(on_conflict);
    }
    done(hub, "/api/transfers", body).await
}

async fn undo(hub: &TestHub, receipt: &Value) -> (Value, Value) {
    done(hub, &format!("/api/batches/{}/undo", receipt["batch_id"]), Value::Null).await
}

/// The files of a root's folder with their content.
fn files(hub: &TestHub, root: Root, folder: &str) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(hub.folders.get(root).path().join(folder)) else { return BTreeMap::new() };
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap_or_default())
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

fn names(hub: &TestHub, root: Root, folder: &str) -> Vec<String> {
    files(hub, root, folder).into_keys().collect()
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_model_takes_along_all_that_is_named_after_it_and_brings_it_back() {
    let all: Vec<String> = SIDECARS.iter().chain(&["m.safetensors"]).map(|name| format!("loras/{name}")).collect();
    let mut files: Vec<&str> = all.iter().map(String::as_str).collect();
    files.extend(["loras/mm.png", "loras/other.safetensors"]);
    let hub = hub_with(Root::Local, &files).await;
    let before = names(&hub, Root::Local, "loras");
    let with_it = sorted(&[&SIDECARS[..], &["m.safetensors"]].concat());
    let n = json!(with_it.len());
    for operation in ["move", "delete"] {
        let (receipt, batch) = transfer(&hub, operation, &["loras/m.safetensors"], "skip").await;
        assert_eq!((&receipt["n_transfers"], &batch["n_completed"]), (&n, &n), "{operation}: {batch}");
        assert_eq!(names(&hub, Root::Local, "loras"), ["mm.png", "other.safetensors"], "{operation}");
        let there = names(&hub, Root::Lake, "loras");
        assert_eq!(there, if operation == "move" { with_it.clone() } else { Vec::new() });
        let (_, back) = undo(&hub, &receipt).await;
        assert_eq!(back["n_completed"], n, "{back}");
        assert_eq!(names(&hub, Root::Local, "loras"), before);
        assert_eq!(names(&hub, Root::Lake, "loras"), [""; 0]);
    }
    // Evicted, and brought back by the model's name alone.
    let paths = json!({"paths": ["loras/m.safetensors"]});
    let (receipt, batch) = done(&hub, "/api/evictions", paths.clone()).await;
    assert_eq!((&receipt["n_transfers"], &batch["n_completed"]), (&n, &n), "{batch}");
    assert_eq!(names(&hub, Root::Local, "loras"), ["mm.png", "other.safetensors"]);
    assert_eq!(names(&hub, Root::Lake, "loras"), with_it);
    let (_, batch) = done(&hub, "/api/evictions/restore", paths).await;
    assert_eq!(batch["n_completed"], n, "{batch}");
    assert_eq!(names(&hub, Root::Local, "loras"), before);
    // From the trash by the model's row alone.
    transfer(&hub, "delete", &["loras/m.safetensors"], "skip").await;
    let trash = hub.get("/api/trash?root=local").await;
    let model = trash["items"].as_array().unwrap().iter().find(|item| item["path"] == "loras/m.safetensors").unwrap();
    let (_, batch) = done(&hub, "/api/trash/restore", json!({"ids": [model["id"]]})).await;
    assert_eq!(batch["n_completed"], n, "{batch}");
    assert_eq!(names(&hub, Root::Local, "loras"), before);
}

#[tokio::test]
async fn what_another_model_needs_stays_with_it() {
    let all = ["l/m.gguf", "l/m.gguf.json", "l/m.preview.png", "l/m.safetensors"];
    let hub = hub_with(Root::Local, &all).await;
    let before = names(&hub, Root::Local, "l");
    let (receipt, _) = transfer(&hub, "move", &["l/m.gguf"], "skip").await;
    assert_eq!(names(&hub, Root::Local, "l"), ["m.preview.png", "m.safetensors"]);
    assert_eq!(names(&hub, Root::Lake, "l"), ["m.gguf", "m.gguf.json", "m.preview.png"], "of what is shared a copy");
    undo(&hub, &receipt).await;
    assert_eq!((names(&hub, Root::Local, "l"), names(&hub, Root::Lake, "l")), (before.clone(), vec![]));
    let (receipt, _) = transfer(&hub, "delete", &["l/m.safetensors"], "skip").await;
    assert_eq!(names(&hub, Root::Local, "l"), ["m.gguf", "m.gguf.json", "m.preview.png"]);
    undo(&hub, &receipt).await;
    done(&hub, "/api/evictions", json!({"paths": ["l/m.gguf"]})).await;
    assert_eq!(names(&hub, Root::Local, "l"), ["m.preview.png", "m.safetensors"]);
    done(&hub, "/api/evictions/restore", json!({"paths": ["l/m.gguf"]})).await;
    // Both go: nobody is left who needs it. And only a sidecar goes alone.
    transfer(&hub, "move", &["l/m.preview.png"], "skip").await;
    assert_eq!(names(&hub, Root::Local, "l"), ["m.gguf", "m.gguf.json", "m.safetensors"]);
    transfer(&hub, "delete", &["l/m.gguf", "l/m.safetensors"], "skip").await;
    assert_eq!(names(&hub, Root::Local, "l"), [""; 0]);
}

#[tokio::test]
async fn one_number_serves_a_model_and_its_sidecars() {
    let all = ["l/x.safetensors", "l/x.preview.png", "l/X.Txt", "l/x.safetensors.json"];
    for taken in all.iter().copied().chain(["l/x (2).txt"]) {
        let hub = hub_with(Root::Local, &all).await;
        hub.put(Root::Lake, taken, b"another");
        hub.put(Root::Lake, "l/x.safetensors", b"quite another");
        hub.scan().await;
        let (receipt, batch) = transfer(&hub, "copy", &["l"], "keep_both").await;
        assert_eq!((&receipt["skipped"], &batch["n_completed"]), (&json!([]), &json!(4)), "{taken}: {batch}");
        let number = if taken == "l/x (2).txt" { 3 } else { 2 };
        let there = files(&hub, Root::Lake, "l");
        for (tail, from) in [(".safetensors", 0), (".preview.png", 1), (".Txt", 2), (".safetensors.json", 3)] {
            assert_eq!(there.get(&format!("x ({number}){tail}")).map(String::as_str), Some(all[from]), "{there:?}");
        }
        assert_eq!(there["x.safetensors"], "quite another");
    }
}

#[tokio::test]
async fn the_disk_decides_the_number_too_and_long_names_leave_room_for_it() {
    let stem = format!("l/{}", "é".repeat(121));
    let (model, text) = (format!("{stem}.safetensors"), format!("{stem}.txt"));
    let hub = hub_with(Root::Local, &[&model, &text]).await;
    // The scan has not seen these: only the disk tells, when the transfers' turn comes.
    hub.put(Root::Lake, &model, b"another");
    let (_, batch) = transfer(&hub, "copy", &[&model], "keep_both").await;
    assert_eq!(batch["n_completed"], 2, "{batch}");
    let there = names(&hub, Root::Lake, "l");
    let stems: Vec<&str> = there.iter().filter_map(|name| name.split_once(" (2).").map(|(stem, _)| stem)).collect();
    assert_eq!(there.len(), 3, "{there:?}");
    assert!(stems.len() == 2 && stems[0] == stems[1] && there.iter().all(|name| name.len() <= 255), "{there:?}");
}

#[tokio::test]
async fn a_model_that_stays_keeps_its_sidecars_and_a_replaced_one_takes_its_own_along() {
    let all = ["l/x.safetensors", "l/x.preview.png", "l/x.txt"];
    let hub = hub_with(Root::Local, &all).await;
    hub.put(Root::Lake, "l/x.safetensors", b"another");
    hub.put(Root::Lake, "l/x.txt", b"about another");
    hub.put(Root::Lake, "l/x.civitai.info", b"about another");
    hub.put(Root::Lake, "l/y.txt", b"y");
    hub.scan().await;
    let before = files(&hub, Root::Lake, "l");
    for operation in ["copy", "move"] {
        let (receipt, _) = transfer(&hub, operation, &["l/x.safetensors"], "skip").await;
        assert_eq!(receipt["n_transfers"], 0, "{receipt}");
        assert_eq!(receipt["skipped"][0]["path"], "l/x.safetensors");
        let (receipt, _) = transfer(&hub, operation, &["l"], "skip").await;
        assert_eq!((&receipt["n_transfers"], receipt["skipped"].as_array().unwrap().len()), (&json!(0), 3));
    }
    let (receipt, batch) = transfer(&hub, "move", &["l/x.safetensors"], "replace").await;
    assert_eq!(batch["n_completed"], 4, "{batch}");
    assert_eq!(names(&hub, Root::Lake, "l"), ["x.preview.png", "x.safetensors", "x.txt", "y.txt"]);
    assert_eq!(names(&hub, Root::Local, "l"), [""; 0]);
    undo(&hub, &receipt).await;
    assert_eq!(files(&hub, Root::Lake, "l"), before, "what was replaced is back, with all that belonged to it");
    assert_eq!(names(&hub, Root::Local, "l"), sorted(&["x.safetensors", "x.preview.png", "x.txt"]));
    // With the same model there, what is missing beside it comes, and what differs is told.
    hub.put(Root::Lake, "l/x.safetensors", b"l/x.safetensors");
    let same = fs::metadata(hub.folders.local.path().join("l/x.safetensors")).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(hub.folders.lake.path().join("l/x.safetensors")).unwrap();
    file.set_modified(same).unwrap();
    hub.scan().await;
    let (receipt, _) = transfer(&hub, "copy", &["l/x.safetensors"], "skip").await;
    assert_eq!(receipt["n_transfers"], 1, "{receipt}");
    let told: Vec<&str> = receipt["skipped"].as_array().unwrap().iter().map(|s| s["why"].as_str().unwrap()).collect();
    assert!(told[0].contains("same file") && told[1].contains("another file"), "{told:?}");
}

#[tokio::test]
async fn sidecars_stay_with_weights_that_could_not_go_and_go_with_them_later() {
    let hub = hub_with(Root::Local, &["l/x.safetensors", "l/x.txt"]).await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let body = json!({"operation": "move", "from": "local", "to": "lake", "paths": ["l/x.safetensors"]});
    let asked = hub.ask("POST", "/api/transfers", Some(body)).await;
    // On the disk the Lake has another model of this name by then.
    hub.put(Root::Lake, "l/x.safetensors", b"another");
    hub.ask("POST", "/api/queue/resume", None).await;
    let path = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&path, |batch| batch["n_open"] == 0).await;
    assert_eq!(batch["n_failed"], 2, "{batch}");
    assert_eq!(names(&hub, Root::Local, "l"), ["x.safetensors", "x.txt"]);
    assert_eq!(names(&hub, Root::Lake, "l"), ["x.safetensors"]);
    fs::remove_file(hub.folders.lake.path().join("l/x.safetensors")).unwrap();
    let retry = format!("/api/transfers/{}/retry", batch["items"][0]["id"]);
    assert_eq!(hub.ask("POST", &retry, None).await.status, StatusCode::OK);
    let batch = hub.wait_for(&path, |batch| batch["n_completed"] == 2).await;
    assert_eq!(names(&hub, Root::Lake, "l"), ["x.safetensors", "x.txt"], "{batch}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_put_beside_a_name_that_differs_only_in_case_or_accents() {
    for (ours, theirs) in [
        ("vae/Foo.pt", "vae/foo.pt"),
        ("vae/caf\u{e9}.pt", "vae/cafe\u{301}.pt"),
        ("VAE/x.pt", "vae/y.pt"),
        ("a/Sub/x.pt", "a/sub/deep/y.pt"),
    ] {
        let hub = hub_with(Root::Local, &[ours]).await;
        hub.put(Root::Lake, theirs, b"another");
        hub.scan().await;
        for choice in ["skip", "replace"] {
            let (receipt, _) = transfer(&hub, "copy", &[ours], choice).await;
            assert_eq!(receipt["n_transfers"], 0, "{ours} beside {theirs}: {receipt}");
            let why = receipt["skipped"][0]["why"].as_str().unwrap();
            assert!(why.contains("upper and lower case") && why.contains("rename"), "{why}");
        }
        assert!(!hub.folders.lake.path().join(ours).exists());
    }
    // Of two that would collide there the first one goes.
    let hub = hub_with(Root::Local, &["A/x.pt", "a/y.pt"]).await;
    let (receipt, _) = transfer(&hub, "copy", &["A", "a"], "skip").await;
    assert_eq!((&receipt["n_transfers"], receipt["skipped"][0]["path"].as_str()), (&json!(1), Some("a/y.pt")));
}

#[tokio::test]
async fn a_duplicate_takes_along_what_the_other_has_beside_it_too() {
    let hub = TestHub::with(ALLOWED).await;
    for (path, content) in [
        ("a/x.safetensors", "same weights"),
        ("a/x.png", "picture"),
        ("a/x.txt", "only here"),
        ("b/y.safetensors", "same weights"),
        ("b/y.png", "picture"),
    ] {
        hub.put(Root::Local, path, content.as_bytes());
    }
    hub.scan().await;
    let started = hub.ask("POST", "/api/hashes", Some(json!({"root": "local"}))).await;
    hub.wait_for(&format!("/api/hashes/{}", started.body["id"]), |job| job["state"] == "complete").await;
    let file = hub.get("/api/files/detail?root=local&path=a/x.safetensors").await;
    let body = json!({
        "hash": file["hash"], "keep": {"root": "local", "path": "b/y.safetensors"},
        "others": [{"root": "local", "path": "a/x.safetensors"}], "action": "delete"
    });
    let (receipt, batch) = done(&hub, "/api/duplicates/resolve", body).await;
    assert_eq!(batch["n_completed"], 2, "{batch}");
    assert_eq!(names(&hub, Root::Local, "a"), ["x.txt"], "what only the removed one had stays");
    undo(&hub, &receipt).await;
    assert_eq!(names(&hub, Root::Local, "a"), ["x.png", "x.safetensors", "x.txt"]);
}
