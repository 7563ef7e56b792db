//! Downloads through the routes, from a site in this process to the files on disk.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use parking_lot::Mutex;
use rstest::rstest;
use serde_json::{Value, json};

use super::download_site::{Site, blake3_of, file, noise, sha256, stalling, status};
use crate::domain::root::Root;
use crate::web::test_hub::{Answered, TestHub};

const SETTINGS: &[(&str, &str)] = &[
    ("REMOTE_ALLOW_PRIVATE_SOURCES", "true"),
    ("LOCAL_ALLOW_DELETE", "true"),
    ("REMOTE_STALL_TIMEOUT_SECONDS", "1"),
    ("REMOTE_SOURCE_PATIENCE_SECONDS", "0"),
    ("REMOTE_RETRY_PER_SOURCE", "1"),
    ("QUEUE_RETRY_COUNT", "0"),
];

async fn ask(hub: &TestHub, items: Value) -> Answered {
    hub.ask("POST", "/api/downloads", Some(json!({ "to": "local", "items": items }))).await
}

/// The first transfer of a batch, once it is in one of these states.
async fn first(hub: &TestHub, batch: &Value, states: &[&str]) -> Value {
    let path = format!("/api/transfers?batch={}", batch["batch_id"]);
    let is_so = |list: &Value| states.contains(&list["items"][0]["state"].as_str().unwrap());
    hub.wait_for(&path, is_so).await["items"][0].clone()
}

async fn done(hub: &TestHub, items: Value) -> Value {
    let asked = ask(hub, items).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    assert_eq!(asked.body["refused"], json!([]));
    first(hub, &asked.body, &["completed", "failed"]).await
}

fn names(hub: &TestHub, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(hub.folders.local.path().join(folder));
    let mut names: Vec<String> =
        entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_comes_verified_is_in_the_index_and_goes_by_an_undo() {
    let content = noise(1, 3 << 20);
    let site = Site::of(content.clone(), true).await;
    let hub = TestHub::with(SETTINGS).await;
    let item = json!([{ "url": site.at("/x?fileId=1"), "path": "loras/new/x.safetensors" }]);
    let transfer = done(&hub, item).await;
    assert_eq!((&transfer["state"], &transfer["operation"]), (&json!("completed"), &json!("download")), "{transfer}");
    assert_eq!((&transfer["site"], &transfer["verified"]), (&json!("127.0.0.1"), &json!(true)));
    assert_eq!((&transfer["to"], &transfer["size_bytes"]), (&json!("local"), &json!(content.len())));
    assert_eq!(transfer["hash"], blake3_of(&content));
    assert_eq!(std::fs::read(hub.folders.local.path().join("loras/new/x.safetensors")).unwrap(), content);
    assert_eq!(names(&hub, "loras/new"), ["x.safetensors"], "nothing is left beside it");
    let file = hub.get("/api/files/detail?root=local&path=loras/new/x.safetensors").await;
    assert_eq!(file["hash"], blake3_of(&content), "without a scan");
    let told = hub.get("/api/history?kind=batch").await;
    let summary = told["items"][0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("Downloaded 1 file to Local in "), "{summary}");

    let undo = hub.ask("POST", &format!("/api/batches/{}/undo", transfer["batch_id"]), None).await;
    assert_eq!(undo.status, StatusCode::ACCEPTED, "{}", undo.body);
    first(&hub, &undo.body, &["completed"]).await;
    assert_eq!(names(&hub, "loras/new"), [""; 0]);
    assert_eq!(hub.get("/api/trash?root=local").await["items"][0]["path"], "loras/new/x.safetensors");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_is_known_of_is_kept_and_marked() {
    let content = noise(2, 5_000);
    let site = Site::of(content.clone(), false).await;
    let hub = TestHub::with(SETTINGS).await;
    let transfer = done(&hub, json!([{ "url": site.at("/x"), "path": "vae/x.pt" }])).await;
    assert_eq!((&transfer["state"], &transfer["verified"]), (&json!("completed"), &json!(false)), "{transfer}");
    assert_eq!(transfer["hash"], blake3_of(&content), "its own");
    let told = hub.get("/api/history?kind=batch").await;
    assert_eq!(told["items"][0]["detail"], "1 file is not verified: no hash was known beforehand.");
    // A hash of either kind verifies it.
    for (n, hash) in [blake3_of(&content), format!("sha256:{}", sha256(&content))].into_iter().enumerate() {
        let item = json!([{ "url": site.at("/x"), "hash": hash, "path": format!("vae/y{n}.pt") }]);
        let transfer = done(&hub, item).await;
        assert_eq!((&transfer["state"], &transfer["verified"]), (&json!("completed"), &json!(true)), "{transfer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_comes_from_where_it_is_known_to_be() {
    let content = noise(3, 2 << 20);
    let site = Site::of(content.clone(), false).await;
    let hub = TestHub::with(SETTINGS).await;
    hub.put(Root::Lake, "loras/x.safetensors", &content);
    hub.put(Root::Local, "loras/other.safetensors", b"other");
    hub.scan().await;
    for root in ["lake", "local"] {
        let asked = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
        hub.wait_for(&format!("/api/hashes/{}", asked.body["id"]), |job| job["state"] == "complete").await;
    }
    let hash = blake3_of(&content);
    let item = json!([{ "hash": hash, "path": "loras/x.safetensors" }]);
    let refused = ask(&hub, item.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "no address is known: {}", refused.body);
    let urls = json!({ "urls": [{ "url": site.at("/gone") }, { "url": site.at("/x") }] });
    assert_eq!(hub.ask("PUT", &format!("/api/sources/{hash}"), Some(urls)).await.status, StatusCode::OK);
    let transfer = done(&hub, item.clone()).await;
    assert_eq!((&transfer["state"], &transfer["verified"]), (&json!("completed"), &json!(true)), "{transfer}");
    assert_eq!(std::fs::read(hub.folders.local.path().join("loras/x.safetensors")).unwrap(), content);
    let again = ask(&hub, item).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.body["refused"], json!([{ "path": "loras/x.safetensors", "why": "already there" }]));
    assert_eq!(again.body["n_transfers"], 0);
}

#[rstest]
#[case(json!({ "to": "local", "items": [] }), 400)]
#[case(json!({ "to": "nas", "items": [{ "url": "https://a.example/x", "path": "x" }] }), 400)]
#[case(json!({ "to": "local", "items": [{ "url": "https://a.example/x", "path": "../x" }] }), 400)]
#[case(json!({ "to": "local", "items": [{ "url": "https://a.example/x", "path": "x", "hash": "md5:00" }] }), 400)]
#[case(json!({ "to": "local", "items": [{ "url": "https://a.example/x", "path": "x" }], "on_conflict": "burn" }), 400)]
#[case(json!({ "to": "lake", "items": [{ "url": "https://a.example/x", "path": "x" }], "on_conflict": "replace" }), 403)]
#[case(json!({ "to": "local", "items": [{ "path": "x" }] }), 422)]
#[case(json!({ "to": "local", "items": [{ "url": "http://a.example/x", "path": "x" }] }), 422)]
#[case(json!({ "to": "local", "items": [{ "url": "https://a.example/x?token=canary", "path": "x" }] }), 422)]
#[case(json!({ "to": "local", "items": [{ "url": "https://127.0.0.1/x", "path": "x" }] }), 422)]
#[case(json!({ "to": "local", "items": [{ "hash": format!("sha256:{}", "0".repeat(64)), "path": "x" }] }), 422)]
#[tokio::test]
async fn what_is_asked_wrongly_is_refused(#[case] body: Value, #[case] status: u16) {
    let hub = TestHub::with(&[]).await;
    let refused = hub.ask("POST", "/api/downloads", Some(body.clone())).await;
    assert_eq!(refused.status.as_u16(), status, "{body}: {}", refused.body);
    assert!(!refused.body.to_string().contains("canary"), "{}", refused.body);
    assert_eq!(hub.get("/api/batches").await["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_can_not_be_asked_for_holds_up_no_other() {
    let site = Site::of(noise(4, 100), true).await;
    let hub = TestHub::with(SETTINGS).await;
    let items = json!([
        { "url": "https://a.example/x?sig=1", "path": "x.pt" },
        { "url": site.at("/y"), "path": ".git/y.pt" },
        { "url": site.at("/z"), "path": "z.pt" },
        { "url": site.at("/z"), "path": "Z.pt" },
    ]);
    let asked = ask(&hub, items).await;
    assert_eq!((asked.status, &asked.body["n_transfers"]), (StatusCode::ACCEPTED, &json!(1)), "{}", asked.body);
    let refused: Vec<&str> =
        asked.body["refused"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(refused, ["x.pt", ".git/y.pt", "Z.pt"], "{}", asked.body);
    assert_eq!(first(&hub, &asked.body, &["completed", "failed"]).await["state"], "completed");
}

/// Each cause is told by a word of its own, and nothing is left.
#[rstest]
#[case(401, "needs_token")]
#[case(403, "forbidden")]
#[case(404, "not_found")]
#[case(410, "not_found")]
#[case(200, "not_a_file")]
#[case(429, "rate_limited")]
#[case(503, "unreachable")]
#[tokio::test(flavor = "multi_thread")]
async fn why_a_site_does_not_give_it_is_told(#[case] answers: u16, #[case] code: &str) {
    let site = Site::start(move |_| match answers {
        200 => Response::builder().header("content-type", "text/html").body(Body::from("<html>Log in</html>")).unwrap(),
        other => status(other),
    });
    let site = site.await;
    let hub = TestHub::with(SETTINGS).await;
    let asked = ask(&hub, json!([{ "url": site.at("/x?fileId=7"), "path": "loras/x.safetensors" }])).await;
    let transfer = first(&hub, &asked.body, &["failed", "waiting"]).await;
    assert_eq!(transfer["error"]["code"], code, "{transfer}");
    let may_pass = matches!(answers, 429 | 503);
    assert_eq!(transfer["state"] == "waiting", may_pass, "{transfer}");
    let detail = transfer["error"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("127.0.0.1: ") && !detail.contains("fileId"), "{detail}");
    assert_eq!(names(&hub, "loras"), [""; 0], "no folder was made for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_never_get_the_name() {
    let (right, wrong) = (noise(5, 2 << 20), noise(6, 2 << 20));
    let declared = sha256(&right);
    let site = Site::start(move |heard| file(&wrong, heard, Some(declared.clone()))).await;
    let hub = TestHub::with(SETTINGS).await;
    for item in [
        json!({ "url": site.at("/x"), "path": "loras/x.safetensors" }),
        json!({ "url": site.at("/x"), "hash": blake3_of(&right), "path": "loras/x.safetensors" }),
    ] {
        let transfer = done(&hub, json!([item])).await;
        assert_eq!((&transfer["state"], &transfer["error"]["code"]), (&json!("failed"), &json!("wrong_bytes")));
        hub.wait_for("/api/queue", |_| names(&hub, "loras").is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_taken_is_left_replaced_or_kept_beside() {
    let content = noise(7, 100_000);
    let site = Site::of(content.clone(), true).await;
    let hub = TestHub::with(SETTINGS).await;
    hub.put(Root::Local, "vae/x.pt", b"mine");
    hub.put(Root::Lake, "vae/x.pt", b"mine");
    hub.scan().await;
    let ask = async |on_conflict: &str| {
        let items = json!([{ "url": site.at("/x"), "path": "vae/x.pt" }]);
        let body = json!({ "to": "local", "items": items, "on_conflict": on_conflict });
        hub.ask("POST", "/api/downloads", Some(body)).await.body
    };
    let left = ask("skip").await;
    assert_eq!(left["refused"][0]["why"], "there is another file of this name already", "{left}");
    let beside = first(&hub, &ask("keep_both").await, &["completed", "failed"]).await;
    assert_eq!(beside["state"], "completed", "{beside}");
    assert_eq!(names(&hub, "vae").len(), 2);
    assert_eq!(std::fs::read(hub.folders.local.path().join("vae/x.pt")).unwrap(), b"mine");
    let replaced = first(&hub, &ask("replace").await, &["completed", "failed"]).await;
    assert_eq!(replaced["state"], "completed", "{replaced}");
    assert_eq!(std::fs::read(hub.folders.local.path().join("vae/x.pt")).unwrap(), content);
    assert_eq!(hub.get("/api/trash?root=local").await["items"][0]["path"], "vae/x.pt");
    // What was replaced comes back by an undo.
    let undo = hub.ask("POST", &format!("/api/batches/{}/undo", replaced["batch_id"]), None).await;
    first(&hub, &undo.body, &["completed"]).await;
    assert_eq!(std::fs::read(hub.folders.local.path().join("vae/x.pt")).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_stalls_holds_up_no_copy_and_a_cancel_leaves_nothing() {
    let content = noise(8, 4 << 20);
    let site = Site::start(move |heard| stalling(&content, heard, 1 << 20)).await;
    let settings = SETTINGS.iter().copied().map(|(key, value)| match key {
        "REMOTE_STALL_TIMEOUT_SECONDS" => (key, "600"),
        other => (other, value),
    });
    let hub = TestHub::with(&settings.collect::<Vec<_>>()).await;
    hub.put(Root::Lake, "vae/c.pt", &[3; 300]);
    hub.scan().await;
    let items = |n: usize| {
        let items: Vec<Value> =
            (0..n).map(|n| json!({ "url": site.at("/x"), "path": format!("loras/{n}.safetensors") })).collect();
        Value::from(items)
    };
    // More than there are places.
    let asked = ask(&hub, items(3)).await;
    let list = format!("/api/transfers?batch={}", asked.body["batch_id"]);
    let n_at_half =
        |list: &Value| list["items"].as_array().unwrap().iter().filter(|one| one["bytes_done"] == 1 << 20).count();
    hub.wait_for(&list, |list| n_at_half(list) == 2).await;
    assert!(names(&hub, "loras").len() >= 4, "part files and their journals: {:?}", names(&hub, "loras"));
    let copy = json!({ "operation": "copy", "from": "lake", "to": "local", "paths": ["vae"] });
    let copied = hub.ask("POST", "/api/transfers", Some(copy)).await;
    assert_eq!(first(&hub, &copied.body, &["completed"]).await["state"], "completed");
    let queue = hub.get("/api/queue").await;
    assert_eq!((&queue["running"], &queue["queued"]), (&json!(2), &json!(1)), "{queue}");
    let cancelled = hub.ask("POST", &format!("/api/batches/{}/cancel", asked.body["batch_id"]), None).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.body);
    hub.wait_for(&list, |list| list["items"].as_array().unwrap().iter().all(|one| one["state"] == "cancelled")).await;
    hub.wait_for("/api/queue", |_| names(&hub, "loras").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_fetched_again() {
    let content = noise(9, 6 << 20);
    let (sent, is_open) = (content.clone(), Arc::new(Mutex::new(false)));
    let opened = Arc::clone(&is_open);
    let site = Site::start(move |heard| {
        if *opened.lock() { file(&sent, heard, Some(sha256(&sent))) } else { stalling(&sent, heard, 2 << 20) }
    });
    let site = site.await;
    let hub = TestHub::with(SETTINGS).await;
    let asked = ask(&hub, json!([{ "url": site.at("/x"), "path": "loras/x.safetensors" }])).await;
    let half = first(&hub, &asked.body, &["failed"]).await;
    assert_eq!(half["error"]["code"], "no_source", "{half}");
    *is_open.lock() = true;
    site.heard.lock().clear();
    let retry = hub.ask("POST", &format!("/api/transfers/{}/retry", half["id"]), None).await;
    assert_eq!(retry.status, StatusCode::OK, "{}", retry.body);
    let transfer = first(&hub, &asked.body, &["completed", "failed"]).await;
    assert_eq!(transfer["state"], "completed", "{transfer}");
    assert_eq!(std::fs::read(hub.folders.local.path().join("loras/x.safetensors")).unwrap(), content);
    let heard = site.heard.lock().clone();
    let fetched: Vec<_> = heard.iter().filter(|heard| !heard.is_look()).collect();
    assert!(fetched.iter().all(|heard| heard.range.is_some_and(|(from, _)| from >= 2 << 20)), "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_their_hours_downloads_wait_and_copies_go_on() {
    let site = Site::of(noise(10, 1_000), true).await;
    let now = jiff::Zoned::now();
    let hour = |after: i64| {
        let at = now.checked_add(jiff::Span::new().hours(after)).unwrap();
        format!("{:02}:{:02}", at.hour(), at.minute())
    };
    let closed = format!("{}-{}", hour(2), hour(3));
    let hub = TestHub::with(SETTINGS).await;
    hub.put(Root::Lake, "vae/c.pt", &[3; 300]);
    hub.scan().await;
    let set = async |value: &str| {
        let answered = hub.ask("PUT", "/api/settings", Some(json!({ "DOWNLOAD_HOURS": value }))).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    };
    set(&closed).await;
    let asked = ask(&hub, json!([{ "url": site.at("/x"), "path": "loras/x.safetensors" }])).await;
    let copy = json!({ "operation": "copy", "from": "lake", "to": "local", "paths": ["vae"] });
    let copied = hub.ask("POST", "/api/transfers", Some(copy)).await;
    first(&hub, &copied.body, &["completed"]).await;
    let queue = hub.wait_for("/api/queue", |queue| queue["waiting_for"].is_string()).await;
    let why = queue["waiting_for"].as_str().unwrap();
    assert!(why.starts_with(&format!("Downloads wait for their hours, {closed}")), "{why}");
    assert_eq!(first(&hub, &asked.body, &["queued"]).await["state"], "queued");
    assert_eq!(site.heard.lock().len(), 0, "nobody was asked");
    set(&format!("{}-{}", hour(-2), hour(2))).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(first(&hub, &asked.body, &["completed"]).await["state"], "completed");
}
