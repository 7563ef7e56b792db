//! Indexing real folders: what is found, what is left out, and what a rescan does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;

use anyhow::{Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::corpus::{CorpusPlan, generate, second_root};
#[cfg(unix)]
use end_to_end::machine::{NOBODY_IN_PARTICULAR, give_to, is_root, skip};
use end_to_end::roots::{all_files, set_time};
use end_to_end::{HubSetup, Roots};
use serde_json::json;

#[test]
fn a_generated_corpus_is_indexed_as_it_lies_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (local, lake) = (folder.path().join("local"), folder.path().join("lake"));
    let plan = CorpusPlan { n_files: 3_000, big_bytes: 1 << 20, seed: 11, contents: true };
    let size = generate(&local, &plan)?;
    second_root(&local, &lake, true)?;
    let (expected, on_lake) = (all_files(&local)?, all_files(&lake)?);

    let setup = HubSetup::on(&local, &lake)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let scan = api.scan_both()?;
    ensure!(number(&scan["roots"]["local"], "n_files") == 3_000, "{scan}");
    ensure!(number(&scan["roots"]["local"], "size_bytes") == size, "{scan}");
    ensure!(api.paths("local")? == expected);
    ensure!(api.paths("lake")? == on_lake);

    let top = api.get("/api/folders?root=local&path=")?;
    ensure!(number(&top, "size_bytes") == size && number(&top, "n_files") == 3_000, "{top}");
    let below: u64 = top["folders"].as_array().unwrap().iter().map(|folder| number(folder, "n_files")).sum();
    ensure!(below == 3_000, "no file lies in the root itself: {top}");

    let missing = expected.iter().filter(|path| !on_lake.contains(path)).count();
    ensure!(api.diff("local_only")?.len() == missing);
    ensure!(missing == 30, "every hundredth is left out");
    Ok(())
}

#[test]
fn a_rescan_finds_what_changed_and_nothing_else() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..40 {
        roots.local_file(&format!("loras/set{}/m{i}.safetensors", i % 4), format!("weights {i}").as_bytes())?;
    }
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    let unchanged = api.scan(&["local"])?;
    ensure!(number(&unchanged["roots"]["local"], "n_files") == 40, "{unchanged}");

    fs::remove_file(roots.local().join("loras/set0/m0.safetensors"))?;
    fs::rename(roots.local().join("loras/set1"), roots.local().join("loras/renamed"))?;
    roots.local_file("loras/set2/new.safetensors", b"new")?;
    roots.local_file("loras/set2/m2.safetensors", b"longer than before")?;
    api.scan(&["local"])?;
    ensure!(api.paths("local")? == end_to_end::roots::tree(&roots.local())?.into_keys().collect::<Vec<_>>());
    let detail = api.get("/api/files/detail?root=local&path=loras/set2/m2.safetensors")?;
    ensure!(number(&detail, "size_bytes") == 18, "{detail}");

    // Same size, another time: still a change.
    set_time(&roots.local().join("loras/set3/m3.safetensors"), 1_650_000_000)?;
    api.scan(&["local"])?;
    let detail = api.get("/api/files/detail?root=local&path=loras/set3/m3.safetensors")?;
    ensure!(text(&detail, "modified_at").starts_with("2022-04-15T05:20:00"), "{detail}");
    Ok(())
}

#[test]
fn droppings_links_and_the_hubs_own_files_are_left_out() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("vae/real.safetensors", b"x")?;
    for path in ["vae/Thumbs.db", "vae/.DS_Store", "vae/x.safetensors.part", "@eaDir/x.jpg", ".git/config", "vae/._x"] {
        roots.lake_file(path, b"x")?;
    }
    #[cfg(unix)]
    {
        let outside = roots.folder().join("outside");
        fs::create_dir(&outside)?;
        fs::write(outside.join("secret.safetensors"), "x")?;
        std::os::unix::fs::symlink(&outside, roots.lake().join("linked-folder"))?;
        std::os::unix::fs::symlink(outside.join("secret.safetensors"), roots.lake().join("vae/linked.safetensors"))?;
    }
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    ensure!(api.paths("lake")? == ["vae/real.safetensors"]);
    ensure!(roots.lake().join(".comfy-hub-root.json").is_file(), "a root is marked when it is adopted");
    Ok(())
}

#[test]
fn unicode_and_long_names_are_kept_exactly() -> Result<()> {
    let roots = Roots::new()?;
    let deep = format!("loras/{}", ["a folder with quite a long name in it"; 10].join("/"));
    let names = [
        "loras/水彩画風.safetensors".to_owned(),
        "loras/cafe\u{301}.safetensors".to_owned(),
        "loras/Ünïcode ‘quoted’ (1) [v2] #+%&.safetensors".to_owned(),
        format!("loras/{}", "長".repeat(85)),
        format!("{deep}/{}.safetensors", "x".repeat(243)),
        "loras/🦊.safetensors".to_owned(),
    ];
    for name in &names {
        roots.lake_file(name, name.as_bytes())?;
    }
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let mut expected = names.to_vec();
    expected.sort();
    ensure!(api.paths("lake")? == expected);

    let batch = api.copy("lake", "local", &["loras"])?;
    api.complete(&batch)?;
    let (local, lake) = (end_to_end::roots::tree(&roots.local())?, end_to_end::roots::tree(&roots.lake())?);
    ensure!(local == lake, "every name, byte and time arrives: {:?}", local.keys());

    let found = api.items("/api/files?root=lake&q=%E6%B0%B4%E5%BD%A9%E7%94%BB")?;
    ensure!(found.len() == 1 && text(&found[0], "path") == names[0], "{found:?}");
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_differ_in_case_only_are_a_conflict_and_left_alone() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("loras/Style.safetensors", b"one")?;
    roots.lake_file("loras/style.safetensors", b"another")?;
    roots.lake_file("loras/other.safetensors", b"x")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let files = api.items("/api/files?root=lake")?;
    let in_conflict = files.iter().filter(|file| file["conflict"] == json!(true)).count();
    ensure!(in_conflict == 2, "{files:?}");
    ensure!(!api.diff("conflict")?.is_empty());
    ensure!(api.diff("lake_only")? == ["loras/other.safetensors"]);

    let batch = api.copy("lake", "local", &["loras"])?;
    api.complete(&batch)?;
    ensure!(end_to_end::roots::tree(&roots.local())?.into_keys().collect::<Vec<_>>() == ["loras/other.safetensors"]);
    Ok(())
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_listed_makes_the_scan_partial_and_loses_nothing() -> Result<()> {
    if !is_root() {
        skip("permission denied mid-walk", "needs root, to be someone else");
        return Ok(());
    }
    let roots = Roots::new()?;
    roots.lake_file("loras/open/a.safetensors", b"a")?;
    roots.lake_file("loras/closed/b.safetensors", b"b")?;
    roots.lake_file("loras/closed/deeper/c.safetensors", b"c")?;
    give_to(roots.folder(), NOBODY_IN_PARTICULAR)?;
    let setup = roots.hub()?.as_user(NOBODY_IN_PARTICULAR)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    let closed = roots.lake().join("loras/closed");
    let mode = |mode| fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode(0o000)?;
    fs::remove_file(roots.lake().join("loras/open/a.safetensors"))?;
    let scan = api.scan(&["lake"])?;
    ensure!(text(&scan, "state") == "partial", "{scan}");
    ensure!(number(&scan["roots"]["lake"], "n_errors") > 0, "{scan}");
    ensure!(scan["errors"].to_string().contains("loras/closed"), "the folder is named: {scan}");
    let known = api.paths("lake")?;
    ensure!(known.contains(&"loras/closed/b.safetensors".to_owned()), "not seen is not gone: {known:?}");
    ensure!(known.contains(&"loras/closed/deeper/c.safetensors".to_owned()), "{known:?}");

    mode(0o755)?;
    let scan = api.scan(&["lake"])?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    ensure!(api.paths("lake")? == ["loras/closed/b.safetensors", "loras/closed/deeper/c.safetensors"]);
    Ok(())
}
