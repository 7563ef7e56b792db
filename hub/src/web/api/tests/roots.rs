//! Roots whose marker can't be read.

use std::fs;

use crate::domain::exclusion::ROOT_MARKER;
use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

#[tokio::test]
async fn a_damaged_marker_is_told_and_the_folder_adopted_with_its_index() {
    for damaged in ["", "{", "no json at all"] {
        let hub = TestHub::with(&[]).await;
        hub.put(Root::Local, "loras/x.safetensors", b"x");
        hub.scan().await;
        let marker = hub.folders.local.path().join(ROOT_MARKER);
        let before = fs::read_to_string(&marker).unwrap();
        let id = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["root_id"].clone();
        fs::write(&marker, damaged).unwrap();
        let roots = &hub.state.services.roots;
        roots.refresh(&hub.state.tasks).await;
        let status = roots.status(Root::Local);
        let why = status.offline_reason.unwrap();
        assert!(!status.online && status.can_adopt, "{why}");
        assert!(why.contains("kept beside it") && why.contains("the index of this path goes on"), "{why}");
        roots.adopt_anew(Root::Local, &hub.state.tasks).await.unwrap();
        assert!(roots.status(Root::Local).online);
        assert_eq!(id(&fs::read_to_string(&marker).unwrap()), id(&before), "it is the root it was");
        assert_eq!(hub.get("/api/files?root=local").await["total"], 1, "its index goes on");
        let entries = fs::read_dir(hub.folders.local.path()).unwrap();
        let kept =
            entries.map(|e| e.unwrap().path()).find(|path| path.to_string_lossy().contains(".damaged-")).unwrap();
        assert_eq!(fs::read_to_string(kept).unwrap(), damaged);
    }
}

fn put(folder: &std::path::Path, name: &str) {
    fs::create_dir_all(folder.join("vae")).unwrap();
    fs::write(folder.join("vae").join(name), name).unwrap();
}

async fn point(hub: &TestHub, path: &std::path::Path) {
    let body = serde_json::json!({ "LAKE_MODELS_ROOT": path });
    let answer = hub.ask("PUT", "/api/settings", Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn names(hub: &TestHub) -> Vec<String> {
    let files = hub.get("/api/files?root=lake").await;
    let names = files["items"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn a_path_that_was_never_used_shows_nothing_and_asks() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Lake, "vae/kept.safetensors", b"x");
    hub.put(Root::Local, "vae/kept.safetensors", b"x");
    hub.scan().await;
    let lake = hub.folders.lake.path().to_owned();
    let around = tempfile::tempdir().unwrap();
    let (missing, other) = (around.path().join("missing"), around.path().join("other"));
    put(&other, "strange.safetensors");

    for (path, can_adopt) in [(&missing, false), (&other, true)] {
        point(&hub, path).await;
        let status = hub.state.services.roots.status(Root::Lake);
        assert!(!status.online && status.can_adopt == can_adopt, "{status:?}");
        let note = status.index_note.unwrap();
        assert!(note.contains(&lake.display().to_string()) && note.contains("is kept"), "{note}");
        assert_eq!(names(&hub).await, [""; 0], "an index belongs to a folder, not to a path");
        assert_eq!(hub.get("/api/diff?status=same").await["total"], 0);
        assert!(!other.join(ROOT_MARKER).exists(), "nothing is written before the answer");
    }
    point(&hub, &lake).await;
    assert!(hub.state.services.roots.status(Root::Lake).online);
    assert_eq!(names(&hub).await, ["vae/kept.safetensors"], "the index came back without a scan");

    point(&hub, &other).await;
    assert_eq!(hub.ask("POST", "/api/roots/lake/adopt", None).await.status, 202);
    hub.scan().await;
    assert_eq!(names(&hub).await, ["vae/strange.safetensors"]);
    assert_eq!(hub.ask("POST", "/api/roots/lake/adopt", None).await.status, 409, "nothing waits for an answer");
}

#[tokio::test]
async fn a_folder_that_was_moved_keeps_its_index_by_its_marker() {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Lake, "vae/kept.safetensors", b"x");
    hub.scan().await;
    let around = tempfile::tempdir().unwrap();
    let moved = around.path().join("moved");
    fs::create_dir(&moved).unwrap();
    for name in [ROOT_MARKER, "vae"] {
        fs::rename(hub.folders.lake.path().join(name), moved.join(name)).unwrap();
    }
    point(&hub, &moved).await;
    let status = hub.state.services.roots.status(Root::Lake);
    assert!(status.online, "{status:?}");
    assert_eq!(names(&hub).await, ["vae/kept.safetensors"], "the same marker is the same library");
}
