//! Folders and paths as people type them: found in any case, with any slashes, or told in plain words.

use axum::http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

async fn library() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    hub.put(Root::Local, "loras/sdxl/a.safetensors", b"a");
    hub.put(Root::Local, "loras/sdxl/b.safetensors", b"bb");
    hub.put(Root::Lake, "loras/sdxl/b.safetensors", b"b");
    hub.put(Root::Lake, "Loras only here/c.safetensors", b"ccc");
    hub.scan().await;
    hub
}

/// The ways to type `loras/sdxl`.
fn ways(hub: &TestHub) -> Vec<String> {
    let root = hub.folders.get(Root::Local).path().display();
    ["loras/sdxl", "LORAS/sdxl", "loras\\SDXL", "/loras/sdxl/", "./loras/sdxl", " \\Loras\\\\sdxl\\ "]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("{root}/loras/sdxl"), format!("{root}/LORAS/sdxl/")])
        .collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn a_folder_is_understood_however_it_is_typed() {
    let hub = library().await;
    for way in ways(&hub) {
        let folder = encoded(&way);
        let files = hub.get(&format!("/api/files?root=local&folder={folder}")).await;
        assert_eq!(files["total"], 2, "{way}: {files}");
        let level = hub.get(&format!("/api/folders?root=local&path={folder}")).await;
        assert_eq!((&level["path"], &level["n_files"]), (&json!("loras/sdxl"), &json!(2)), "{way}");
        let diff = hub.get(&format!("/api/diff?folder={folder}")).await;
        assert_eq!(diff["total"], 2, "{way}: {diff}");
        let body = json!({"from": "local", "to": "lake", "folder": way, "delete": true});
        let plan = hub.ask("POST", "/api/mirrors", Some(body)).await;
        assert_eq!(plan.status, StatusCode::CREATED, "{way}: {}", plan.body);
        assert_eq!(plan.body["folder"], "loras/sdxl", "{way}");
        assert_eq!((&plan.body["copies"]["n"], &plan.body["overwrites"]["n"]), (&json!(1), &json!(1)), "{way}");
        let job = hub.ask("POST", "/api/hashes", Some(json!({"root": "local", "folder": way}))).await;
        assert_eq!(job.status, StatusCode::ACCEPTED, "{way}: {}", job.body);
        hub.wait_for(&format!("/api/hashes/{}", job.body["id"]), |job| job["state"] == "complete").await;
        let page = hub.ask("GET", &format!("/library?root=local&folder={}", encoded("LORAS\\sdxl/")), None).await;
        assert!(page.body.as_str().unwrap().contains("a.safetensors"), "{way}");
    }
    let file = encoded("\\LORAS\\sdxl\\A.safetensors");
    let detail = hub.get(&format!("/api/files/detail?root=local&path={file}")).await;
    assert_eq!(detail["path"], "loras/sdxl/a.safetensors");
}

#[tokio::test]
async fn what_is_copied_goes_by_its_own_spelling() {
    let hub = library().await;
    for way in ["LORAS\\sdxl\\A.safetensors", "/loras/SDXL/"] {
        let body = json!({"operation": "copy", "from": "local", "to": "lake", "paths": [way]});
        let made = hub.ask("POST", "/api/transfers", Some(body)).await;
        assert_eq!(made.status, StatusCode::ACCEPTED, "{}", made.body);
        let batch = format!("/api/batches/{}", made.body["batch_id"]);
        hub.wait_for(&batch, |batch| batch["n_open"] == 0).await;
    }
    let lake = hub.get("/api/files?root=lake").await;
    let paths: Vec<&str> =
        lake["items"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["loras only here/c.safetensors", "loras/sdxl/a.safetensors", "loras/sdxl/b.safetensors"]
            .map(|path| { if path.starts_with("loras only") { "Loras only here/c.safetensors" } else { path } })
    );
}

#[tokio::test]
async fn a_mirror_follows_the_side_that_has_the_folder() {
    let hub = library().await;
    let plan = |from: &str, to: &str| json!({"from": from, "to": to, "folder": "LORAS ONLY HERE", "delete": true});
    let copies = hub.ask("POST", "/api/mirrors", Some(plan("lake", "local"))).await.body;
    assert_eq!((&copies["folder"], &copies["copies"]["n"]), (&json!("Loras only here"), &json!(1)), "{copies}");
    let deletes = hub.ask("POST", "/api/mirrors", Some(plan("local", "lake"))).await.body;
    assert_eq!((&deletes["folder"], &deletes["deletes"]["n"]), (&json!("Loras only here"), &json!(1)), "{deletes}");
}

#[rstest]
#[case("/api/files?root=local&folder=", "lora", 404)]
#[case("/api/files?root=local&folder=", "Loras only here", 404)]
#[case("/api/folders?root=lake&path=", "nothing/here", 404)]
#[case("/api/diff?folder=", "lora", 404)]
#[case("/api/evictions?folder=", "lora", 404)]
#[case("/api/files?root=local&folder=", "Q:\\models\\loras", 400)]
#[case("/api/files?root=local&folder=", "../loras", 400)]
#[case("/api/files?root=local&folder=", "loras\\..\\..", 400)]
#[case("/api/diff?folder=", "Q:loras", 400)]
#[case("/api/folders?root=local&path=", "a\0b", 400)]
#[case("/api/files/detail?root=local&path=", "/", 400)]
#[tokio::test]
async fn what_is_not_there_is_never_an_empty_list(#[case] address: &str, #[case] typed: &str, #[case] status: u16) {
    let hub = library().await;
    let refused = hub.ask("GET", &format!("{address}{}", encoded(typed)), None).await;
    assert_eq!(refused.status.as_u16(), status, "{}", refused.body);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.len() > 30 && !detail.contains("RelPath"), "{detail}");
}

#[rstest]
#[case("/api/mirrors", json!({"from": "local", "to": "lake", "folder": "lora"}), 422)]
#[case("/api/mirrors", json!({"from": "local", "to": "lake", "folder": "Q:\\loras"}), 400)]
#[case("/api/mirrors", json!({"from": "local", "to": "lake", "folder": ""}), 400)]
#[case("/api/mirrors", json!({"from": "local", "to": "lake", "folder": "/"}), 400)]
#[case("/api/hashes", json!({"root": "local", "folder": "lora"}), 422)]
#[case("/api/transfers", json!({"operation": "delete", "from": "local", "paths": ["/"]}), 400)]
#[case("/api/transfers", json!({"operation": "delete", "from": "local", "paths": ["loras", "./"]}), 400)]
#[case("/api/transfers", json!({"operation": "delete", "from": "local", "paths": ["..\\x"]}), 400)]
#[case("/api/evictions", json!({"paths": ["lora"]}), 422)]
#[tokio::test]
async fn what_can_not_be_meant_changes_nothing(#[case] address: &str, #[case] body: Value, #[case] status: u16) {
    let hub = library().await;
    let refused = hub.ask("POST", address, Some(body)).await;
    assert_eq!(refused.status.as_u16(), status, "{}", refused.body);
    assert_eq!(hub.get("/api/batches").await["total"], 0);
}

#[tokio::test]
async fn the_root_itself_is_never_deleted_by_its_own_path() {
    let hub = library().await;
    let root = hub.folders.get(Root::Local).path().display().to_string();
    let body = json!({"operation": "delete", "from": "local", "paths": [root]});
    let refused = hub.ask("POST", "/api/transfers", Some(body)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.body);
}

/// Where the disk tells `A` from `a`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn of_names_that_differ_only_in_case_the_exact_one_is_meant() {
    let hub = TestHub::with(&[]).await;
    for (path, content) in [("vae/x.pt", &b"1"[..]), ("VAE/y.pt", b"22"), ("vae/Twin.pt", b"3"), ("vae/twin.pt", b"4")]
    {
        hub.put(Root::Local, path, content);
    }
    hub.put(Root::Lake, "other/z.pt", b"z");
    hub.scan().await;
    for (folder, n) in [("vae", 3), ("VAE", 1)] {
        assert_eq!(hub.get(&format!("/api/files?root=local&folder={folder}")).await["total"], n, "{folder}");
        assert_eq!(hub.get(&format!("/api/files?root=local&folder={folder}&q=pt")).await["total"], n, "{folder}");
        assert_eq!(hub.get(&format!("/api/folders?root=local&path={folder}")).await["n_files"], n, "{folder}");
        let body = json!({"from": "local", "to": "lake", "folder": folder});
        let plan = hub.ask("POST", "/api/mirrors", Some(body)).await.body;
        assert_eq!(plan["folder"], folder, "{plan}");
    }
    let told = |answered: &crate::web::test_hub::Answered, names: [&str; 2]| {
        let detail = answered.body["detail"].as_str().unwrap();
        assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{detail}");
        assert!(names.iter().all(|name| detail.contains(&format!("\"{name}\""))), "{detail}");
    };
    told(&hub.ask("GET", "/api/files?root=local&folder=Vae", None).await, ["VAE", "vae"]);
    told(&hub.ask("GET", "/library?root=local&folder=Vae", None).await, ["VAE", "vae"]);
    let body = json!({"from": "local", "to": "lake", "folder": "Vae"});
    told(&hub.ask("POST", "/api/mirrors", Some(body)).await, ["VAE", "vae"]);
    let body = json!({"operation": "copy", "from": "local", "to": "lake", "paths": ["vae/TWIN.pt"]});
    told(&hub.ask("POST", "/api/transfers", Some(body)).await, ["vae/Twin.pt", "vae/twin.pt"]);
}

#[tokio::test]
async fn the_form_for_a_plan_understands_the_same() {
    let hub = library().await;
    let page = hub.get("/ui/plans/new?folder=LORAS%5Csdxl").await;
    assert!(page.as_str().unwrap().contains("value=\"LORAS/sdxl\""), "{page}");
    let form = |folder: &str| {
        let body = format!("from=local&compare=size_mtime&folder={}", encoded(folder));
        axum::http::Request::builder()
            .method("POST")
            .uri("/ui/plans")
            .header("host", format!("127.0.0.1:{}", crate::web::test_hub::PORT))
            .header("x-hub-token", hub.state.token.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(body))
            .unwrap()
    };
    let made = hub.send(form("LORAS\\SDXL\\")).await;
    assert_eq!(made.status, StatusCode::NO_CONTENT, "{}", made.body);
    assert_eq!(hub.get("/api/mirrors").await["items"][0]["folder"], "loras/sdxl");
    let refused = hub.send(form("lora")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.body);
    let page = hub.ask("GET", "/library?root=local&folder=lora", None).await;
    assert!(page.body.as_str().unwrap().contains("No such folder"), "{}", page.body);
}
