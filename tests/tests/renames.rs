//! Names that differ only in case: the rename that ends the conflict, through kills and back again.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::Roots;
use end_to_end::roots::{noise, part_files, tree};
use rand::RngExt as _;
use serde_json::json;

/// Pairs of models that differ only in case.
const N_PAIRS: u64 = 120;

/// A kill between the rename and its commit, between weights and their preview, or before either: every content is
/// there under one of its two names at every moment, no name is taken twice, and in the end no conflict is left.
#[test]
fn kills_in_the_middle_of_renames_lose_nothing_and_the_conflicts_end() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..N_PAIRS {
        for (at, name) in [format!("Foo{i}"), format!("foo{i}")].into_iter().enumerate() {
            let seed = i * 10 + at as u64;
            roots.lake_file(&format!("vae/{name}.safetensors"), &noise(seed, 3_000))?;
            roots.lake_file(&format!("vae/{name}.preview.png"), &noise(seed + 5, 500))?;
        }
    }
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let before = tree(&roots.lake())?;
    let contents = |tree: &end_to_end::roots::Tree| tree.values().cloned().collect::<Vec<_>>();
    let sorted = |mut contents: Vec<_>| {
        contents.sort();
        contents
    };
    let expected = sorted(contents(&before));
    let setup = roots.hub()?.set("LAKE_ALLOW_DELETE", "true");
    let mut random = rand::rng();
    let mut hub = setup.start()?;
    hub.api()?.scan_both()?;
    ensure!(hub.api()?.diff("conflict")?.len() as u64 == 2 * N_PAIRS);
    let mut batches = Vec::new();
    for i in 0..N_PAIRS {
        let request = json!({ "root": "lake", "path": format!("vae/Foo{i}.safetensors") });
        let made = hub.api()?.post("/api/files/rename", &request)?;
        ensure!(made["n_transfers"] == 2, "{made}");
        batches.push(made["batch_id"].to_string());
        if i % 20 == 19 {
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            hub.kill()?;
            ensure!(sorted(contents(&tree(&roots.lake())?)) == expected, "every content once, after pair {i}");
            hub = setup.start()?;
        }
    }
    let api = hub.api()?;
    for batch in &batches {
        api.complete(batch)?;
    }
    let after = tree(&roots.lake())?;
    for i in 0..N_PAIRS {
        for end in ["safetensors", "preview.png"] {
            let at = |tree: &end_to_end::roots::Tree, name: String| tree.get(&format!("vae/{name}.{end}")).cloned();
            ensure!(at(&after, format!("Foo{i} (2)")) == at(&before, format!("Foo{i}")), "Foo{i} (2).{end}");
            ensure!(at(&after, format!("foo{i}")) == at(&before, format!("foo{i}")), "foo{i}.{end}");
        }
    }
    ensure!(after.len() == before.len() && part_files(&roots.lake())?.is_empty());
    ensure!(api.diff("conflict")?.is_empty(), "the conflicts are over");
    // What the index says is what a scan says.
    let known: BTreeSet<String> = api.paths("lake")?.into_iter().collect();
    api.scan_both()?;
    ensure!(known == api.paths("lake")?.into_iter().collect() && known.len() == before.len());

    // Some of them back, with a kill in between.
    let mut back = Vec::new();
    for batch in batches.iter().take(30) {
        back.push(api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?["batch_id"].to_string());
    }
    hub.kill()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    for batch in &back {
        api.complete(batch)?;
    }
    let end = tree(&roots.lake())?;
    ensure!(sorted(contents(&end)) == expected);
    for i in 0..30 {
        let name = format!("vae/Foo{i}.safetensors");
        ensure!(end.get(&name) == before.get(&name), "{name} is back");
    }
    ensure!(api.diff("conflict")?.len() == 60);
    Ok(())
}

/// Folders and plans as people ask for them, and the plan that tells what a copy would be refused for.
#[test]
fn a_mirror_of_a_folder_in_another_case_has_its_files() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("loras/sdxl/a.safetensors", &noise(1, 1_000))?;
    roots.local_file("loras/sdxl/Style.safetensors", &noise(2, 1_000))?;
    roots.lake_file("loras/sdxl/style.safetensors", &noise(3, 1_000))?;
    let hub = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true").start()?;
    let api = hub.api()?;
    api.scan_both()?;
    for folder in ["LORAS/sdxl", "loras\\SDXL", "/loras/sdxl/", &format!("{}/loras/sdxl", roots.local().display())] {
        let plan = api.post("/api/mirrors", &json!({ "from": "local", "to": "lake", "folder": folder }))?;
        ensure!(plan["folder"] == "loras/sdxl" && plan["copies"]["n"] == 1 && plan["conflicts"] == 1, "{plan}");
    }
    api.try_post("/api/mirrors", &json!({ "from": "local", "to": "lake", "folder": "lora" }))?.expect_problem(422)?;
    api.try_get("/api/files?root=local&folder=lora")?.expect_problem(404)?;
    let made = api.post(
        "/api/files/rename",
        &json!({ "root": "local", "path": "loras/sdxl/STYLE.safetensors", "to": "loras/sdxl/style.safetensors" }),
    )?;
    api.complete(&made["batch_id"].to_string())?;
    let plan = api.post("/api/mirrors", &json!({ "from": "local", "to": "lake", "folder": "loras" }))?;
    ensure!(plan["conflicts"] == 0, "{plan}");
    Ok(())
}
