//! What is not seen is not gone: links, names, folders and disks, through the routes.
#![cfg(unix)]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];

/// Both sides alike but for three checkpoints that only `has` has.
async fn library(has: Root) -> TestHub {
    let hub = TestHub::with(ALLOWED).await;
    for root in Root::ALL {
        for n in 0..20 {
            hub.put(root, &format!("loras/l{n}.pt"), &[n; 20]);
        }
    }
    for n in 0..3 {
        hub.put(has, &format!("checkpoints/c{n}.pt"), &[n; 90]);
        hub.put(has, &format!("backup/c{n}.pt"), &[n; 90]);
        hub.put(has.other(), &format!("backup/c{n}.pt"), &[n; 90]);
    }
    hub
}

fn folder(hub: &TestHub, root: Root) -> &std::path::Path {
    hub.folders.get(root).path()
}

async fn hash(hub: &TestHub) {
    for root in ["local", "lake"] {
        let started = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
        hub.wait_for(&format!("/api/hashes/{}", started.body["id"]), |job| job["state"] == "complete").await;
    }
}

async fn plan(hub: &TestHub, to: Root) -> Value {
    let body = json!({"from": to.other(), "to": to, "compare": "size_mtime", "delete": true});
    let made = hub.ask("POST", "/api/mirrors", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made.body
}

async fn status(hub: &TestHub, status: &str) -> Vec<String> {
    let list = hub.get(&format!("/api/diff?status={status}")).await;
    list["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

async fn skipped(hub: &TestHub, root: Root) -> Vec<Value> {
    hub.get(&format!("/api/roots/{root}/skipped")).await["items"].as_array().unwrap().clone()
}

/// The part of a root in the last scan, with what both scans removed that ran.
async fn scanned(hub: &TestHub, root: Root) -> Value {
    hub.scan().await;
    let scans = hub.get("/api/scans?limit=2").await;
    let part = |n: usize| scans["items"][n]["roots"][root.as_str()].clone();
    let mut last = part(0);
    last["n_removed"] = json!(last["n_removed"].as_u64().unwrap() + part(1)["n_removed"].as_u64().unwrap());
    last
}

#[tokio::test]
async fn behind_a_link_nothing_is_gone_in_either_direction() {
    for has in Root::ALL {
        let hub = library(has).await;
        let linked = has.other();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder(&hub, linked).join("checkpoints")).unwrap();
        hub.scan().await;
        hash(&hub).await;
        let unknown = hub.get("/api/diff?status=unknown").await;
        assert_eq!(unknown["total"], 3, "{unknown}");
        assert_eq!(
            (&unknown["summary"]["unknown"]["n"], &unknown["summary"]["lake_only"]["n"]),
            (&json!(3), &json!(0))
        );
        let why = unknown["items"][0]["why"].as_str().unwrap();
        assert!(why.contains("checkpoints") && why.contains("a link to") && why.contains(linked.label()), "{why}");

        // The side that has them is not made like the one that was not seen, nor the other way round.
        for to in Root::ALL {
            let plan = plan(&hub, to).await;
            for done in ["deletes", "copies", "overwrites", "moves", "last_copies"] {
                assert_eq!(plan[done]["n"], 0, "{done} to {to}: {plan}");
            }
            assert_eq!((&plan["left_out"]["n"], &plan["unknown"][0]["path"]), (&json!(3), &json!("checkpoints")));
            let items = hub.get(&format!("/api/mirrors/{}/items", plan["id"])).await;
            let why = items["items"][0]["why"].as_str().unwrap();
            assert!(why.contains("was not seen here") && why.contains("a link to"), "{why}");
        }
        let copy = json!({"operation": "copy", "from": has, "to": linked, "paths": ["checkpoints"]});
        let copied = hub.ask("POST", "/api/transfers", Some(copy)).await.body;
        assert_eq!(copied["n_transfers"], 0, "nothing is copied through a link: {copied}");
        assert!(copied["skipped"][0]["why"].as_str().unwrap().contains("a link to"), "{copied}");
        assert!(folder(&hub, linked).join("checkpoints").is_symlink(), "the link stays a link");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn what_a_link_covers_is_no_copy_and_does_not_leave() {
    let hub = library(Root::Local).await;
    hub.put(Root::Lake, "checkpoints/c0.pt", &[0; 90]);
    hub.put(Root::Lake, "only/x.pt", &[77; 50]);
    hub.put(Root::Local, "mine/x.pt", &[77; 50]);
    hub.scan().await;
    hash(&hub).await;
    let local_of = |list: &Value| {
        let paths = list["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap().to_owned());
        paths.collect::<Vec<_>>()
    };
    let before = local_of(&hub.get("/api/evictions/candidates").await);
    assert!(before.contains(&"checkpoints/c0.pt".to_owned()) && before.contains(&"mine/x.pt".to_owned()), "{before:?}");

    // The Lake's folder moves to another disk, and a link stands in its place.
    let away = tempfile::tempdir().unwrap();
    for name in ["checkpoints", "only"] {
        fs::rename(folder(&hub, Root::Lake).join(name), away.path().join(name)).unwrap();
        symlink(away.path().join(name), folder(&hub, Root::Lake).join(name)).unwrap();
    }
    let scan = scanned(&hub, Root::Lake).await;
    assert_eq!((&scan["state"], &scan["n_removed"], &scan["n_skipped"]), (&json!("complete"), &json!(0), &json!(2)));
    let after = local_of(&hub.get("/api/evictions/candidates").await);
    assert!(!after.iter().any(|path| path.starts_with("checkpoints/")), "{after:?}");
    let evicted = hub.ask("POST", "/api/evictions", Some(json!({"paths": ["checkpoints"]}))).await.body;
    assert_eq!(evicted["n_transfers"], 0, "{evicted}");
    assert!(evicted["refused"][0]["why"].as_str().unwrap().contains("a link to"), "{evicted}");
}

#[tokio::test]
async fn names_that_can_not_be_stored_cover_what_another_system_calls_them() {
    for odd in Root::ALL {
        let hub = library(Root::Lake).await;
        hub.scan().await;
        let (odd, plain) = (odd, odd.other());
        for (name, other) in
            [("trail .", "trail/m.pt"), ("a:b.pt", "a_b.pt"), ("CON", "_con/x.pt"), ("\u{e9}: 1", "e\u{301}_ 1/y.pt")]
        {
            fs::create_dir(folder(&hub, odd).join(name)).unwrap();
            hub.put(plain, other, b"the same, as another system wrote it");
        }
        fs::write(folder(&hub, odd).join(std::ffi::OsStr::from_bytes(b"caf\xe9.pt")), b"x").unwrap();
        hub.put(plain, "caf\u{e9}.pt", b"x");
        let first = scanned(&hub, odd).await;
        assert_eq!((&first["state"], &first["n_skipped"]), (&json!("complete"), &json!(5)), "{first}");
        let again = scanned(&hub, odd).await;
        assert_eq!(again["n_skipped"], 5, "the same at every scan");
        let unknown = status(&hub, "unknown").await;
        assert_eq!(unknown.len(), 5, "{unknown:?}");
        let plan = plan(&hub, plain).await;
        let deletes = if plain == Root::Lake { 3 } else { 0 };
        assert_eq!((&plan["left_out"]["n"], &plan["deletes"]["n"]), (&json!(5), &json!(deletes)), "{plan}");
        let list = skipped(&hub, odd).await;
        assert!(list.iter().all(|entry| entry["unknown"] == true && !entry["way_out"].as_str().unwrap().is_empty()));
        let reasons: Vec<_> = list.iter().map(|entry| entry["reason"].as_str().unwrap()).collect();
        assert!(reasons.contains(&"bad_name") && reasons.contains(&"not_unicode"), "{reasons:?}");
    }
}

/// Makes the index believe that a disk was mounted on a folder at the last scan.
async fn was_mounted(hub: &TestHub, root: Root, path: &'static str) {
    let row = hub.state.services.roots.live(root).unwrap().row;
    let sql = "UPDATE folders SET mount = 'fsid:of-before' WHERE root_id = ?1 AND path = ?2";
    hub.state.services.database.write(move |tx| Ok(tx.execute(sql, (row.0, path))?)).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_is_away_takes_nothing_with_it_and_comes_back() {
    for away in Root::ALL {
        let hub = library(away).await;
        hub.scan().await;
        hash(&hub).await;
        let place = folder(&hub, away).join("checkpoints");
        let kept = tempfile::tempdir().unwrap();
        was_mounted(&hub, away, "checkpoints").await;
        for n in 0..3 {
            let name = format!("c{n}.pt");
            fs::rename(place.join(&name), kept.path().join(&name)).unwrap();
        }
        for _ in 0..2 {
            let scan = scanned(&hub, away).await;
            assert_eq!((&scan["state"], &scan["n_removed"]), (&json!("partial"), &json!(0)), "{scan}");
            assert_eq!((&scan["n_skipped"], &scan["n_errors"]), (&json!(1), &json!(1)));
        }
        let entry = &skipped(&hub, away).await[0];
        assert_eq!((&entry["path"], &entry["reason"]), (&json!("checkpoints"), &json!("disk_missing")));
        assert_eq!(entry["can_accept"], true);
        assert_eq!(status(&hub, "unknown").await.len(), 3);
        let plan = plan(&hub, away).await;
        assert_eq!((&plan["deletes"]["n"], &plan["left_out"]["n"]), (&json!(0), &json!(3)), "{plan}");
        let files = hub.get(&format!("/api/files?root={away}&folder=checkpoints")).await;
        assert_eq!(files["total"], 3, "its last index stays");
        assert_eq!(hub.get(&format!("/api/folders?root={away}&path=checkpoints")).await["n_files"], 3);

        // The disk is back.
        for n in 0..3 {
            let name = format!("c{n}.pt");
            fs::rename(kept.path().join(&name), place.join(&name)).unwrap();
        }
        let scan = scanned(&hub, away).await;
        assert_eq!((&scan["state"], &scan["n_skipped"]), (&json!("complete"), &json!(0)), "{scan}");
        let alone = if away == Root::Local { "local_only" } else { "lake_only" };
        assert_eq!(status(&hub, alone).await.len(), 3, "as before");
    }
}

#[tokio::test]
async fn a_person_says_that_a_disk_is_meant_to_be_gone() {
    let hub = library(Root::Lake).await;
    hub.scan().await;
    was_mounted(&hub, Root::Lake, "checkpoints").await;
    fs::remove_dir_all(folder(&hub, Root::Lake).join("checkpoints")).unwrap();
    let scan = scanned(&hub, Root::Lake).await;
    assert_eq!((&scan["state"], &scan["n_removed"]), (&json!("partial"), &json!(0)), "its mount point is gone: {scan}");
    let accept =
        async |path: &str| hub.ask("POST", "/api/roots/lake/skipped/accept", Some(json!({ "path": path }))).await;
    assert_eq!(accept("nowhere").await.status, StatusCode::NOT_FOUND);
    let accepted = accept("checkpoints").await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.body);
    let path = format!("/api/scans/{}", accepted.body["id"]);
    let scan = hub.wait_for(&path, |scan| scan["state"] != "running").await;
    assert_eq!((&scan["state"], &scan["roots"]["lake"]["n_removed"]), (&json!("complete"), &json!(3)), "{scan}");
    assert!(skipped(&hub, Root::Lake).await.is_empty() && status(&hub, "unknown").await.is_empty());
}

#[tokio::test]
async fn a_plan_of_before_a_place_turned_unknown_is_not_carried_out() {
    let hub = library(Root::Lake).await;
    hub.scan().await;
    hash(&hub).await;
    let plan = plan(&hub, Root::Lake).await;
    assert_eq!(plan["deletes"]["n"], 3, "{plan}");
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), folder(&hub, Root::Local).join("checkpoints")).unwrap();
    hub.scan().await;
    let apply = json!({"confirm": "3", "confirm_last_copies": true});
    let applied = hub.ask("POST", &format!("/api/mirrors/{}/apply", plan["id"]), Some(apply)).await;
    assert_eq!(applied.status, StatusCode::CONFLICT, "{}", applied.body);
}

/// What was queued before is asked again when its turn comes.
#[tokio::test]
async fn deletes_that_were_queued_before_a_place_turned_unknown_do_not_happen() {
    let hub = library(Root::Lake).await;
    hub.scan().await;
    hash(&hub).await;
    hub.ask("POST", "/api/queue/pause", None).await;
    let plan = plan(&hub, Root::Lake).await;
    let apply = json!({"confirm": "3", "confirm_last_copies": true});
    let applied = hub.ask("POST", &format!("/api/mirrors/{}/apply", plan["id"]), Some(apply)).await;
    assert_eq!(applied.status, StatusCode::ACCEPTED, "{}", applied.body);
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), folder(&hub, Root::Local).join("checkpoints")).unwrap();
    hub.scan().await;
    hub.ask("POST", "/api/queue/resume", None).await;
    let batch = format!("/api/batches/{}", applied.body["batch_id"]);
    let batch = hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    for item in batch["items"].as_array().unwrap() {
        assert_eq!(item["error"]["code"], "unknown_place", "{item}");
    }
    assert!((0..3).all(|n| folder(&hub, Root::Lake).join(format!("checkpoints/c{n}.pt")).exists()));
}

#[tokio::test]
async fn what_is_left_alone_by_rule_is_listed_and_not_unknown() {
    let hub = library(Root::Lake).await;
    hub.put(Root::Local, "Thumbs.db", b"x");
    hub.put(Root::Local, "@eaDir/y", b"x");
    for _ in 0..2 {
        let scan = scanned(&hub, Root::Local).await;
        assert_eq!((&scan["state"], &scan["n_skipped"]), (&json!("complete"), &json!(2)), "{scan}");
    }
    let list = skipped(&hub, Root::Local).await;
    assert!(list.iter().all(|entry| entry["unknown"] == false && entry["reason"] == "excluded"), "{list:?}");
    assert!(status(&hub, "unknown").await.is_empty());
    let page = hub.get("/api/roots/local/skipped?limit=1").await;
    assert_eq!(page["total"], 2);
    let next =
        hub.get(&format!("/api/roots/local/skipped?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_ne!(page["items"][0]["path"], next["items"][0]["path"]);
}
