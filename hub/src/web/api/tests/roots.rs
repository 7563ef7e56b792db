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
