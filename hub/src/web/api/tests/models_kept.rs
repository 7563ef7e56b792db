//! What people keep about models: notes, pictures, filters; and what becomes known of a model later.

use std::fs;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::models::{all_read, embedding, hash, names, with_metadata};
use crate::domain::root::Root;
use crate::web::test_hub::{Answered, PORT, TestHub};

/// A PNG of one grey pixel.
const PIXEL: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8,
    0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0, 0, 0, 0x82,
    0, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

const PIXEL_IN_BASE64: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";

async fn set_picture(hub: &TestHub, id: &Value, bytes: &[u8]) -> Answered {
    let request = Request::put(format!("/api/models/{id}/preview"))
        .header(header::HOST, format!("127.0.0.1:{PORT}"))
        .header(header::CONTENT_TYPE, "image/png");
    hub.send(request.body(Body::from(bytes.to_vec())).unwrap()).await
}

async fn only_model(hub: &TestHub) -> Value {
    let found = hub.get("/api/models").await;
    assert_eq!(found["total"], 1, "{found}");
    found["items"][0].clone()
}

#[tokio::test]
async fn a_note_stays_with_the_content() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Local, "embeddings/cat.safetensors", &embedding("Cat", 2));
    hub.put(Root::Local, "embeddings/read me.txt", b"of the folder");
    hub.scan().await;
    let id = only_model(&hub).await["id"].clone();
    let path = format!("/api/models/{id}");
    let notes = format!("{path}/notes");
    let set = async |text: &str| hub.ask("PUT", &notes, Some(json!({ "notes": text }))).await.status;
    assert_eq!(set(" good at 0.7\r\nwith Pony ").await, StatusCode::NO_CONTENT);
    assert_eq!(hub.get(&path).await["notes"], "good at 0.7\nwith Pony");
    assert_eq!(names(&hub, "q=pony").await.len(), 1, "it is found by them");
    hub.wait_for(&path, |model| model["hash"].is_string()).await;
    assert_eq!(set(&"x".repeat(20_001)).await, StatusCode::UNPROCESSABLE_ENTITY);
    let none = hub.ask("PUT", "/api/models/999/notes", Some(json!({ "notes": "x" }))).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    // Gone, and back under another name.
    fs::remove_file(hub.folders.local.path().join("embeddings/cat.safetensors")).unwrap();
    hub.scan().await;
    assert!(names(&hub, "").await.is_empty());
    assert_eq!(hub.get(&path).await["name"], "cat.safetensors", "it is still known by its name");
    hub.put(Root::Lake, "dog.safetensors", &embedding("Cat", 2));
    hub.scan().await;
    hash(&hub, "lake").await;
    let back = only_model(&hub).await;
    assert_eq!((&back["id"], &back["name"]), (&id, &json!("dog.safetensors")));
    assert_eq!(hub.get(&path).await["notes"], "good at 0.7\nwith Pony");
}

#[tokio::test]
async fn notes_of_two_files_that_turn_out_to_be_one_content_are_both_kept() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "a.safetensors", &embedding("Cat", 2));
    hub.put(Root::Lake, "b.safetensors", &embedding("Cat", 2));
    hub.scan().await;
    all_read(&hub).await;
    let found = hub.get("/api/models").await;
    for model in found["items"].as_array().unwrap() {
        let path = format!("/api/models/{}/notes", model["id"]);
        let set =
            hub.ask("PUT", &path, Some(json!({ "notes": format!("of {}", model["name"].as_str().unwrap()) }))).await;
        assert_eq!(set.status, StatusCode::NO_CONTENT);
    }
    for root in ["local", "lake"] {
        hash(&hub, root).await;
    }
    let id = only_model(&hub).await["id"].clone();
    let notes = hub.get(&format!("/api/models/{id}")).await["notes"].as_str().unwrap().to_owned();
    assert!(notes.contains("of a.safetensors") && notes.contains("of b.safetensors"), "{notes}");
}

#[tokio::test]
async fn a_picture_is_kept_beside_each_copy_and_the_old_one_goes_to_the_trash() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    let [local, lake] = [hub.folders.local.path(), hub.folders.lake.path()];
    hub.put(Root::Local, "loras/cat.safetensors", &embedding("Cat", 2));
    hub.put(Root::Lake, "cat2.safetensors", &embedding("Cat", 2));
    hub.put(Root::Local, "loras/cat.preview.JPG", b"old");
    hub.scan().await;
    for root in ["local", "lake"] {
        hash(&hub, root).await;
    }
    let id = only_model(&hub).await["id"].clone();
    let none = set_picture(&hub, &json!(999), &PIXEL).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    for wrong in [&b"<svg onload=alert(1)>"[..], b"", &PIXEL[..40]] {
        let refused = set_picture(&hub, &id, wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.body);
    }
    assert!(local.join("loras/cat.preview.JPG").exists(), "nothing was touched");
    let set = set_picture(&hub, &id, &PIXEL).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
    assert_eq!(set.body["pictures"].as_array().unwrap().len(), 2);
    for path in [local.join("loras/cat.preview.png"), lake.join("cat2.preview.png")] {
        assert_eq!(fs::read(path).unwrap(), PIXEL);
    }
    assert!(!local.join("loras/cat.preview.JPG").exists());
    assert_eq!(hub.get("/api/trash?root=local").await["total"], 1);
    let model = only_model(&hub).await;
    let address = model["preview"].as_str().unwrap();
    assert!(address.contains("loras%2Fcat.preview.png") || address.contains("loras/cat.preview.png"), "{address}");
    let shown = hub.ask("GET", &format!("{address}&side=320"), None).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert_eq!(shown.headers["x-content-type-options"], "nosniff");
    // Once more, in place of its own.
    let again = set_picture(&hub, &id, &PIXEL).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.body);
    assert_eq!(hub.get("/api/trash?root=local").await["total"], 2);
}

#[tokio::test]
async fn the_old_picture_stays_where_nothing_may_be_deleted() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "cat.safetensors", &embedding("Cat", 2));
    hub.put(Root::Local, "cat.preview.png", b"old");
    hub.scan().await;
    let id = only_model(&hub).await["id"].clone();
    let refused = set_picture(&hub, &id, &PIXEL).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert_eq!(fs::read(hub.folders.local.path().join("cat.preview.png")).unwrap(), b"old");
}

#[tokio::test]
async fn no_old_picture_goes_unless_all_may() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    for (root, folder) in [(Root::Local, &hub.folders.local), (Root::Lake, &hub.folders.lake)] {
        hub.put(root, "cat.safetensors", &embedding("Cat", 2));
        hub.put(root, "cat.preview.png", b"old");
        assert!(folder.path().join("cat.preview.png").exists());
    }
    hub.scan().await;
    for root in ["local", "lake"] {
        hash(&hub, root).await;
    }
    let id = only_model(&hub).await["id"].clone();
    let refused = set_picture(&hub, &id, &PIXEL).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    hub.wait_for("/api/queue", |queue| queue["queued"] == 0 && queue["running"] == 0).await;
    for folder in [&hub.folders.local, &hub.folders.lake] {
        assert_eq!(fs::read(folder.path().join("cat.preview.png")).unwrap(), b"old");
    }
}

#[tokio::test]
async fn the_picture_in_a_header_is_shown_until_one_lies_beside_it() {
    let hub = TestHub::with(&[]).await;
    let metadata = json!({ "modelspec.thumbnail": format!("data:image/png;base64,{PIXEL_IN_BASE64}") });
    hub.put(Root::Local, "cat.safetensors", &with_metadata(&metadata, 2));
    hub.scan().await;
    all_read(&hub).await;
    let model = only_model(&hub).await;
    let inside = model["preview"].as_str().unwrap().to_owned();
    let whole = hub.ask("GET", &inside, None).await;
    assert_eq!((whole.status, &whole.headers[header::CONTENT_TYPE]), (StatusCode::OK, &"image/png".parse().unwrap()));
    let small = hub.ask("GET", &format!("{inside}&side=320"), None).await;
    assert_eq!((small.status, &small.headers[header::CONTENT_TYPE]), (StatusCode::OK, &"image/jpeg".parse().unwrap()));
    let set = set_picture(&hub, &model["id"], &PIXEL).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
    assert_ne!(only_model(&hub).await["preview"], json!(inside));
}

#[tokio::test]
async fn data_that_are_not_those_that_were_saved_are_found_once_hashed() {
    let hub = TestHub::with(&[]).await;
    // More than is compared when the header is read.
    let n = 1_000;
    let right =
        Sha256::digest(vec![0; n * 768 * 2]).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    for (name, digest) in [("right", right), ("wrong", "0b".repeat(32))] {
        let metadata = json!({ "modelspec.hash_sha256": digest, "modelspec.title": name });
        hub.put(Root::Local, &format!("{name}.safetensors"), &with_metadata(&metadata, n));
    }
    hub.scan().await;
    all_read(&hub).await;
    assert_eq!(names(&hub, "state=ok").await.len(), 2, "not known yet");
    hash(&hub, "local").await;
    let found = hub.wait_for("/api/models?state=damaged", |found| found["total"] == 1).await;
    assert_eq!(
        (&found["items"][0]["name"], &found["items"][0]["damage"]["code"]),
        (&json!("wrong.safetensors"), &json!("hash_mismatch"))
    );
    hub.wait_for("/api/models/reads", |jobs| jobs["items"][0]["state"] == "complete").await;
    assert_eq!(names(&hub, "state=ok").await, ["right.safetensors"]);
}

#[tokio::test]
async fn filters_are_kept_under_a_name() {
    let hub = TestHub::with(&[]).await;
    let put = async |name: &str, query: &str| {
        let path = format!("/api/models/filters/{name}");
        hub.ask("PUT", &path, Some(json!({ "query": query }))).await
    };
    let kept = put("my%20LoRAs", "?kind=lora&base=sdxl&view=rows").await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.body);
    assert_eq!(kept.body, json!({ "name": "my LoRAs", "query": "?kind=lora&base=sdxl&view=rows" }));
    assert_eq!(put("my%20LoRAs", "kind=lora").await.body["query"], "?kind=lora");
    for (name, query) in [("x", "where=nowhere"), (&"x".repeat(81), ""), ("%20", "")] {
        assert_eq!(put(name, query).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {query}");
    }
    let page = hub.ask("GET", "/models?kind=lora", None).await;
    assert!(page.body.as_str().unwrap().contains("Remove “my LoRAs”"), "the filter that is shown can go");
    let other = hub.ask("GET", "/models?kind=vae", None).await;
    assert!(["Save these filters…", "my LoRAs"].into_iter().all(|text| other.body.as_str().unwrap().contains(text)));
    assert_eq!(hub.get("/api/models/filters").await["total"], 1);
    let gone = hub.ask("DELETE", "/api/models/filters/my%20LoRAs", None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let again = hub.ask("DELETE", "/api/models/filters/my%20LoRAs", None).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_its_maker_wrote_is_a_tree_on_its_page() {
    let hub = TestHub::with(&[]).await;
    let tags = json!({ "10_cat": { "white <b>cat</b>": 7 } }).to_string();
    let metadata = json!({ "modelspec.title": "Cat", "modelspec.author": "somebody", "ss_tag_frequency": tags });
    hub.put(Root::Local, "embeddings/cat.safetensors", &with_metadata(&metadata, 2));
    hub.scan().await;
    all_read(&hub).await;
    let id = only_model(&hub).await["id"].clone();
    let page = hub.get(&format!("/models/{id}")).await;
    let tree = page.as_str().unwrap().split_once("metadata-tree").unwrap().1;
    for name in ["modelspec", "author", "ss_tag_frequency", "10_cat", "white &lt;b&gt;cat&lt;/b&gt;"] {
        assert!(tree.contains(name), "{name}: {tree}");
    }
    assert_eq!(tree.matches("<details").count(), 3, "{tree}");
}

/// Moves files and waits for the end.
async fn moved(hub: &TestHub, path: &str, body: Option<Value>) -> Value {
    let asked = hub.ask("POST", path, body).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let batch = format!("/api/batches/{}", asked.body["batch_id"]);
    let batch = hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    assert_eq!(batch["n_failed"], 0, "{batch}");
    batch["id"].clone()
}

#[tokio::test]
async fn a_moved_model_stays_what_it_is_and_is_not_read_again() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Local, "l/cat.safetensors", &embedding("Cat", 2));
    hub.put(Root::Local, "l/cat.civitai.info", br#"{"trainedWords":["meow"]}"#);
    hub.put(Root::Local, "l/twin.safetensors", &embedding("Cat", 2));
    hub.put(Root::Local, "l/stays.txt", b"of the folder");
    hub.put(Root::Lake, "other.txt", b"of the folder");
    hub.scan().await;
    all_read(&hub).await;
    let searched = hub.ask("POST", "/api/duplicates/scans", Some(json!({ "roots": ["local"] }))).await;
    let search = format!("/api/duplicates/scans/{}", searched.body["id"]);
    hub.wait_for(&search, |job| job["state"] == "complete").await;
    assert_eq!(hub.get("/api/duplicates").await["total"], 1);
    hub.put(Root::Local, "l/dog.safetensors", &embedding("Dog", 3));
    hub.scan().await;
    all_read(&hub).await;
    let is_read = |model: &Value| model["trigger_words"] == json!(["meow"]);
    for name in ["dog", "cat"] {
        let found = hub.get(&format!("/api/models?q={name}")).await["items"][0].clone();
        let page = format!("/api/models/{}", found["id"]);
        let n_read = async || {
            let jobs = hub.get("/api/models/reads").await;
            jobs["items"].as_array().unwrap().iter().filter_map(|job| job["bytes_done"].as_u64()).sum::<u64>()
        };
        let (before, roots) = (n_read().await, |model: &Value| {
            model["copies"].as_array().unwrap().iter().map(|copy| copy["root"].clone()).collect::<Vec<_>>()
        });
        let there =
            json!({ "operation": "move", "from": "local", "to": "lake", "paths": [format!("l/{name}.safetensors")] });
        let batch = moved(&hub, "/api/transfers", Some(there)).await;
        let model = hub.get(&page).await;
        assert_eq!((model["kind"].as_str(), model["state"].as_str()), (Some("embedding"), Some("ok")), "{model}");
        assert!(roots(&model).contains(&json!("lake")), "{model}");
        if name == "dog" {
            assert_eq!(n_read().await, before, "its header is known");
        }
        moved(&hub, &format!("/api/batches/{batch}/undo"), None).await;
        let model = hub.get(&page).await;
        assert_eq!((roots(&model), &model["kind"]), (roots(&found), &json!("embedding")), "{model}");
    }
    let cat = hub.get("/api/models?q=cat").await["items"][0]["id"].clone();
    hub.wait_for(&format!("/api/models/{cat}"), is_read).await;
    assert_eq!(hub.get("/api/duplicates").await["total"], 0, "what moved is searched for anew");
}

#[tokio::test]
async fn what_is_too_long_or_no_name_is_refused() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Local, "embeddings/cat.safetensors", &embedding("Cat", 2));
    hub.scan().await;
    let id = only_model(&hub).await["id"].clone();
    let rename = format!("/api/models/{id}/rename");
    let long = |n: usize| "x".repeat(n);
    for (method, path, body) in [
        ("POST", &*rename, json!({ "name": "" })),
        ("POST", &rename, json!({ "name": "  " })),
        ("POST", &rename, json!({ "name": ".safetensors" })),
        ("POST", &rename, json!({ "name": long(256) })),
        ("POST", &rename, json!({ "name": "a/b" })),
        ("PUT", "/api/models/filters/mine", json!({ "query": format!("q={}", long(4_000)) })),
        ("PUT", "/api/models/filters/mine", json!({ "query": format!("kind={}", long(101)) })),
        (
            "POST",
            "/api/hashes",
            json!({ "root": "local", "folder": "embeddings", "paths": ["embeddings/cat.safetensors"] }),
        ),
    ] {
        let answered = hub.ask(method, path, Some(body.clone())).await;
        assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}: {}", answered.body);
    }
    for name in ["kind", "base", "precision", "format"] {
        for list in ["/api/models", "/api/models/facets", "/models"] {
            let answered = hub.ask("GET", &format!("{list}?{name}={}", long(101)), None).await;
            assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{list}?{name}");
        }
    }
    assert_eq!(only_model(&hub).await["name"], "cat.safetensors");
}

#[tokio::test]
async fn who_looks_at_a_file_before_its_turn_sees_its_header() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "embeddings/cat.safetensors", &embedding("Cat", 2));
    hub.scan().await;
    let services = &hub.state.services;
    let path = shared_protocol::RelPath::parse("embeddings/cat.safetensors").unwrap();
    let show = move |connection: &_| crate::storage::views::detail::show(connection, Root::Local, &path);
    let found = services.database.read(show).await.unwrap().unwrap();
    let read = services.models.header(&found.file, None).await.unwrap();
    assert_eq!(read.title.as_deref(), Some("Cat"));
    fs::remove_file(hub.folders.local.path().join("embeddings/cat.safetensors")).unwrap();
    assert!(services.models.header(&found.file, None).await.is_err());
    let stored = services.models.header(&found.file, Some(Err("why".to_owned()))).await;
    assert_eq!(stored.unwrap_err(), "why", "what is known is not read again");
    fs::write(hub.folders.local.path().join("embeddings/cat.safetensors"), embedding("Cat", 2)).unwrap();
}
