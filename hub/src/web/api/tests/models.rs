//! Models through the routes: from files with real headers to what is told of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

/// A safetensors file of one tensor, which is what a small embedding looks like.
pub(super) fn embedding(title: &str, n: usize) -> Vec<u8> {
    with_metadata(&json!({ "modelspec.title": title }), n)
}

/// The same with what its maker wrote.
pub(super) fn with_metadata(metadata: &Value, n: usize) -> Vec<u8> {
    let header = json!({
        "__metadata__": metadata,
        "emb_params": { "dtype": "F16", "shape": [n, 768], "data_offsets": [0, n * 768 * 2] },
    });
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; n * 768 * 2]].concat()
}

pub(super) async fn all_read(hub: &TestHub) {
    hub.wait_for("/api/models/facets", |facets| facets["unread"] == 0).await;
}

pub(super) async fn hash(hub: &TestHub, root: &str) {
    let started = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
    let path = format!("/api/hashes/{}", started.body["id"]);
    hub.wait_for(&path, |job| job["state"] == "complete").await;
}

pub(super) async fn names(hub: &TestHub, query: &str) -> Vec<String> {
    let found = hub.get(&format!("/api/models?{query}")).await;
    let names = found["items"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned());
    let names: Vec<_> = names.collect();
    assert_eq!(found["total"], names.len(), "{query}");
    names
}

/// Unpacks files with the headers of real models, and what is true of each; none where the tools for it are missing.
fn corpus(folder: &Path) -> Option<Value> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("model-header/tests/data/headers.tar.xz");
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(folder).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        tracing::warn!("SKIPPED: tar with xz is missing");
        return None;
    }
    let expected = folder.join("expected.json");
    let read = serde_json::from_slice(&fs::read(&expected).unwrap()).unwrap();
    fs::remove_file(expected).unwrap();
    Some(read)
}

#[tokio::test]
async fn real_headers_are_told_as_they_are() {
    let hub = TestHub::with(&[]).await;
    let folder = hub.folders.local.path().join("models");
    fs::create_dir(&folder).unwrap();
    let Some(Value::Object(expected)) = corpus(&folder) else { return };
    hub.scan().await;
    let facets = hub.get("/api/models/facets").await;
    let n: u64 = facets["format"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(n, expected.len() as u64, "each file counts at once");
    all_read(&hub).await;
    let told = hub.get("/api/models?limit=1000").await;
    assert_eq!(told["total"], expected.len());
    let mut differences = Vec::new();
    for (file, wanted) in &expected {
        let model = told["items"].as_array().unwrap().iter().find(|model| model["name"] == **file).unwrap();
        let mut compare = |what: &str, found: &Value, wanted: &Value| {
            if found != wanted {
                differences.push(format!("{file}: {what} is {found}, not {wanted}"));
            }
        };
        for what in ["kind", "precision", "n_parameters", "n_tensors", "lineage", "title", "comfyui_opens"] {
            if let Some(wanted) = wanted.get(what) {
                compare(what, &model[what], wanted);
            }
        }
        let also = wanted.get("also_ok").and_then(Value::as_array).is_some_and(|also| also.contains(&model["base"]));
        if !also {
            compare("base", &model["base"], &wanted["base"]);
        }
        compare("damage", &model["damage"]["code"], &wanted["damaged"]);
        let odd =
            ["gap", "overlap", "trailing_bytes", "metadata_type", "lone_surrogate", "duplicate_key", "leading_space"];
        let state = match wanted["damaged"].as_str() {
            None => "ok",
            Some(code) if odd.contains(&code) => "odd",
            Some(_) => "damaged",
        };
        compare("state", &model["state"], &json!(state));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let facets = hub.get("/api/models/facets?kind=lora&state=ok").await;
    assert_eq!(facets["kind"].as_object().unwrap().len(), 1);
    counts_are_what_lists_hold(&hub).await;
    let ids = told["items"].as_array().unwrap().iter().map(|model| model["id"].clone());
    for id in ids.take(20) {
        let one = hub.get(&format!("/api/models/{id}")).await;
        assert!(one["tensors"].is_array() && one["metadata"].is_object() && one["sources"].is_array(), "{one}");
    }
}

/// Each choice of each filter, alone and beside others, leaves as many models as its count says.
async fn counts_are_what_lists_hold(hub: &TestHub) {
    for beside in
        ["", "&kind=lora", "&base=flux1&where=local", "&q=lora", "&state=ok&q=a", "&folder=models&format=gguf"]
    {
        let facets = hub.get(&format!("/api/models/facets?{}", beside.trim_start_matches('&'))).await;
        let all = names(hub, &format!("limit=1000{beside}")).await.len() as u64;
        for filter in ["kind", "base", "precision", "format", "state", "where"] {
            if beside.contains(&format!("&{filter}=")) {
                continue;
            }
            let counts = facets[filter].as_object().unwrap();
            for (word, n) in counts {
                let found = names(hub, &format!("limit=1000&{filter}={word}{beside}")).await;
                assert_eq!(found.len() as u64, n.as_u64().unwrap(), "{filter}={word}{beside}");
            }
            let sum: u64 = counts.values().filter_map(Value::as_u64).sum();
            assert!(sum == all || filter == "where", "{filter}{beside}: {sum}, not {all}");
        }
    }
}

#[tokio::test]
async fn counts_follow_every_change() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    for (root, path) in
        [(Root::Local, "models/embeddings/cat.safetensors"), (Root::Lake, "models/old/cat2.safetensors")]
    {
        hub.put(root, path, &embedding("Cat", 2));
    }
    hub.put(Root::Lake, "models/old/dog.safetensors", &embedding("Dog", 3));
    hub.put(Root::Local, "models/read me.txt", b"of the folder");
    hub.scan().await;
    all_read(&hub).await;
    counts_are_what_lists_hold(&hub).await;
    let found = hub.get("/api/models/facets").await;
    assert_eq!(found["where"], json!({ "local": 1, "lake": 2 }));
    for root in ["local", "lake"] {
        hash(&hub, root).await;
    }
    let found = hub.get("/api/models/facets").await;
    assert_eq!(found["where"], json!({ "local": 1, "lake": 2, "both": 1, "one": 1 }));
    counts_are_what_lists_hold(&hub).await;
    assert_eq!(hub.get("/api/models/facets?q=shiny").await["kind"], json!({}));
    let dog = hub.get("/api/models?q=dog").await["items"][0]["id"].clone();
    let noted = hub.ask("PUT", &format!("/api/models/{dog}/notes"), Some(json!({ "notes": "Shiny" }))).await;
    assert_eq!(noted.status, StatusCode::NO_CONTENT);
    assert_eq!(hub.get("/api/models/facets?q=shiny").await["kind"], json!({ "embedding": 1 }));
    fs::remove_file(hub.folders.local.path().join("models/embeddings/cat.safetensors")).unwrap();
    hub.scan().await;
    assert_eq!(hub.get("/api/models/facets").await["where"], json!({ "lake": 2, "one": 2 }));
    counts_are_what_lists_hold(&hub).await;
}

#[tokio::test]
async fn a_content_is_one_model_once_it_is_hashed() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    for (root, path) in [(Root::Local, "embeddings/cat.safetensors"), (Root::Lake, "old/cat2.safetensors")] {
        hub.put(root, path, &embedding("Cat", 2));
    }
    hub.put(Root::Local, "embeddings/cat.preview.png", b"not really");
    hub.scan().await;
    all_read(&hub).await;
    assert_eq!(names(&hub, "").await, ["cat.safetensors", "cat2.safetensors"]);
    for root in ["local", "lake"] {
        hash(&hub, root).await;
    }
    let found = hub.get("/api/models").await;
    assert_eq!(found["total"], 1, "{found}");
    let model = &found["items"][0];
    assert_eq!(
        (&model["name"], &model["title"], &model["kind"]),
        (&json!("cat.safetensors"), &json!("Cat"), &json!("embedding"))
    );
    let roots: Vec<_> = model["copies"].as_array().unwrap().iter().map(|copy| copy["root"].clone()).collect();
    assert_eq!(roots, ["local", "lake"]);
    assert_eq!(model["n_sidecars"], 1);
    assert_eq!(names(&hub, "where=both").await.len(), 1);
    // Both names lead to it, and its title.
    for word in ["cat2", "CAT", "embeddings"] {
        assert_eq!(names(&hub, &format!("q={word}")).await.len(), 1, "{word}");
    }
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["embeddings/cat.safetensors"] });
    hub.ask("POST", "/api/transfers", Some(delete)).await;
    hub.wait_for("/api/queue", |queue| queue["queued"] == 0 && queue["running"] == 0).await;
    let found = hub.wait_for("/api/models", |found| found["items"][0]["copies"].as_array().unwrap().len() == 1).await;
    assert_eq!((&found["total"], &found["items"][0]["name"]), (&json!(1), &json!("cat2.safetensors")));
    assert!(names(&hub, "where=local").await.is_empty());
}

#[tokio::test]
async fn only_what_changed_is_read_again() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "a.safetensors", &embedding("A", 1));
    hub.put(Root::Local, "b.safetensors", &embedding("B", 1));
    hub.scan().await;
    all_read(&hub).await;
    let n_read = async |hub: &TestHub| -> u64 {
        let reads = hub.get("/api/models/reads").await;
        reads["items"].as_array().unwrap().iter().map(|read| read["n_done"].as_u64().unwrap()).sum()
    };
    hub.wait_for("/api/models/reads", |reads| {
        reads["items"].as_array().unwrap().iter().all(|read| read["state"] == "complete")
    })
    .await;
    assert_eq!(n_read(&hub).await, 2);
    hub.put(Root::Local, "b.safetensors", &embedding("B, but longer", 2));
    hub.scan().await;
    hub.wait_for("/api/models?q=longer", |found| found["total"] == 1).await;
    assert_eq!(names(&hub, "").await, ["a.safetensors", "b.safetensors"]);
    hub.wait_for("/api/models/reads", |reads| {
        reads["items"].as_array().unwrap().iter().all(|read| read["state"] == "complete")
    })
    .await;
    assert_eq!(n_read(&hub).await, 3);
}

#[tokio::test]
async fn lists_are_paged_sorted_and_filtered() {
    let hub = TestHub::with(&[]).await;
    for (name, n) in [("x/b", 3), ("x/a", 1), ("c", 2)] {
        hub.put(Root::Local, &format!("{name}.safetensors"), &embedding(name, n));
    }
    hub.put(Root::Lake, "web.safetensors", b"<!DOCTYPE html><html>Sign in</html>");
    hub.scan().await;
    all_read(&hub).await;
    assert_eq!(names(&hub, "sort=size&order=desc&state=ok").await, ["b.safetensors", "c.safetensors", "a.safetensors"]);
    assert_eq!(names(&hub, "folder=x").await, ["a.safetensors", "b.safetensors"]);
    assert_eq!(names(&hub, "state=damaged").await, ["web.safetensors"]);
    let damaged = hub.get("/api/models?state=damaged").await;
    assert_eq!(damaged["items"][0]["damage"]["code"], "html");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = hub.get(&format!("/api/models?limit=1&sort=size{cursor}")).await;
        seen.push(page["items"][0]["name"].as_str().unwrap().to_owned());
        assert_eq!(page["total"], 4);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["web.safetensors", "a.safetensors", "c.safetensors", "b.safetensors"]);
    let other = hub.get("/api/models?limit=1").await;
    let wrong = format!("/api/models?sort=size&cursor={}", other["next_cursor"].as_str().unwrap());
    assert_eq!(hub.ask("GET", &wrong, None).await.status, 404, "of another list");
    assert_eq!(hub.ask("GET", "/api/models/4711", None).await.status, 404);
}

#[tokio::test]
async fn files_beside_a_model_tell_what_its_header_does_not() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "embeddings/cat.safetensors", &embedding("Cat", 1));
    let info = json!({
        "id": 22, "modelId": 11, "name": "v1", "baseModel": "SD 1.5", "trainedWords": ["sleepy cat"],
        "model": { "name": "Another name", "type": "TextualInversion" },
    });
    hub.put(Root::Local, "embeddings/cat.civitai.info", info.to_string().as_bytes());
    hub.scan().await;
    let found = hub.wait_for("/api/models?q=sleepy", |found| found["total"] == 1).await;
    let model = &found["items"][0];
    assert_eq!((&model["title"], &model["trigger_words"]), (&json!("Cat"), &json!(["sleepy cat"])), "the header first");
    let detail = hub.get(&format!("/api/models/{}", model["id"])).await;
    assert_eq!((&detail["civitai_model_id"], &detail["civitai_version_id"]), (&json!(11), &json!(22)));
    assert_eq!(detail["sidecars"].as_array().unwrap().len(), 1);

    // What it says goes with it; what is broken says nothing and is no failure.
    hub.put(Root::Local, "embeddings/cat.civitai.info", b"{ broken");
    hub.scan().await;
    hub.wait_for("/api/models?q=sleepy", |found| found["total"] == 0).await;
    hub.put(Root::Local, "embeddings/cat.txt", b"grumpy cat");
    hub.scan().await;
    hub.wait_for("/api/models?q=grumpy", |found| found["total"] == 1).await;
    std::fs::remove_file(hub.folders.local.path().join("embeddings/cat.txt")).unwrap();
    hub.scan().await;
    hub.wait_for("/api/models?q=grumpy", |found| found["total"] == 0).await;
}

#[tokio::test]
async fn what_lies_on_a_root_that_is_away_too_is_read_where_it_can_be() {
    let hub = TestHub::with(&[]).await;
    for root in Root::ALL {
        hub.put(root, "embeddings/cat.safetensors", &embedding("Cat", 1));
    }
    hub.scan().await;
    all_read(&hub).await;
    for root in ["local", "lake"] {
        hash(&hub, root).await;
    }
    hub.wait_for("/api/models?where=both", |found| found["total"] == 1).await;
    // As a rule that is new, or a copy that came, would have it.
    hub.state
        .services
        .database
        .write(|tx| Ok(tx.execute("UPDATE models SET state = 'unread', tried = 0", [])?))
        .await
        .unwrap();
    let local = hub.folders.local.path();
    fs::rename(local, local.with_extension("away")).unwrap();
    hub.state.services.roots.refresh(&hub.state.tasks).await;
    let before = hub.get("/api/models/reads").await["total"].as_u64().unwrap();
    all_read(&hub).await;
    assert_eq!(hub.get("/api/models").await["items"][0]["state"], "ok");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let after = hub.get("/api/models/reads").await["total"].as_u64().unwrap();
    assert!(after <= before + 2, "{before} jobs became {after}: one begins after the other");
    fs::rename(local.with_extension("away"), local).unwrap();
}
