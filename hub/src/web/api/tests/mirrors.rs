//! Plans through the routes, to the files on disk.

use std::fs;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::{Answered, TestHub};

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];

/// Something of every kind, and enough beside it that one delete is no fifth.
async fn library(settings: &[(&str, &str)]) -> TestHub {
    let hub = TestHub::with(settings).await;
    for n in 0..12 {
        for root in Root::ALL {
            hub.put(root, &format!("vae/same{n}.pt"), &[n; 50]);
        }
    }
    hub.put(Root::Lake, "loras/new.safetensors", &[1; 100]);
    hub.put(Root::Lake, "loras/both.safetensors", &[2; 30]);
    hub.put(Root::Local, "loras/both.safetensors", &[3; 31]);
    hub.put(Root::Lake, "renamed/here.safetensors", &[4; 70]);
    hub.put(Root::Local, "renamed/there.safetensors", &[4; 70]);
    hub.put(Root::Local, "old/gone.safetensors", &[5; 40]);
    level_times(&hub);
    hub.scan().await;
    hash(&hub).await;
    hub
}

/// Gives every file the same time, so that only contents differ.
fn level_times(hub: &TestHub) {
    for root in Root::ALL {
        for entry in walkdir::WalkDir::new(hub.folders.get(root).path()).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let file = fs::File::options().write(true).open(entry.path()).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
            }
        }
    }
}

async fn hash(hub: &TestHub) {
    for root in ["local", "lake"] {
        let started = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.body);
        hub.wait_for(&format!("/api/hashes/{}", started.body["id"]), |job| job["state"] == "complete").await;
    }
}

async fn make(hub: &TestHub, body: Value) -> Answered {
    hub.ask("POST", "/api/mirrors", Some(body)).await
}

fn mirror() -> Value {
    json!({"from": "lake", "to": "local", "compare": "size_mtime", "delete": true})
}

async fn made(hub: &TestHub, body: Value) -> Value {
    let answered = make(hub, body).await;
    assert_eq!(answered.status, StatusCode::CREATED, "{}", answered.body);
    answered.body
}

async fn apply(hub: &TestHub, plan: &Value, body: Value) -> Answered {
    hub.ask("POST", &format!("/api/mirrors/{}/apply", plan["id"]), Some(body)).await
}

async fn done(hub: &TestHub, plan: &Value, body: Value) -> Value {
    let answered = apply(hub, plan, body).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED, "{}", answered.body);
    hub.wait_for(&format!("/api/batches/{}", answered.body["batch_id"]), |batch| batch["n_open"] == 0).await
}

fn local(hub: &TestHub, path: &str) -> Option<Vec<u8>> {
    fs::read(hub.folders.local.path().join(path)).ok()
}

#[tokio::test]
async fn a_plan_is_shown_carried_out_and_undone() {
    let hub = library(ALLOWED).await;
    let plan = made(&hub, mirror()).await;
    let n = |name: &str| plan[name]["n"].as_u64().unwrap();
    assert_eq!((n("copies"), n("overwrites"), n("moves"), n("deletes")), (1, 1, 1, 1), "{plan}");
    assert_eq!((n("last_copies"), &plan["conflicts"], &plan["state"]), (1, &json!(0), &json!("ready")));
    assert_eq!((&plan["needs_confirmation"], &plan["copies"]["bytes"]), (&json!(false), &json!(100)));
    assert!(plan["free_bytes_after"].as_i64().unwrap() > 0 && plan["delete_share"].as_f64().unwrap() < 0.2);

    let items = hub.get(&format!("/api/mirrors/{}/items", plan["id"])).await;
    let rows: Vec<_> = items["items"].as_array().unwrap().iter().map(|row| (&row["action"], &row["path"])).collect();
    let expected = [
        (json!("move"), json!("renamed/there.safetensors")),
        (json!("copy"), json!("loras/new.safetensors")),
        (json!("overwrite"), json!("loras/both.safetensors")),
        (json!("delete"), json!("old/gone.safetensors")),
    ];
    assert_eq!(rows, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    assert_eq!(items["items"][0]["to_path"], "renamed/here.safetensors");
    let deletes = hub.get(&format!("/api/mirrors/{}/items?action=delete", plan["id"])).await;
    assert_eq!((&deletes["total"], &deletes["items"][0]["last_copy"]), (&json!(1), &json!(true)));

    let unsaid = apply(&hub, &plan, json!({})).await;
    assert_eq!(unsaid.status, StatusCode::UNPROCESSABLE_ENTITY, "the last copy has a word of its own");
    assert_eq!(hub.get("/api/batches").await["total"], 0, "nothing was queued");
    let batch = done(&hub, &plan, json!({"confirm_last_copies": true})).await;
    assert_eq!((&batch["n_completed"], &batch["operation"]), (&json!(4), &json!("mirror")), "{batch}");
    assert_eq!(local(&hub, "loras/both.safetensors").unwrap(), [2; 30]);
    assert_eq!(local(&hub, "renamed/here.safetensors").unwrap(), [4; 70]);
    assert!(local(&hub, "renamed/there.safetensors").is_none() && local(&hub, "old/gone.safetensors").is_none());
    let shown = hub.get(&format!("/api/mirrors/{}", plan["id"])).await;
    assert_eq!((&shown["state"], &shown["batch_id"]), (&json!("applied"), &batch["id"]));
    let again = apply(&hub, &plan, json!({"confirm_last_copies": true})).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let nothing = made(&hub, mirror()).await;
    assert_eq!(apply(&hub, &nothing, json!({})).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{nothing}");
    assert_eq!(hub.get(&format!("/api/mirrors/{}/items", nothing["id"])).await["total"], 0);

    let undone = hub.ask("POST", &format!("/api/batches/{}/undo", batch["id"]), None).await;
    assert_eq!(undone.status, StatusCode::ACCEPTED, "{}", undone.body);
    let batch = hub.wait_for(&format!("/api/batches/{}", undone.body["batch_id"]), |b| b["n_open"] == 0).await;
    assert_eq!(batch["n_failed"], 0, "{batch}");
    assert_eq!(local(&hub, "loras/both.safetensors").unwrap(), [3; 31]);
    assert_eq!(local(&hub, "renamed/there.safetensors").unwrap(), [4; 70]);
    assert_eq!(local(&hub, "old/gone.safetensors").unwrap(), [5; 40]);
    assert!(local(&hub, "loras/new.safetensors").is_none() && local(&hub, "renamed/here.safetensors").is_none());
}

#[tokio::test]
async fn without_deletes_nothing_leaves_its_place() {
    let hub = library(ALLOWED).await;
    let plan = made(&hub, json!({"from": "lake", "to": "local", "compare": "hash", "delete": false})).await;
    assert_eq!((&plan["moves"]["n"], &plan["deletes"]["n"], &plan["copies"]["n"]), (&json!(0), &json!(0), &json!(2)));
    done(&hub, &plan, json!({})).await;
    assert_eq!(local(&hub, "renamed/there.safetensors").unwrap(), [4; 70]);
    assert_eq!(local(&hub, "renamed/here.safetensors").unwrap(), [4; 70]);
    assert!(local(&hub, "old/gone.safetensors").is_some());
}

#[tokio::test]
async fn a_folder_is_mirrored_and_nothing_beside_it() {
    let hub = library(ALLOWED).await;
    let body = json!({"from": "lake", "to": "local", "folder": "renamed", "delete": true});
    let plan = made(&hub, body).await;
    assert_eq!((&plan["moves"]["n"], &plan["copies"]["n"], &plan["deletes"]["n"]), (&json!(1), &json!(0), &json!(0)));
    // A rename that would reach into the folder from outside is a copy.
    let body = json!({"from": "local", "to": "lake", "folder": "old", "delete": true});
    let other = made(&hub, body).await;
    assert_eq!((&other["copies"]["n"], &other["moves"]["n"]), (&json!(1), &json!(0)));
    done(&hub, &plan, json!({})).await;
    assert!(local(&hub, "old/gone.safetensors").is_some() && local(&hub, "loras/new.safetensors").is_none());
    let nowhere = make(&hub, json!({"from": "lake", "to": "local", "folder": "nowhere"})).await;
    assert_eq!(nowhere.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", nowhere.body);
}

#[tokio::test]
async fn what_is_asked_wrongly_or_not_allowed_is_refused() {
    let hub = library(&[("LAKE_ALLOW_DELETE", "true")]).await;
    for (body, status) in [
        (json!({"from": "lake"}), 400),
        (json!({"from": "lake", "to": "nas"}), 400),
        (json!({"from": "lake", "to": "local", "folder": "../x"}), 400),
        (json!({"from": "lake", "to": "local", "compare": "name"}), 400),
        (json!({"from": "lake", "to": "lake"}), 422),
        (mirror(), 403),
    ] {
        let answered = make(&hub, body.clone()).await;
        assert_eq!(answered.status.as_u16(), status, "{body}: {}", answered.body);
    }
    // What would replace a file is shown, and can't be carried out.
    let plan = made(&hub, json!({"from": "lake", "to": "local"})).await;
    assert!(plan["blocked"].as_str().unwrap().contains("LOCAL_ALLOW_DELETE"), "{plan}");
    assert_eq!(apply(&hub, &plan, json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(local(&hub, "loras/both.safetensors").unwrap(), [3; 31]);
    // Without replacing anything it needs no leave.
    let plan = made(&hub, json!({"from": "lake", "to": "local", "overwrite": false})).await;
    assert_eq!((&plan["left_out"]["n"], &plan["blocked"]), (&json!(1), &Value::Null));
    assert_eq!(done(&hub, &plan, json!({})).await["n_completed"], 2);
    for path in ["/api/mirrors/99", "/api/mirrors/99/items"] {
        assert_eq!(hub.ask("GET", path, None).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(hub.ask("POST", "/api/mirrors/99/apply", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hub.get("/api/mirrors?limit=1").await["total"], 2);
}

#[tokio::test]
async fn over_a_fifth_has_to_be_confirmed_by_its_number() {
    let hub = TestHub::with(ALLOWED).await;
    for n in 0..4 {
        hub.put(Root::Local, &format!("a{n}"), &[n; 10]);
    }
    hub.put(Root::Lake, "a0", &[0; 10]);
    hub.put(Root::Lake, "twin", &[1; 10]);
    level_times(&hub);
    hub.scan().await;
    let plan = made(&hub, mirror()).await;
    assert_eq!((&plan["needs_confirmation"], &plan["last_copies"]["n"]), (&json!(true), &json!(3)), "no hash, no twin");
    hash(&hub).await;
    let stale = apply(&hub, &plan, json!({"confirm": "3", "confirm_last_copies": true})).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{}", stale.body);
    assert_eq!(hub.get(&format!("/api/mirrors/{}", plan["id"])).await["state"], "stale");

    let plan = made(&hub, mirror()).await;
    assert_eq!(
        (&plan["moves"]["n"], &plan["deletes"]["n"], &plan["last_copies"]["n"]),
        (&json!(1), &json!(2), &json!(2))
    );
    for said in [json!({}), json!({"confirm": "3"}), json!({"confirm": "2"}), json!({"confirm_last_copies": true})] {
        assert_eq!(apply(&hub, &plan, said.clone()).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    }
    let batch = done(&hub, &plan, json!({"confirm": "2", "confirm_last_copies": true})).await;
    assert_eq!(batch["n_completed"], 3, "{batch}");
}

#[tokio::test]
async fn two_plans_for_the_same_files_do_not_both_run() {
    let hub = library(ALLOWED).await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let (one, other) = (made(&hub, mirror()).await, made(&hub, mirror()).await);
    let first = apply(&hub, &one, json!({"confirm_last_copies": true})).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.body);
    let second = apply(&hub, &other, json!({"confirm_last_copies": true})).await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{}", second.body);
    assert_eq!(hub.get("/api/batches").await["total"], 1);
}

#[tokio::test]
async fn a_changed_file_is_left_and_the_deletes_with_it() {
    let hub = library(ALLOWED).await;
    let plan = made(&hub, mirror()).await;
    hub.put(Root::Local, "loras/both.safetensors", b"written by someone else meanwhile");
    let batch = done(&hub, &plan, json!({"confirm_last_copies": true})).await;
    assert_eq!((&batch["n_completed"], &batch["n_failed"]), (&json!(2), &json!(2)), "{batch}");
    let transfers = hub.get(&format!("/api/transfers?batch={}", batch["id"])).await;
    let codes: Vec<_> = transfers["items"].as_array().unwrap().iter().map(|t| t["error"]["code"].as_str()).collect();
    assert_eq!(codes, [None, None, Some("changed"), Some("copies_failed")], "{transfers}");
    assert_eq!(local(&hub, "loras/both.safetensors").unwrap(), b"written by someone else meanwhile");
    assert!(local(&hub, "old/gone.safetensors").is_some(), "nothing is deleted");
}

#[tokio::test]
async fn hashes_that_are_missing_leave_the_pair_alone() {
    let hub = TestHub::with(ALLOWED).await;
    hub.put(Root::Lake, "a", &[1; 10]);
    hub.put(Root::Local, "a", &[2; 10]);
    level_times(&hub);
    hub.scan().await;
    let body = json!({"from": "lake", "to": "local", "compare": "hash"});
    let plan = made(&hub, body.clone()).await;
    assert_eq!((&plan["unverified"]["n"], &plan["overwrites"]["n"]), (&json!(1), &json!(0)));
    let items = hub.get(&format!("/api/mirrors/{}/items", plan["id"])).await;
    assert_eq!(items["items"][0]["why"], "equal size; neither file has a hash yet");
    hash(&hub).await;
    let plan = made(&hub, body).await;
    assert_eq!((&plan["unverified"]["n"], &plan["overwrites"]["n"]), (&json!(0), &json!(1)));
}
