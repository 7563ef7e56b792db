//! The hub's own data folder inside a model folder, and models that are still downloaded: nobody's
//! plan, copy or eviction may take them for the library.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::number;
use end_to_end::roots::noise;
use end_to_end::{HubSetup, Roots};
use serde_json::json;

/// A hub whose data folder lies at `place` inside Local.
fn inside(roots: &Roots, place: &str) -> Result<HubSetup> {
    let data = roots.local().join(place);
    fs::create_dir_all(&data)?;
    Ok(HubSetup::in_folder(&data)
        .set("LOCAL_MODELS_ROOT", roots.local())
        .set("LAKE_MODELS_ROOT", roots.lake())
        .set("LOCAL_ALLOW_DELETE", "true")
        .set("LAKE_ALLOW_DELETE", "true"))
}

#[test]
fn the_hubs_own_data_inside_a_root_is_no_library() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..30 {
        let content = noise(i, 3_000);
        roots.local_file(&format!("loras/m{i}.safetensors"), &content)?;
        roots.lake_file(&format!("loras/m{i}.safetensors"), &content)?;
    }
    // What an earlier mirror may have brought there, and what must not come back over the database.
    roots.lake_file("apps/hub-data/hub.db", b"an old copy")?;
    roots.lake_file("apps/hub-data/new.safetensors", b"whatever")?;
    roots.lake_file("apps/other.safetensors", b"other")?;
    let setup = inside(&roots, "apps/hub-data")?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    ensure!(api.paths("local")?.iter().all(|path| path.starts_with("loras/")), "{:?}", api.paths("local")?);

    let plan = api.post("/api/mirrors", &json!({"from": "lake", "to": "local", "delete": true}))?;
    ensure!(plan["deletes"]["n"] == 0, "{plan}");
    let applied = api.post(&format!("/api/mirrors/{}/apply", plan["id"]), &json!({}))?;
    let batch = api.wait_for_batch(&applied["batch_id"].to_string())?;
    ensure!(roots.local().join("apps/other.safetensors").is_file(), "{batch:?}");
    ensure!(!roots.local().join("apps/hub-data/new.safetensors").exists(), "nothing is brought into it");
    ensure!(fs::metadata(roots.local().join("apps/hub-data/hub.db"))?.len() > 1_000, "the database is the hub's");

    for operation in ["copy", "move"] {
        let body = json!({"operation": operation, "from": "local", "to": "lake", "paths": ["apps/hub-data", "loras"]});
        let said = api.post("/api/transfers", &body)?;
        ensure!(said.to_string().contains("own data folder"), "{said}");
        api.wait_for_batch(&said["batch_id"].to_string())?;
    }
    ensure!(api.get("/api/health")?["status"] == "ok");
    ensure!(api.get("/api/history?limit=1")?["total"].as_u64().context("a count")? > 0);
    Ok(())
}

#[test]
fn the_data_folder_is_no_root() -> Result<()> {
    let roots = Roots::new()?;
    let data = roots.folder().join("data");
    fs::create_dir_all(data.join("models"))?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(&data, roots.folder().join("link"))?;
    let mut wrong = vec![data.clone(), data.join("models"), data.join("not/yet")];
    if cfg!(unix) {
        wrong.push(roots.folder().join("link"));
    }
    for root in wrong {
        let setup = HubSetup::in_folder(&data).set("LOCAL_MODELS_ROOT", &root);
        for setup in [setup.argument("doctor"), HubSetup::in_folder(&data).set("LAKE_MODELS_ROOT", &root)] {
            let output = setup.run()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(
                output.status.code() == Some(2) && said.contains("outside of APP_DATA_DIR"),
                "{}: {said}",
                root.display()
            );
        }
    }
    // The same from the page: the settings in force stay.
    let setup = HubSetup::in_folder(&data).set("LAKE_MODELS_ROOT", roots.lake());
    let hub = setup.start()?;
    let answer = hub.api()?.try_put("/api/settings", &json!({"LOCAL_MODELS_ROOT": data}))?;
    let said = format!("{answer:?}");
    ensure!(said.contains("outside of APP_DATA_DIR"), "{said}");
    Ok(())
}

#[test]
fn half_downloads_stay_with_the_program_that_writes_them() -> Result<()> {
    let roots = Roots::new()?;
    let whole = noise(1, 40_000);
    let half = [
        "x.safetensors.part",
        "x.safetensors.crdownload",
        "x.safetensors.incomplete",
        "~syncthing~x.safetensors.tmp",
        ".syncthing.x.safetensors.tmp",
        "x.safetensors.!qB",
        "x.safetensors.aria2",
        "x.safetensors.opdownload",
    ];
    for name in half {
        roots.local_file(&format!("loras/{name}"), whole.get(..9_000).context("half")?)?;
        roots.lake_file(&format!("vae/{name}"), whole.get(..9_000).context("half")?)?;
    }
    roots.local_file("loras/x.safetensors", whole.get(..9_000).context("half")?)?;
    roots.local_file("loras/fine.safetensors", &whole)?;
    roots.lake_file("vae/fine.tmp.safetensors", &whole)?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    ensure!(api.paths("local")? == ["loras/fine.safetensors"] && api.paths("lake")? == ["vae/fine.tmp.safetensors"]);
    let before = end_to_end::roots::all_files(&roots.local())?;
    let asked =
        api.post("/api/transfers", &json!({"operation": "move", "from": "local", "to": "lake", "paths": ["loras"]}))?;
    api.wait_for_batch(&asked["batch_id"].to_string())?;
    let after = end_to_end::roots::all_files(&roots.local())?;
    let gone: Vec<_> = before.iter().filter(|path| !after.contains(path)).collect();
    ensure!(gone == ["loras/fine.safetensors"], "{gone:?}");
    ensure!(number(&asked, "n_transfers") == 1, "{asked}");
    Ok(())
}
