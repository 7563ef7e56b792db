//! Names that differ only in case or in how accents are written, and the rename that ends the conflict.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];

async fn hub_with(files: &[(Root, &str)]) -> TestHub {
    let hub = TestHub::with(ALLOWED).await;
    for (root, path) in files {
        hub.put(*root, path, path.as_bytes());
    }
    hub.scan().await;
    hub
}

/// Every file of a root below a folder, with what it holds.
fn held(hub: &TestHub, root: Root, folder: &str) -> BTreeMap<String, String> {
    let names = fs::read_dir(hub.folders.get(root).path().join(folder)).unwrap().map(Result::unwrap);
    names.map(|e| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap())).collect()
}

async fn rename(hub: &TestHub, body: Value) -> Value {
    let asked = hub.ask("POST", "/api/files/rename", Some(body)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    hub.wait_for(&format!("/api/batches/{}", asked.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    asked.body
}

async fn status_of(hub: &TestHub, status: &str) -> u64 {
    hub.get(&format!("/api/diff?status={status}")).await["total"].as_u64().unwrap()
}

fn detail(root: &str, path: &str) -> String {
    let path = percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
    format!("/api/files/detail?root={root}&path={path}")
}

/// Of two spellings of one name, each with a preview: one gets a number with all that is spelled as it is.
#[rstest]
#[case::case("Foo", "foo")]
#[case::accents("caf\u{e9}", "cafe\u{301}")]
#[tokio::test]
async fn a_free_name_ends_the_conflict_and_undo_brings_it_back(#[case] one: &str, #[case] other: &str) {
    let path = |stem: &str, end: &str| format!("vae/{stem}{end}");
    let files = [(one, ".safetensors"), (one, ".preview.png"), (other, ".safetensors"), (other, ".preview.png")];
    let files = files.map(|(stem, end)| path(stem, end));
    let hub = hub_with(&files.each_ref().map(|file| (Root::Lake, file.as_str()))).await;
    let before = held(&hub, Root::Lake, "vae");
    assert_eq!((before.len(), status_of(&hub, "conflict").await), (4, 2));
    let told = hub.get(&detail("lake", &path(one, ".safetensors"))).await;
    assert_eq!(told["nearly"], json!([path(other, ".safetensors")]));
    assert_eq!(told["rename_to"], json!(path(&format!("{one} (2)"), ".safetensors")));

    let receipt = rename(&hub, json!({"root": "lake", "path": path(one, ".safetensors")})).await;
    assert_eq!((&receipt["n_transfers"], &receipt["skipped"]), (&json!(2), &json!([])), "{receipt}");
    let after = held(&hub, Root::Lake, "vae");
    for end in [".safetensors", ".preview.png"] {
        assert_eq!(after[&format!("{one} (2){end}")], path(one, end));
        assert_eq!(after[&format!("{other}{end}")], path(other, end));
    }
    assert_eq!((after.len(), status_of(&hub, "conflict").await, status_of(&hub, "lake_only").await), (4, 0, 4));
    assert_eq!(hub.get(&detail("lake", &path(other, ".safetensors"))).await["rename_to"], Value::Null);
    let history = hub.get("/api/history?limit=1").await;
    assert!(history["items"][0]["summary"].as_str().unwrap().starts_with("Renamed 2 files on Lake"), "{history}");

    let undone = hub.ask("POST", &format!("/api/batches/{}/undo", receipt["batch_id"]), None).await;
    assert_eq!(undone.status, StatusCode::ACCEPTED, "{}", undone.body);
    hub.wait_for(&format!("/api/batches/{}", undone.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    assert_eq!(held(&hub, Root::Lake, "vae"), before);
    assert_eq!(status_of(&hub, "conflict").await, 2);
}

/// A copy that is refused for nearly the same name over there: with that very name both sides are a pair.
#[tokio::test]
async fn the_spelling_of_the_other_side_ends_what_keeps_a_copy_back() {
    let hub = hub_with(&[
        (Root::Local, "vae/Foo.safetensors"),
        (Root::Local, "vae/Foo.json"),
        (Root::Lake, "vae/foo.safetensors"),
    ])
    .await;
    let copy = || {
        let body = json!({"operation": "copy", "from": "local", "to": "lake", "paths": ["vae/Foo.safetensors"]});
        hub.ask("POST", "/api/transfers", Some(body))
    };
    let refused = copy().await.body;
    assert_eq!(refused["n_transfers"], 0, "{refused}");
    assert_eq!(hub.get(&detail("local", "vae/Foo.safetensors")).await["rename_to"], "vae/foo.safetensors");
    rename(&hub, json!({"root": "local", "path": "vae/Foo.safetensors", "to": "vae/foo.safetensors"})).await;
    let names: Vec<String> = held(&hub, Root::Local, "vae").into_keys().collect();
    assert_eq!(names, ["foo.json", "foo.safetensors"]);
    let pair = hub.get("/api/diff?q=foo.safetensors").await;
    assert_eq!(pair["total"], 1, "{pair}");
    assert_eq!(
        (&pair["items"][0]["local"]["path"], &pair["items"][0]["lake"]["path"]),
        (&json!("vae/foo.safetensors"), &json!("vae/foo.safetensors"))
    );
}

#[tokio::test]
async fn what_others_need_keeps_its_name_and_new_folders_are_made_as_typed() {
    let hub = hub_with(&[
        (Root::Lake, "vae/Foo.safetensors"),
        (Root::Lake, "vae/foo.safetensors"),
        (Root::Lake, "vae/FOO.json"),
        (Root::Lake, "loras/x.safetensors"),
    ])
    .await;
    let receipt =
        rename(&hub, json!({"root": "lake", "path": "/vae/Foo.safetensors", "to": "LORAS\\New\\Foo.safetensors"}))
            .await;
    assert_eq!(receipt["n_transfers"], 1, "{receipt}");
    assert_eq!(receipt["skipped"][0]["path"], "vae/FOO.json", "{receipt}");
    assert_eq!(held(&hub, Root::Lake, "loras/New")["Foo.safetensors"], "vae/Foo.safetensors");
    assert_eq!(status_of(&hub, "conflict").await, 0);
}

#[rstest]
#[case(json!({"root": "lake", "path": "vae/none.pt"}), 404)]
#[case(json!({"root": "lake", "path": "vae"}), 404)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "vae/foo.pt"}), 409)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "vae/FOO.pt"}), 409)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "VAE/Bar.pt"}), 409)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "vae/foo.pt/x.pt"}), 409)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "vae/Foo.pt"}), 422)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": ".Trash-1000/Foo.pt"}), 422)]
#[case(json!({"root": "lake", "path": "vae/FOO.pt"}), 422)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "../x"}), 400)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "vae/con"}), 400)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "to": "/"}), 400)]
#[case(json!({"root": "lake", "path": "vae/Foo.pt", "name": "x"}), 400)]
#[tokio::test]
async fn nothing_is_clobbered_and_what_makes_no_sense_is_told(#[case] body: Value, #[case] status: u16) {
    let hub = hub_with(&[(Root::Lake, "vae/Foo.pt"), (Root::Lake, "vae/foo.pt"), (Root::Lake, "vae/Bar.pt")]).await;
    let refused = hub.ask("POST", "/api/files/rename", Some(body)).await;
    assert_eq!(refused.status.as_u16(), status, "{}", refused.body);
    assert_eq!(held(&hub, Root::Lake, "vae").len(), 3);
    assert_eq!(hub.get("/api/batches").await["total"], 0);
}

#[tokio::test]
async fn a_name_goes_only_where_names_may_go_and_only_of_the_file_that_was_meant() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Lake, "vae/Foo.pt", b"1");
    hub.put(Root::Lake, "vae/foo.pt", b"2");
    hub.scan().await;
    let body = || json!({"root": "lake", "path": "vae/Foo.pt"});
    assert_eq!(hub.ask("POST", "/api/files/rename", Some(body())).await.status, StatusCode::FORBIDDEN);
    let allow = BTreeMap::from([("LAKE_ALLOW_DELETE".to_owned(), Some("true".to_owned()))]);
    hub.state.services.save_settings(allow, &hub.state.tasks).await.unwrap();
    hub.ask("POST", "/api/queue/pause", None).await;
    let asked = hub.ask("POST", "/api/files/rename", Some(body())).await.body;
    // Meanwhile the name is given to something else, and the new one is taken.
    fs::rename(hub.folders.lake.path().join("vae/Foo.pt"), hub.folders.lake.path().join("vae/kept")).unwrap();
    hub.put(Root::Lake, "vae/Foo.pt", b"another");
    hub.ask("POST", "/api/queue/resume", None).await;
    let batch = format!("/api/batches/{}", asked["batch_id"]);
    hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    let failed = hub.get("/api/transfers?state=failed").await;
    assert_eq!(failed["items"][0]["error"]["code"], "changed", "{failed}");
    assert_eq!(held(&hub, Root::Lake, "vae")["Foo.pt"], "another");
}

/// The plan tells what would fail, and leaves both names alone.
#[tokio::test]
async fn a_plan_leaves_out_what_would_stand_beside_nearly_its_name() {
    let hub = hub_with(&[
        (Root::Local, "vae/Foo.pt"),
        (Root::Local, "loras/x.pt"),
        (Root::Local, "new/a.pt"),
        (Root::Local, "New/b.pt"),
        (Root::Lake, "vae/foo.pt"),
        (Root::Lake, "vae/gone.pt"),
        (Root::Lake, "Loras/y.pt"),
    ])
    .await;
    for delete in [false, true] {
        let body = json!({"from": "local", "to": "lake", "delete": delete});
        let plan = hub.ask("POST", "/api/mirrors", Some(body)).await.body;
        let items = hub.get(&format!("/api/mirrors/{}/items", plan["id"])).await;
        let rows: Vec<(&str, &str)> = items["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["action"].as_str().unwrap(), item["path"].as_str().unwrap()))
            .collect();
        let mut expected = vec![("conflict", "loras/x.pt"), ("conflict", "New/b.pt"), ("conflict", "vae/Foo.pt")];
        expected.push(("copy", "new/a.pt"));
        if delete {
            expected.extend([("conflict", "vae/foo.pt"), ("delete", "Loras/y.pt"), ("delete", "vae/gone.pt")]);
        }
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "{items}");
        let why = |path: &str| {
            let found = items["items"].as_array().unwrap().iter().find(|item| item["path"] == path).unwrap();
            found["why"].as_str().unwrap().to_owned()
        };
        assert!(why("vae/Foo.pt").ends_with("rename one of the two first: vae/foo.pt"), "{}", why("vae/Foo.pt"));
        assert!(why("loras/x.pt").ends_with(": Loras"), "{}", why("loras/x.pt"));
        assert!(why("New/b.pt").ends_with(": new"), "{}", why("New/b.pt"));
    }
}

/// With the same content a rename takes the place of a copy and a delete: no two names ever stand there.
#[tokio::test]
async fn a_plan_that_may_delete_renames_what_only_differs_in_case() {
    let hub = TestHub::with(ALLOWED).await;
    hub.put(Root::Local, "vae/Foo.pt", b"same");
    hub.put(Root::Lake, "vae/foo.pt", b"same");
    for n in 0..9 {
        hub.put(Root::Local, &format!("vae/{n}.pt"), &[n]);
        hub.put(Root::Lake, &format!("vae/{n}.pt"), &[n]);
    }
    hub.scan().await;
    for root in ["local", "lake"] {
        let job = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await.body;
        hub.wait_for(&format!("/api/hashes/{}", job["id"]), |job| job["state"] == "complete").await;
    }
    let body = json!({"from": "local", "to": "lake", "delete": true});
    let plan = hub.ask("POST", "/api/mirrors", Some(body)).await.body;
    assert_eq!((&plan["moves"]["n"], &plan["conflicts"]), (&json!(1), &json!(0)), "{plan}");
    let applied = hub.ask("POST", &format!("/api/mirrors/{}/apply", plan["id"]), None).await.body;
    hub.wait_for(&format!("/api/batches/{}", applied["batch_id"]), |batch| batch["n_open"] == 0).await;
    let names: Vec<String> = held(&hub, Root::Lake, "vae").into_keys().collect();
    assert!(names.contains(&"Foo.pt".to_owned()) && names.len() == 10, "{names:?}");
    let without = json!({"from": "lake", "to": "local", "delete": false});
    assert_eq!(hub.ask("POST", "/api/mirrors", Some(without)).await.body["copies"]["n"], 0);
}
