//! Pages and fragments through the router, over real services and folders.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may unwrap")]

mod duplicates;
mod lists;
mod names;
mod plans;
mod sources;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use strum::VariantArray as _;

use crate::domain::root::Root;
use crate::web::address::encode;
use crate::web::live::Topic;
use crate::web::test_hub::{Answered, PORT, TestHub};

const PAGES: [&str; 31] = [
    "/",
    "/library",
    "/library?root=lake&view=cards&folder=loras",
    "/library?root=lake&open=loras/x.safetensors",
    "/library?q=nothing-has-this-name",
    "/models",
    "/models?view=rows&state=damaged",
    "/models?q=nothing-has-this-name",
    "/diff",
    "/diff?status=same&q=x",
    "/duplicates",
    "/duplicates?view=weights",
    "/duplicates?view=both&keep=newest&action=hardlink",
    "/queue",
    "/queue?tab=batches",
    "/hashes",
    "/remote",
    "/remote?tab=done",
    "/evict",
    "/evict?free=0.5&by=age",
    "/evict?tab=evicted&q=x",
    "/sources",
    "/sources?q=nothing&show=trouble",
    "/space",
    "/space?root=lake",
    "/trash",
    "/trash?root=lake&q=nothing",
    "/history",
    "/logs",
    "/settings",
    "/setup",
];

async fn browse(hub: &TestHub, path: &str) -> (StatusCode, String) {
    let request = Request::get(path)
        .header("host", format!("127.0.0.1:{PORT}"))
        .header("accept", "text/html,application/xhtml+xml")
        .body(Body::empty())
        .unwrap();
    text(&hub.send(request).await)
}

async fn submit(hub: &TestHub, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = Request::post(path)
        .header("host", format!("127.0.0.1:{PORT}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-hub-token", hub.state.token.as_str())
        .body(Body::from(body.join("&")))
        .unwrap();
    text(&hub.send(request).await)
}

fn text(answered: &Answered) -> (StatusCode, String) {
    let text = answered.body.as_str().map_or_else(|| answered.body.to_string(), str::to_owned);
    (answered.status, text)
}

/// The value of the field of this name.
fn field(html: &str, name: &str) -> String {
    let start = html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    start.split('"').next().unwrap().to_owned()
}

async fn filled() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Lake, "loras/x.safetensors", b"lora");
    hub.put(Root::Lake, "loras/x.preview.png", b"\x89PNG\r\n\x1a\n0");
    hub.put(Root::Lake, "loras/<b>&\".safetensors".replace(['<', '>', '"'], "_").as_str(), b"odd");
    hub.put(Root::Local, "vae/a.safetensors", b"vae");
    hub.put(Root::Local, "vae/b.safetensors", b"vae 2");
    hub.scan().await;
    hub
}

#[tokio::test]
async fn every_page_is_made_before_and_after_the_set_up() {
    let bare = TestHub::bare().await;
    let filled = filled().await;
    for path in PAGES {
        for hub in [&bare, &filled] {
            let (status, html) = browse(hub, path).await;
            assert_eq!(status, StatusCode::OK, "{path}: {html}");
            assert!(html.contains("</html>") && html.contains(hub.state.token.as_str()), "{path}");
        }
    }
    let (_, home) = browse(&bare, "/").await;
    assert!(home.contains("href=\"/setup\""), "a bare hub leads to its set-up");
}

/// A piece whose place is missing is dropped by the browser without a word.
#[tokio::test]
async fn every_live_piece_has_its_place_on_the_page() {
    let hub = filled().await;
    let mut seen = Vec::new();
    for path in PAGES {
        let (_, html) = browse(&hub, path).await;
        let topics = html.split("/ws/ui?topics=").nth(1).unwrap().split('"').next().unwrap();
        for topic in Topic::read(topics).unwrap() {
            for piece in topic.pieces(&hub.state).await.unwrap() {
                assert!(html.contains(&format!("id=\"{}\"", piece.id)), "{path} has no place {}", piece.id);
            }
            if let Some(list) = topic.list() {
                assert!(html.contains(&format!("{list}-changed from:body")), "{path} does not listen for {list}");
            }
            seen.push(topic);
        }
    }
    for topic in Topic::VARIANTS {
        assert!(seen.contains(topic), "no page shows {topic:?}");
    }
}

#[tokio::test]
async fn pieces_beside_an_answer_have_their_place_too() {
    let hub = filled().await;
    for (page, fragment) in [
        ("/library", "/ui/library/rows?root=local"),
        ("/diff?status=lake_only", "/ui/diff/results?status=lake_only"),
        ("/diff", "/ui/diff/rows?status=lake_only"),
        ("/queue", "/ui/queue/list"),
    ] {
        let (status, html) = browse(&hub, fragment).await;
        assert_eq!(status, StatusCode::OK, "{fragment}: {html}");
        let (_, page_html) = browse(&hub, page).await;
        let targets: Vec<_> = html.split("<hx-partial hx-target=\"#").skip(1).collect();
        assert!(!targets.is_empty(), "{fragment}");
        for target in targets {
            let id = target.split('"').next().unwrap();
            assert!(page_html.contains(&format!("id=\"{id}\"")), "{page} has no place {id}");
        }
    }
    let (_, page) = browse(&hub, "/library").await;
    for id in ["toasts", "alerts", "dialog", "bulk", "drawer", "selection-id"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[tokio::test]
async fn a_dead_link_is_a_page_for_people_and_json_for_tools() {
    let hub = TestHub::bare().await;
    let (status, html) = browse(&hub, "/nowhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(html.contains("Go to the overview"), "{html}");
    let tool = hub.ask("GET", "/nowhere", None).await;
    assert_eq!((tool.status, tool.body["status"].as_u64()), (StatusCode::NOT_FOUND, Some(404)));
    let (_, api) = browse(&hub, "/api/nowhere").await;
    assert!(api.starts_with('{'), "{api}");
}

#[tokio::test]
async fn ticks_lead_to_a_confirmed_copy_and_nothing_else() {
    let hub = filled().await;
    let ticks = r#"["loras/x.safetensors"]"#;
    let list = [("scope", "library"), ("filter", "?root=lake"), ("items", ticks), ("on", "1")];
    let (status, bar) = submit(&hub, "/ui/selection", &list).await;
    assert_eq!(status, StatusCode::OK, "{bar}");
    assert!(bar.contains("1 file"), "{bar}");
    let id = bar.split("data-selection-state=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let ask = format!("/ui/transfers/confirm?operation=copy&scope=selection&s={id}&root=lake");
    let (status, dialog) = browse(&hub, &ask).await;
    assert_eq!(status, StatusCode::OK, "{dialog}");
    assert!(dialog.contains("Copy 1 file to Local?") && dialog.contains("loras/x.safetensors"), "{dialog}");
    let fingerprint = field(&dialog, "fingerprint");
    let fields = |fingerprint| {
        [
            ("operation", "copy"),
            ("scope", "selection"),
            ("root", "lake"),
            ("s", id.as_str()),
            ("fingerprint", fingerprint),
        ]
    };
    let (status, refused) = submit(&hub, "/ui/transfers", &fields("0000")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "other files than were shown: {refused}");
    let (status, queued) = submit(&hub, "/ui/transfers", &fields(&fingerprint)).await;
    assert_eq!(status, StatusCode::OK, "{queued}");
    assert!(queued.contains("Copying") && queued.contains("#toasts") && queued.contains("#bulk"), "{queued}");
    hub.wait_for("/api/queue", |queue| queue["completed"].as_u64() > Some(0)).await;
    assert!(hub.folders.local.path().join("loras/x.safetensors").exists());
}

#[tokio::test]
async fn a_large_delete_has_to_be_typed() {
    let hub = filled().await;
    let ask = "/ui/transfers/confirm?operation=delete&scope=folder&root=local&folder=vae";
    let (_, dialog) = browse(&hub, ask).await;
    assert!(dialog.contains("Type “DELETE 2” to go on"), "{dialog}");
    let fingerprint = field(&dialog, "fingerprint");
    let fields = |typed| {
        let fixed = [("operation", "delete"), ("scope", "folder"), ("root", "local"), ("folder", "vae")];
        [fixed.as_slice(), &[("fingerprint", fingerprint.as_str()), ("typed", typed)]].concat()
    };
    let (status, _) = submit(&hub, "/ui/transfers", &fields("DELETE")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, toast) = submit(&hub, "/ui/transfers", &fields("DELETE 2")).await;
    assert_eq!(status, StatusCode::OK, "{toast}");
    assert!(toast.contains("Undo"), "{toast}");
    assert!(toast.contains("The trash of Local holds") && toast.contains("/trash?root=local"), "{toast}");
    hub.wait_for("/api/batches/1", |batch| batch["n_open"] == 0).await;
    let (_, batch) = browse(&hub, "/batches/1").await;
    assert!(batch.contains("frees nothing until it is emptied"), "{batch}");
}

#[tokio::test]
async fn a_forbidden_delete_is_a_dead_button_with_its_reason() {
    let hub = filled().await;
    let (_, drawer) = browse(&hub, "/ui/library/drawer?root=lake&path=loras/x.safetensors").await;
    assert!(drawer.contains("disabled title=\"Nothing may be deleted in Lake"), "{drawer}");
    let ask = "/ui/transfers/confirm?operation=delete&scope=file&root=lake&path=loras/x.safetensors";
    let (_, dialog) = browse(&hub, ask).await;
    let fingerprint = field(&dialog, "fingerprint");
    let fields = [
        ("operation", "delete"),
        ("scope", "file"),
        ("root", "lake"),
        ("path", "loras/x.safetensors"),
        ("fingerprint", fingerprint.as_str()),
        ("typed", "DELETE 1"),
    ];
    let (status, refused) = submit(&hub, "/ui/transfers", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
}

#[tokio::test]
async fn pictures_are_shown_as_what_they_are() {
    let hub = filled().await;
    let picture = hub.ask("GET", "/ui/preview?root=lake&path=loras/x.preview.png", None).await;
    assert_eq!((picture.status, picture.headers["content-type"].to_str().unwrap()), (StatusCode::OK, "image/png"));
    assert_eq!(picture.headers["x-content-type-options"], "nosniff");
    for path in ["loras/x.safetensors", "../x.png", "absent.png"] {
        let refused = hub.ask("GET", &format!("/ui/preview?root=lake&path={path}"), None).await;
        assert!(refused.status.is_client_error(), "{path}: {}", refused.status);
    }
}

#[tokio::test]
async fn the_set_up_tells_what_is_wrong_beside_its_field() {
    let hub = TestHub::bare().await;
    let local = hub.folders.local.path().display().to_string();
    let fields = [("LOCAL_MODELS_ROOT", local.as_str()), ("LAKE_MODELS_ROOT", local.as_str())];
    let (status, form) = submit(&hub, "/ui/setup", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(form.contains("LAKE_MODELS_ROOT-problem") && form.contains(&local), "{form}");
    let lake = hub.folders.lake.path().display().to_string();
    let fields = [("LOCAL_MODELS_ROOT", local.as_str()), ("LAKE_MODELS_ROOT", lake.as_str())];
    let (status, _) = submit(&hub, "/ui/setup", &fields).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(hub.state.services.settings.current().is_set_up());
}

#[tokio::test]
async fn settings_that_equal_the_default_leave_the_file() {
    let hub = TestHub::bare().await;
    let (status, form) = submit(&hub, "/ui/settings", &[("QUEUE_CONCURRENCY", "many")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(form.contains("problem-QUEUE_CONCURRENCY") && form.contains("value=\"many\""), "{form}");
    for (value, source) in [("3", "file"), ("1", "default")] {
        let (status, _) = submit(&hub, "/ui/settings", &[("QUEUE_CONCURRENCY", value)]).await;
        assert_eq!(status, StatusCode::OK);
        let settings = hub.get("/api/settings").await;
        let items = settings["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["key"] == "QUEUE_CONCURRENCY").unwrap();
        assert_eq!(item["source"], source);
    }
}

#[tokio::test]
async fn the_trash_is_emptied_after_a_confirmation_of_exactly_these_files() {
    let hub = filled().await;
    let delete = serde_json::json!({ "operation": "delete", "from": "local", "paths": ["vae"] });
    let asked = hub.ask("POST", "/api/transfers", Some(delete)).await;
    hub.wait_for(&format!("/api/batches/{}", asked.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    let (_, page) = browse(&hub, "/trash").await;
    assert!(page.contains("2 deleted files still take") && page.contains("never emptied by itself"), "{page}");
    let (_, lake) = browse(&hub, "/trash?root=lake").await;
    assert!(lake.contains("The trash of Lake is empty"), "{lake}");

    let ids: Vec<_> = page.split("name=\"ids\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let (_, toast) = browse(&hub, "/ui/trash/confirm?root=local&ticked=1").await;
    assert!(toast.contains("Tick the files first"), "{toast}");
    let (_, dialog) = browse(&hub, &format!("/ui/trash/confirm?root=local&ticked=1&ids={}", ids[0])).await;
    assert!(dialog.contains("Remove 1 file for good?") && !dialog.contains("confirm-typed"), "{dialog}");
    let (_, dialog) = browse(&hub, "/ui/trash/confirm?root=local").await;
    let values = ["n", "size_bytes", "fingerprint"].map(|name| (name, field(&dialog, name)));
    let mut fields: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("root", "local"));

    let (status, toast) = submit(&hub, "/ui/trash/restore", &[("ids", ids[0])]).await;
    assert!(status == StatusCode::OK && toast.contains("Putting back 1 file"), "{toast}");
    hub.wait_for("/api/trash", |list| list["total"] == 1).await;
    let (status, refused) = submit(&hub, "/ui/trash/empty", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "other files than were shown: {refused}");
    let (_, dialog) = browse(&hub, "/ui/trash/confirm?root=local").await;
    let values = ["n", "size_bytes", "fingerprint"].map(|name| (name, field(&dialog, name)));
    let mut fields: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("root", "local"));
    let (status, toast) = submit(&hub, "/ui/trash/empty", &fields).await;
    assert!(status == StatusCode::OK && toast.contains("Removed 1 file"), "{toast}");
    assert_eq!(hub.get("/api/trash").await["total"], 0);
}

#[tokio::test]
async fn files_are_evicted_after_a_confirmation_and_brought_back() {
    let hub = filled().await;
    let (_, page) = browse(&hub, "/evict?free=1&by=size").await;
    assert!(
        page.contains("Not enough") && page.contains("vae/b.safetensors") && page.contains("Copied first"),
        "{page}"
    );
    let ticked = [("paths", "vae/b.safetensors"), ("paths", "../etc"), ("paths", "vae/absent.safetensors")];
    let (_, dialog) = submit(&hub, "/ui/evict/confirm", &ticked).await;
    assert!(dialog.contains("Evict 1 file from Local?") && dialog.contains("Type “EVICT 1” to go on"), "{dialog}");
    let confirmed = |typed| [("paths", r#"["vae/b.safetensors"]"#), ("size_bytes", "5"), ("typed", typed)];
    let (status, _) = submit(&hub, "/ui/evict", &confirmed("")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let other = [("paths", r#"["vae/b.safetensors"]"#), ("size_bytes", "6"), ("typed", "EVICT 1")];
    assert_eq!(submit(&hub, "/ui/evict", &other).await.0, StatusCode::UNPROCESSABLE_ENTITY, "another size than shown");
    let (status, toast) = submit(&hub, "/ui/evict", &confirmed("EVICT 1")).await;
    assert!(status == StatusCode::OK && toast.contains("Evicting 1 file"), "{toast}");
    hub.wait_for("/api/evictions", |list| list["total"] == 1).await;
    let (_, page) = browse(&hub, "/evict?tab=evicted").await;
    assert!(page.contains("vae/b.safetensors") && page.contains("Bring back"), "{page}");
    let (_, toast) = submit(&hub, "/ui/evict/restore", &[("paths", "vae/b.safetensors")]).await;
    assert!(toast.contains("Bringing back 1 file"), "{toast}");
    hub.wait_for("/api/evictions", |list| list["total"] == 0).await;
    assert!(hub.folders.local.path().join("vae/b.safetensors").exists());
}
