//! Linked folders through the routes: including them, what becomes of them, and leaving them out again.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::domain::root::Root;
use crate::web::test_hub::{Answered, TestHub};

const ALLOWED: &[(&str, &str)] = &[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")];

/// Local has `checkpoints`, a link to `disk/sd` with three files, which the Lake has, too; both have loras.
struct Case {
    hub: TestHub,
    disk: TempDir,
}

impl Case {
    async fn new() -> Self {
        let (hub, disk) = (TestHub::with(ALLOWED).await, tempfile::tempdir().unwrap());
        for n in 0..3 {
            hub.put(Root::Lake, &format!("checkpoints/deep/c{n}.pt"), &[n; 90]);
            write(&disk, &format!("sd/deep/c{n}.pt"), &[n; 90]);
        }
        for root in Root::ALL {
            hub.put(root, "loras/x.pt", &[7; 20]);
        }
        let case = Self { hub, disk };
        symlink(case.disk.path().join("sd"), case.local("checkpoints")).unwrap();
        case.hub.scan().await;
        case
    }

    async fn included() -> Self {
        let case = Self::new().await;
        let scan = case.set("checkpoints", true).await;
        assert_eq!(scan["state"], "complete", "{scan}");
        case
    }

    fn local(&self, path: &str) -> PathBuf {
        self.hub.folders.local.path().join(path)
    }

    fn lake(&self, path: &str) -> PathBuf {
        self.hub.folders.lake.path().join(path)
    }

    async fn ask(&self, path: &str, include: bool) -> Answered {
        let body = json!({ "path": path, "include": include });
        self.hub.ask("POST", "/api/roots/local/links", Some(body)).await
    }

    /// Includes or leaves out, and waits for the scan.
    async fn set(&self, path: &str, include: bool) -> Value {
        let asked = self.ask(path, include).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
        assert_eq!(asked.body["link"]["path"] == path, include, "{}", asked.body);
        self.scanned(&asked.body).await
    }

    async fn scanned(&self, started: &Value) -> Value {
        let path = format!("/api/scans/{}", started["id"]);
        self.hub.wait_for(&path, |scan| scan["state"] != "running").await
    }

    /// The part of Local in a new scan.
    async fn scan(&self) -> Value {
        let started = self.hub.ask("POST", "/api/scans", Some(json!({ "roots": ["local"] }))).await;
        self.scanned(&started.body).await["roots"]["local"].clone()
    }

    fn swap(&self, to: &str) {
        fs::create_dir_all(self.disk.path().join(to)).unwrap();
        fs::remove_file(self.local("checkpoints")).unwrap();
        symlink(self.disk.path().join(to), self.local("checkpoints")).unwrap();
    }

    async fn n(&self, status: &str) -> u64 {
        self.hub.get(&format!("/api/diff?status={status}")).await["total"].as_u64().unwrap()
    }

    async fn plan(&self, to: Root) -> Value {
        let body = json!({"from": to.other(), "to": to, "compare": "size_mtime", "delete": true});
        let made = self.hub.ask("POST", "/api/mirrors", Some(body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body
    }

    async fn transfer(&self, body: Value) -> Value {
        let asked = self.hub.ask("POST", "/api/transfers", Some(body)).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
        self.ended(&asked.body).await
    }

    async fn ended(&self, asked: &Value) -> Value {
        let path = format!("/api/batches/{}", asked["batch_id"]);
        self.hub.wait_for(&path, |batch| batch["n_open"] == 0).await
    }

    async fn links(&self) -> Vec<Value> {
        self.hub.get("/api/roots/local/links").await["items"].as_array().unwrap().clone()
    }

    async fn page(&self) -> String {
        self.hub.ask("GET", "/skipped?root=local", None).await.body.as_str().unwrap().to_owned()
    }
}

fn write(disk: &TempDir, path: &str, content: &[u8]) {
    let path = disk.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn a_link_is_unknown_until_it_is_included_and_again_when_it_is_left_out() {
    let case = Case::new().await;
    assert_eq!(case.n("unknown").await, 3, "the default: not followed");
    let page = case.page().await;
    assert!(page.contains("Include this folder") && !page.contains("Leave out again"));
    case.set("checkpoints", true).await;
    assert_eq!((case.n("unknown").await, case.n("lake_only").await), (0, 0));
    assert_eq!(case.hub.get("/api/files?root=local&folder=checkpoints/deep").await["total"], 3);
    assert_eq!(case.hub.get("/api/roots/local/skipped").await["total"], 0);
    let links = case.links().await;
    let target = fs::canonicalize(case.disk.path().join("sd")).unwrap();
    assert_eq!((links.len(), &links[0]["target"], &links[0]["changed"]), (1, &json!(target), &json!(false)));
    let page = case.page().await;
    assert!(page.contains("Leave out again") && !page.contains("Include this folder"));

    // Once more is no other thing.
    assert_eq!(case.set("checkpoints", true).await["state"], "complete");
    assert_eq!(case.links().await.len(), 1);

    let scan = case.set("checkpoints", false).await;
    let part = &scan["roots"]["local"];
    assert_eq!((&scan["state"], &part["n_removed"], &part["n_skipped"]), (&json!("complete"), &json!(0), &json!(1)));
    assert_eq!((case.n("unknown").await, case.n("lake_only").await, case.links().await.len()), (3, 0, 0));
    assert_eq!(case.plan(Root::Lake).await["deletes"]["n"], 0, "what is left out is not absent");
    assert!((0..3).all(|n| case.disk.path().join(format!("sd/deep/c{n}.pt")).exists()));
}

#[tokio::test]
async fn a_root_of_nothing_but_a_link_may_leave_it_out() {
    let case = Case::included().await;
    fs::remove_dir_all(case.local("loras")).unwrap();
    assert_eq!(case.scan().await["state"], "complete");
    let scan = case.set("checkpoints", false).await;
    assert_eq!((&scan["state"], &scan["roots"]["local"]["n_removed"]), (&json!("complete"), &json!(0)), "{scan}");
}

#[tokio::test]
async fn what_can_not_be_included_is_refused_in_words() {
    let case = Case::included().await;
    let link = |name: &str, target: PathBuf| symlink(target, case.local(name)).unwrap();
    write(&case.disk, "a.pt", b"x");
    write(&case.disk, "#recycle/x.pt", b"x");
    link("file", case.disk.path().join("a.pt"));
    link("gone", case.disk.path().join("no-such"));
    link("lake", case.lake("checkpoints"));
    link("itself", case.local("loras"));
    link("around", case.disk.path().parent().unwrap().to_owned());
    link("trash", case.disk.path().join("#recycle"));
    link("data", case.hub.state.services.settings.current().app_data_dir.clone());
    link("second", case.disk.path().join("sd/deep"));
    link("checkpoints/inner", case.disk.path().join("#recycle"));
    for (path, status, why) in [
        ("no-such", StatusCode::NOT_FOUND, "nothing at"),
        ("loras", StatusCode::UNPROCESSABLE_ENTITY, "is no link"),
        ("file", StatusCode::UNPROCESSABLE_ENTITY, "leads to a file"),
        ("gone", StatusCode::UNPROCESSABLE_ENTITY, "can't be reached"),
        ("lake", StatusCode::UNPROCESSABLE_ENTITY, "lies in Lake"),
        ("itself", StatusCode::UNPROCESSABLE_ENTITY, "lies in Local"),
        ("around", StatusCode::UNPROCESSABLE_ENTITY, "holds Local"),
        ("trash", StatusCode::UNPROCESSABLE_ENTITY, "it is a trash"),
        ("data", StatusCode::UNPROCESSABLE_ENTITY, "is the hub's data folder"),
        ("second", StatusCode::CONFLICT, "the folder of checkpoints on Local"),
        ("checkpoints/inner", StatusCode::UNPROCESSABLE_ENTITY, "behind the link checkpoints"),
        ("../x", StatusCode::BAD_REQUEST, "path"),
    ] {
        let refused = case.ask(path, true).await;
        let detail = refused.body["detail"].as_str().unwrap_or_default();
        assert!(refused.status == status && detail.contains(why), "{path}: {} {detail}", refused.status);
    }
    let not_included = case.ask("lake", false).await;
    assert_eq!(not_included.status, StatusCode::NOT_FOUND, "{}", not_included.body);
    assert_eq!(case.links().await.len(), 1);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_was_not_seen_until_a_person_says_so() {
    let case = Case::included().await;
    write(&case.disk, "other/strange.pt", b"a stranger's");
    case.swap("other");
    for _ in 0..2 {
        let scan = case.scan().await;
        assert_eq!((&scan["state"], &scan["n_removed"]), (&json!("partial"), &json!(0)), "{scan}");
        assert_eq!((&scan["n_skipped"], &scan["n_errors"]), (&json!(1), &json!(1)), "{scan}");
    }
    let skipped = &case.hub.get("/api/roots/local/skipped").await["items"][0];
    assert_eq!((&skipped["path"], &skipped["reason"]), (&json!("checkpoints"), &json!("link_changed")));
    assert_eq!(skipped["can_accept"], true);
    let links = case.links().await;
    assert!(links[0]["changed"] == true && links[0]["why"].as_str().unwrap().contains("it leads to"), "{links:?}");
    let page = case.page().await;
    assert!(page.contains("Right as it is") && page.contains("Leave out again"), "both ways out");
    assert_eq!(case.n("unknown").await, 3);
    for to in Root::ALL {
        let plan = case.plan(to).await;
        assert_eq!((&plan["deletes"]["n"], &plan["copies"]["n"]), (&json!(0), &json!(0)), "{plan}");
    }
    assert_eq!(case.hub.get("/api/files?root=local&folder=checkpoints/deep").await["total"], 3, "its last index stays");

    let accept = json!({ "path": "checkpoints" });
    let accepted = case.hub.ask("POST", "/api/roots/local/skipped/accept", Some(accept)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.body);
    let scan = case.scanned(&accepted.body).await;
    assert_eq!((&scan["state"], &scan["roots"]["local"]["n_removed"]), (&json!("complete"), &json!(3)), "{scan}");
    assert_eq!(case.hub.get("/api/files?root=local&folder=checkpoints").await["total"], 1);
    assert_eq!(case.links().await[0]["changed"], false);
}

#[tokio::test]
async fn a_link_that_is_gone_or_leads_nowhere_takes_nothing_with_it() {
    for is_link_gone in [true, false] {
        let case = Case::included().await;
        if is_link_gone {
            fs::remove_file(case.local("checkpoints")).unwrap();
        } else {
            fs::rename(case.disk.path().join("sd"), case.disk.path().join("away")).unwrap();
        }
        let scan = case.scan().await;
        assert_eq!((&scan["state"], &scan["n_removed"]), (&json!("partial"), &json!(0)), "{scan}");
        assert_eq!((case.n("unknown").await, case.plan(Root::Lake).await["deletes"]["n"].clone()), (3, json!(0)));
        let copied = case.hub.ask(
            "POST",
            "/api/transfers",
            Some(json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["checkpoints"]})),
        );
        assert_eq!(copied.await.body["n_transfers"], 0);

        // As it was.
        if is_link_gone {
            symlink(case.disk.path().join("sd"), case.local("checkpoints")).unwrap();
        } else {
            fs::rename(case.disk.path().join("away"), case.disk.path().join("sd")).unwrap();
        }
        assert_eq!(case.scan().await["state"], "complete");
        assert_eq!((case.n("unknown").await, case.n("lake_only").await), (0, 0));
    }
}

/// What was planned while the link was right is judged again when its turn comes.
#[tokio::test]
async fn a_link_that_is_swapped_behind_the_last_scan_stops_what_was_queued() {
    let case = Case::included().await;
    case.hub.put(Root::Lake, "checkpoints/more.pt", b"only here");
    case.hub.scan().await;
    case.hub.ask("POST", "/api/queue/pause", None).await;
    let plan = case.plan(Root::Lake).await;
    assert_eq!(plan["deletes"]["n"], 1, "{plan}");
    let apply = json!({"confirm": "1", "confirm_last_copies": true});
    let applied = case.hub.ask("POST", &format!("/api/mirrors/{}/apply", plan["id"]), Some(apply)).await;
    assert_eq!(applied.status, StatusCode::ACCEPTED, "{}", applied.body);
    let delete = json!({"operation": "delete", "from": "local", "paths": ["checkpoints/deep/c0.pt"]});
    let deleted = case.hub.ask("POST", "/api/transfers", Some(delete)).await.body;
    let copy = json!({"operation": "copy", "from": "lake", "to": "local", "paths": ["checkpoints/more.pt"]});
    let copied = case.hub.ask("POST", "/api/transfers", Some(copy)).await.body;
    write(&case.disk, "other/deep/c0.pt", b"a stranger's");
    case.swap("other");
    case.hub.ask("POST", "/api/queue/resume", None).await;
    for batch in [&applied.body, &deleted, &copied] {
        let batch = case.ended(batch).await;
        let items = batch["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["error"]["code"] == "link_changed"), "{batch}");
    }
    assert!(case.lake("checkpoints/more.pt").exists());
    assert_eq!(fs::read(case.disk.path().join("other/deep/c0.pt")).unwrap(), b"a stranger's");
    assert_eq!(fs::read_dir(case.disk.path().join("other")).unwrap().count(), 1, "nothing landed there");
}

#[tokio::test]
async fn deletes_there_go_to_a_trash_in_that_folder_and_come_back() {
    let case = Case::included().await;
    let delete = json!({"operation": "delete", "from": "local", "paths": ["checkpoints"]});
    let batch = case.transfer(delete).await;
    assert_eq!(batch["n_completed"], 3, "{batch}");
    let sd = case.disk.path().join("sd");
    assert!(!sd.join("deep").exists() && sd.join(".comfy-hub-trash").exists(), "emptied folders go");
    assert!(case.local("checkpoints").is_symlink() && !case.local(".comfy-hub-trash").exists());
    let trash = case.hub.get("/api/trash?root=local").await;
    assert_eq!((&trash["total"], &trash["items"][0]["path"]), (&json!(3), &json!("checkpoints/deep/c2.pt")), "{trash}");

    // Left out, the trash stays known, though nothing can be done with it.
    case.set("checkpoints", false).await;
    assert_eq!(case.hub.get("/api/trash?root=local").await["total"], 3);
    case.set("checkpoints", true).await;
    let undone = case.hub.ask("POST", &format!("/api/batches/{}/undo", batch["id"]), None).await;
    assert_eq!(undone.status, StatusCode::ACCEPTED, "{}", undone.body);
    assert_eq!(case.ended(&undone.body).await["n_completed"], 3);
    assert!(sd.join("deep/c2.pt").exists() && !sd.join(".comfy-hub-trash").exists());
    assert_eq!(case.n("unknown").await + case.n("lake_only").await, 0);
}

/// The roots may be set to other folders than when the link was included.
#[tokio::test]
async fn a_root_that_overlaps_with_an_included_folder_later_bars_the_link() {
    let case = Case::included().await;
    let lake = case.disk.path().join("sd/deep").display().to_string();
    let change = [("LAKE_MODELS_ROOT".to_owned(), Some(lake))].into();
    case.hub.state.services.save_settings(change, &case.hub.state.tasks).await.unwrap();
    // The other root is looked at first; its own look is the last.
    case.hub.state.services.roots.refresh(&case.hub.state.tasks).await;
    let scan = case.scan().await;
    assert_eq!((&scan["state"], &scan["n_removed"]), (&json!("partial"), &json!(0)), "{scan}");
    let links = case.links().await;
    assert!(links[0]["why"].as_str().unwrap().contains("holds Lake"), "{links:?}");
    let delete = json!({"operation": "delete", "from": "local", "paths": ["checkpoints/deep/c0.pt"]});
    let refused = case.hub.ask("POST", "/api/transfers", Some(delete)).await;
    assert_eq!(refused.body["n_transfers"], 0, "{}", refused.body);
}
