//! From files on disk to what the routes tell of them.

use serde_json::{Value, json};

use super::models::all_read;
use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

/// A valid safetensors file of one tensor.
fn model(title: &str) -> Vec<u8> {
    let header = json!({
        "__metadata__": {"modelspec.title": title, "source_url": "https://example.org/model"},
        "weight": {"dtype": "F16", "shape": [4, 8], "data_offsets": [0, 64]},
    });
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[7; 64]].concat()
}

async fn library() -> TestHub {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "loras/sdxl/Style.safetensors", &model("Style"));
    hub.put(Root::Local, "loras/sdxl/Style.preview.png", b"png");
    hub.put(Root::Local, "vae/only local.pt", b"12345");
    hub.put(Root::Lake, "loras/sdxl/Style.safetensors", &[1; 5_000]);
    hub.put(Root::Lake, "checkpoints/ünicode.ckpt", &[2; 300]);
    hub.scan().await;
    all_read(&hub).await;
    hub
}

fn paths(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_scan_tells_what_it_saw() {
    let hub = library().await;
    let scan = hub.scan().await;
    assert_eq!(scan["state"], "complete", "{scan}");
    assert_eq!((&scan["roots"]["local"]["n_files"], &scan["roots"]["lake"]["n_files"]), (&json!(3), &json!(2)));
    assert_eq!(scan["roots"]["lake"]["size_bytes"], 5_300);
    assert_eq!(scan["errors"], json!([]));
    for time in ["started_at", "finished_at"] {
        let text = scan[time].as_str().unwrap();
        assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{text}");
    }
}

#[tokio::test]
async fn files_are_listed_with_all_their_members() {
    let hub = library().await;
    let list = hub.get("/api/files?root=local&limit=2").await;
    assert_eq!(list["total"], 3);
    assert_eq!(paths(&list), ["loras/sdxl/Style.preview.png", "loras/sdxl/Style.safetensors"]);
    let file = &list["items"][1];
    assert_eq!(file["root"], "local");
    assert_eq!(file["size_bytes"], model("Style").len());
    assert_eq!((&file["hash"], &file["kind"], &file["conflict"]), (&Value::Null, &json!("model"), &json!(false)));
    assert!(file["modified_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());

    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = hub.get(&format!("/api/files?root=local&limit=2&cursor={cursor}")).await;
    assert_eq!((paths(&rest), &rest["next_cursor"]), (vec!["vae/only local.pt"], &Value::Null));

    let find = async |query: &str| paths(&hub.get(&format!("/api/files?{query}")).await).join(" | ");
    assert_eq!(find("root=local&folder=loras&kind=model").await, "loras/sdxl/Style.safetensors");
    assert_eq!(find("root=lake&q=%C3%9CNICODE").await, "checkpoints/ünicode.ckpt");
    assert_eq!(find("root=lake&sort=size&order=desc").await, "loras/sdxl/Style.safetensors | checkpoints/ünicode.ckpt");
}

#[tokio::test]
async fn folders_come_level_by_level() {
    let hub = library().await;
    let top = hub.get("/api/folders?root=local").await;
    assert_eq!((&top["path"], &top["n_files"]), (&json!(""), &json!(3)));
    assert_eq!(top["folders"][0]["name"], "loras");
    assert_eq!((&top["folders"][1]["name"], &top["folders"][1]["size_bytes"]), (&json!("vae"), &json!(5)));
    let below = hub.get("/api/folders?root=local&path=loras").await;
    assert_eq!((&below["path"], &below["folders"][0]["name"]), (&json!("loras"), &json!("sdxl")));
}

#[tokio::test]
async fn a_file_is_told_with_header_sidecars_and_twin() {
    let hub = library().await;
    let detail = hub.get("/api/files/detail?root=local&path=loras/sdxl/Style.safetensors").await;
    assert_eq!(detail["path"], "loras/sdxl/Style.safetensors");
    assert_eq!((&detail["format"], &detail["status"]), (&json!("safetensors"), &json!("different")));
    let header = &detail["safetensors"];
    assert_eq!((&header["n_parameters"], &header["damaged"]), (&json!(32), &json!(false)));
    assert_eq!(header["dtypes"], json!([{"dtype": "F16", "n_parameters": 32}]));
    assert_eq!(header["modelspec"]["title"], "Style");
    assert_eq!(detail["sources"], json!([{"url": "https://example.org/model", "origin": "header"}]));
    assert_eq!(detail["sidecars"][0]["path"], "loras/sdxl/Style.preview.png");
    assert_eq!((&detail["twin"]["root"], &detail["twin"]["size_bytes"]), (&json!("lake"), &json!(5_000)));
    assert_eq!(detail["usage"]["n_copies"], 0);

    let broken = hub.get("/api/files/detail?root=lake&path=loras/sdxl/Style.safetensors").await;
    assert_eq!(broken["safetensors"], Value::Null);
    assert!(broken["safetensors_error"].is_string());
    let pickle = hub.get("/api/files/detail?root=lake&path=checkpoints/%C3%BCnicode.ckpt").await;
    assert_eq!((&pickle["format"], &pickle["safetensors_error"]), (&json!("pickle"), &Value::Null));
}

#[tokio::test]
async fn the_lakes_addresses_of_a_content_are_told_for_both_sides() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Local, "vae/a.pt", b"content");
    hub.scan().await;
    hub.ask("POST", "/api/hashes", Some(json!({"root": "local"}))).await;
    let path = "/api/files/detail?root=local&path=vae/a.pt";
    let detail = hub.wait_for(path, |detail| detail["hash"].is_string()).await;
    assert_eq!((&detail["sources"], &detail["sources_error"]), (&json!([]), &Value::Null), "there is no such file yet");

    let entry = json!({"size_bytes": 7, "urls": [
        {"url": "https://a.example/x", "origin": "user", "added_at": "2026-01-01T00:00:00Z", "status": "ok"},
        {"url": "file:///etc/passwd", "origin": "user"},
    ]});
    let file = json!({"version": 1, "of": "others", "models": {detail["hash"].as_str().unwrap(): entry}});
    hub.put(Root::Lake, ".model_sources.json", file.to_string().as_bytes());
    let detail = hub.get(path).await;
    assert_eq!(detail["sources"], json!([{"url": "https://a.example/x", "origin": "user", "status": "ok"}]));

    hub.put(Root::Lake, ".model_sources.json", b"{\"version\": 1, \"models\": ");
    let detail = hub.get(path).await;
    assert_eq!(detail["sources"], json!([]));
    assert!(detail["sources_error"].as_str().unwrap().contains(".model_sources.json"), "{detail}");
}

#[tokio::test]
async fn a_model_cut_short_is_told_as_damaged() {
    let hub = TestHub::with(&[]).await;
    let mut bytes = model("Cut");
    bytes.truncate(bytes.len() - 1);
    hub.put(Root::Lake, "a.safetensors", &bytes);
    hub.scan().await;
    all_read(&hub).await;
    let detail = hub.get("/api/files/detail?root=lake&path=a.safetensors").await;
    assert_eq!(detail["safetensors"]["damaged"], true);
}

#[tokio::test]
async fn the_difference_is_told_by_status() {
    let hub = library().await;
    let diff = hub.get("/api/diff").await;
    assert_eq!(diff["total"], 4);
    let shown: Vec<_> = diff["items"].as_array().unwrap().iter().map(|row| (&row["path"], &row["status"])).collect();
    let expected = [
        ("checkpoints/ünicode.ckpt", "lake_only"),
        ("loras/sdxl/Style.preview.png", "local_only"),
        ("loras/sdxl/Style.safetensors", "different"),
        ("vae/only local.pt", "local_only"),
    ];
    assert_eq!(
        shown,
        expected.map(|(path, status)| (json!(path), json!(status))).iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
    );
    assert_eq!(diff["summary"]["local_only"], json!({"n": 2, "size_bytes": 8}));
    assert_eq!(diff["summary"]["moved"], json!({"n": 0, "size_bytes": 0}));
    assert_eq!(diff["items"][0]["local"], Value::Null);
    assert_eq!(diff["items"][0]["lake"]["size_bytes"], 300);
    let one = hub.get("/api/diff?status=local_only&folder=vae").await;
    assert_eq!(paths(&one), ["vae/only local.pt"]);
    assert_eq!(one["summary"]["local_only"]["n"], 1, "the summary is the folder's");
}

#[tokio::test]
async fn health_settings_history_and_logs() {
    let hub = library().await;
    assert_eq!(hub.ask("GET", "/api/health", None).await.headers["cache-control"], "no-store");
    let health = hub.get("/api/health").await;
    assert_eq!((&health["status"], &health["database"]), (&json!("ok"), &json!("ok")));
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    for root in ["local", "lake"] {
        let root = &health["roots"][root];
        assert_eq!((&root["online"], &root["allow_delete"]), (&json!(true), &json!(false)));
        assert!(root["path"].is_string() && root["free_bytes"].is_u64() && root["total_bytes"].is_u64(), "{root}");
    }

    let saved = hub.ask("PUT", "/api/settings", Some(json!({"QUEUE_CONCURRENCY": 3, "lake_allow_delete": true}))).await;
    assert_eq!(saved.status, 200, "{}", saved.body);
    let settings = hub.get("/api/settings").await;
    let of = |key: &str| settings["items"].as_array().unwrap().iter().find(|item| item["key"] == key).unwrap();
    assert_eq!((&of("QUEUE_CONCURRENCY")["value"], &of("QUEUE_CONCURRENCY")["source"]), (&json!("3"), &json!("file")));
    assert_eq!(hub.get("/api/health").await["roots"]["lake"]["allow_delete"], true, "in force at once");

    let history = hub.get("/api/history?kind=settings&limit=1").await;
    assert_eq!(history["items"][0]["summary"], "Changed LAKE_ALLOW_DELETE, QUEUE_CONCURRENCY");
    let line = &hub.get("/api/history?kind=scan&level=info").await["items"][0];
    assert!(line["at"].is_string() && line["summary"].as_str().unwrap().starts_with("Scan of"), "{line}");
    assert!(hub.get("/api/logs?level=info&q=scan").await["items"].is_array());
}

#[tokio::test]
async fn a_root_that_is_gone_is_told_and_its_index_stays() {
    let hub = library().await;
    let lake = hub.folders.lake.path().to_owned();
    let away = lake.with_extension("away");
    std::fs::rename(&lake, &away).unwrap();
    hub.state.services.roots.refresh(&hub.state.tasks).await;
    let health = hub.get("/api/health").await;
    assert_eq!((&health["status"], &health["roots"]["lake"]["online"]), (&json!("degraded"), &json!(false)));
    assert_eq!(hub.get("/api/files?root=lake").await["total"], 2, "the last index is shown");
    let detail = hub.get("/api/files/detail?root=lake&path=loras/sdxl/Style.safetensors").await;
    assert!(detail["safetensors_error"].as_str().unwrap().contains("header"), "what was read stays known: {detail}");
    std::fs::rename(&away, &lake).unwrap();
}
