//! A folder that lies on another disk and is linked into a root: included, worked on, swapped, left out again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::machine::InnerDisk;
use end_to_end::mirror::{all_said, allowed, apply, apply_path};
use end_to_end::roots::{all_files, noise, tree, write};
use end_to_end::wait::{SOON, wait_for};
use end_to_end::{Api, Hub, Roots};
use serde_json::{Value, json};

/// Local's checkpoints are linked to `sd` on a disk of its own where there is one; the Lake has the same five, and both
/// have loras.
struct Library {
    roots: Roots,
    disk: tempfile::TempDir,
}

impl Library {
    fn new() -> Result<Self> {
        let shm = Path::new("/dev/shm");
        let disk = if shm.is_dir() { tempfile::tempdir_in(shm)? } else { tempfile::tempdir()? };
        let library = Self { roots: Roots::new()?, disk };
        for i in 0..5 {
            let (name, content) = (format!("c{i}.safetensors"), noise(100 + i, 5_000));
            write(&library.sd().join("deep").join(&name), &content)?;
            library.roots.lake_file(&format!("checkpoints/deep/{name}"), &content)?;
        }
        for i in 0..20 {
            let (path, content) = (format!("loras/l{i}.safetensors"), noise(i, 900));
            library.roots.local_file(&path, &content)?;
            library.roots.lake_file(&path, &content)?;
        }
        symlink(library.sd(), library.link())?;
        Ok(library)
    }

    fn sd(&self) -> PathBuf {
        self.disk.path().join("sd")
    }

    fn link(&self) -> PathBuf {
        self.roots.local().join("checkpoints")
    }
}

fn set(api: &Api, include: bool) -> Result<Value> {
    let started = api.post("/api/roots/local/links", &json!({ "path": "checkpoints", "include": include }))?;
    api.wait_while_running("/api/scans", &started)
}

fn included(hub: &Hub) -> Result<Api> {
    let api = hub.api()?;
    api.scan_both()?;
    let scan = set(&api, true)?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    Ok(api)
}

fn mirror(api: &Api, from: &str, to: &str) -> Result<Value> {
    api.post("/api/mirrors", &json!({ "from": from, "to": to, "compare": "size_mtime", "delete": true }))
}

fn nothing_planned(api: &Api) -> Result<()> {
    for (from, to) in [("local", "lake"), ("lake", "local")] {
        let plan = mirror(api, from, to)?;
        let is_empty = ["deletes", "copies", "overwrites", "moves"].iter().all(|n| number(&plan[*n], "n") == 0);
        ensure!(is_empty && number(&plan["left_out"], "n") == 5, "{plan}");
        ensure!(api.try_post(&apply_path(&plan), &all_said(&plan))?.status == 422, "there is nothing to do");
    }
    Ok(())
}

fn delete(api: &Api, paths: &[&str]) -> Result<String> {
    api.enqueue(&json!({ "operation": "delete", "from": "local", "paths": paths }))
}

#[test]
fn a_linked_folder_is_included_worked_on_and_left_out_again() -> Result<()> {
    let library = Library::new()?;
    let (sd, roots) = (library.sd(), &library.roots);
    let setup = allowed(roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let skipped = api.items("/api/roots/local/skipped")?;
    ensure!(text(&skipped[0], "why").contains(&sd.display().to_string()), "{skipped:?}");
    ensure!(api.diff("unknown")?.len() == 5, "the default: not followed");

    set(&api, true)?;
    api.hash("local")?;
    api.hash("lake")?;
    ensure!(api.diff("same")?.len() == 25 && api.diff("unknown")?.is_empty());

    // To it, from it, within it, and away.
    roots.lake_file("checkpoints/new/n.safetensors", &noise(200, 9_000))?;
    roots.lake_file("checkpoints/new/n.preview.png", &noise(201, 500))?;
    api.scan_both()?;
    api.complete(&api.copy("lake", "local", &["checkpoints/new"])?)?;
    ensure!(fs::read(sd.join("new/n.safetensors"))? == noise(200, 9_000));
    write(&sd.join("mine/m.safetensors"), &noise(300, 700))?;
    api.scan_both()?;
    let moved = json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["checkpoints/mine"] });
    api.complete(&api.enqueue(&moved)?)?;
    ensure!(roots.lake().join("checkpoints/mine/m.safetensors").exists() && !sd.join("mine").exists());
    let file = sd.join("deep/c0.safetensors");
    let inode = fs::metadata(&file)?.ino();
    let batch = delete(&api, &["checkpoints/deep", "loras/l0.safetensors"])?;
    api.complete(&batch)?;
    let trash: Vec<String> = all_files(&sd.join(".comfy-hub-trash"))?;
    ensure!(trash.len() == 5 && trash[0].ends_with("deep/c0.safetensors"), "{trash:?}");
    ensure!(fs::metadata(sd.join(".comfy-hub-trash").join(&trash[0]))?.ino() == inode, "a rename, no copy");
    ensure!(all_files(&roots.local().join(".comfy-hub-trash"))?.len() == 1, "the loras' is the root's own");
    ensure!(library.link().is_symlink() && !sd.join("deep").exists());
    let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
    api.complete(&undone["batch_id"].to_string())?;
    ensure!(file.exists() && !sd.join(".comfy-hub-trash").exists(), "an empty trash leaves no folder");

    // Both sides are made alike: the Lake's are ordinary folders, and Local's link stays one.
    let plan = mirror(&api, "local", "lake")?;
    ensure!(number(&plan["deletes"], "n") == 1 && number(&plan["copies"], "n") == 0, "{plan}");
    api.complete(&apply(&api, &plan)?)?;
    ensure!(!roots.lake().join("checkpoints/mine/m.safetensors").exists());
    fs::remove_dir_all(roots.lake().join("checkpoints"))?;
    api.scan_both()?;
    let plan = mirror(&api, "local", "lake")?;
    ensure!(number(&plan["copies"], "n") == 7 && number(&plan["deletes"], "n") == 0, "{plan}");
    api.complete(&apply(&api, &plan)?)?;
    ensure!(!roots.lake().join("checkpoints").is_symlink() && library.link().is_symlink());
    ensure!(tree(&sd)? == tree(&roots.lake().join("checkpoints"))?);
    fs::remove_dir_all(roots.lake().join("checkpoints/new"))?;
    api.scan_both()?;
    api.complete(&apply(&api, &mirror(&api, "lake", "local")?)?)?;
    ensure!(library.link().is_symlink() && !sd.join("new/n.safetensors").exists());

    // Left out: nothing of it is absent.
    let before = (tree(&sd)?, tree(&roots.lake())?);
    let scan = set(&api, false)?;
    ensure!(number(&scan["roots"]["local"], "n_removed") == 0 && text(&scan, "state") == "complete", "{scan}");
    ensure!(api.diff("unknown")?.len() == 5 && api.diff("lake_only")?.is_empty());
    nothing_planned(&api)?;
    ensure!((tree(&sd)?, tree(&roots.lake())?) == before);
    Ok(())
}

#[test]
fn a_link_that_leads_elsewhere_takes_nothing_with_it() -> Result<()> {
    let library = Library::new()?;
    let (sd, roots) = (library.sd(), &library.roots);
    let other = library.disk.path().join("other");
    write(&other.join("deep/c0.safetensors"), b"a stranger's")?;
    let setup = allowed(roots)?;
    let hub = setup.start()?;
    let api = included(&hub)?;
    let before = tree(&roots.lake())?;

    // What was queued before finds out by itself.
    api.post("/api/queue/pause", &json!({}))?;
    let batch = delete(&api, &["checkpoints/deep/c0.safetensors"])?;
    fs::remove_file(library.link())?;
    symlink(&other, library.link())?;
    api.post("/api/queue/resume", &json!({}))?;
    let refused = wait_for("the delete to be refused", SOON, || {
        Ok(api.transfers(&batch)?.into_iter().find(|one| text(one, "state") == "failed"))
    })?;
    ensure!(text(&refused["error"], "code") == "link_changed", "{refused}");

    for swapped in ["elsewhere", "nowhere"] {
        let scan = api.scan(&["local"])?;
        let part = &scan["roots"]["local"];
        ensure!(text(part, "state") == "partial" && number(part, "n_removed") == 0, "{swapped}: {scan}");
        let skipped = api.items("/api/roots/local/skipped")?;
        ensure!(skipped.len() == 1 && text(&skipped[0], "reason") == "link_changed", "{swapped}: {skipped:?}");
        ensure!(api.diff("unknown")?.len() == 5);
        nothing_planned(&api)?;
        if swapped == "elsewhere" {
            fs::remove_file(library.link())?;
            symlink(library.disk.path().join("no-such"), library.link())?;
        }
    }
    ensure!(tree(&roots.lake())? == before && fs::read(other.join("deep/c0.safetensors"))? == b"a stranger's");
    ensure!(all_files(&other)?.len() == 1 && all_files(&sd)?.len() == 5);

    // Back as it was, after a restart, too.
    fs::remove_file(library.link())?;
    symlink(&sd, library.link())?;
    drop(hub);
    let hub = setup.start()?;
    let api = hub.api()?;
    let scan = api.scan(&["local"])?;
    ensure!(text(&scan, "state") == "complete" && api.diff("unknown")?.is_empty(), "{scan}");
    Ok(())
}

/// The disk that the link leads to is taken away: what it was mounted on is an empty folder.
#[test]
fn the_disk_behind_a_link_that_goes_takes_nothing_with_it() -> Result<()> {
    let roots = Roots::new()?;
    let at = roots.folder().join("disk");
    let Some(disk) = InnerDisk::in_memory("the disk behind a link", &at)? else { return Ok(()) };
    for i in 0..5 {
        write(&at.join(format!("c{i}.safetensors")), &noise(i, 3_000))?;
        roots.lake_file(&format!("checkpoints/c{i}.safetensors"), &noise(i, 3_000))?;
    }
    roots.local_file("loras/x.safetensors", b"x")?;
    roots.lake_file("loras/x.safetensors", b"x")?;
    symlink(&at, roots.local().join("checkpoints"))?;
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = included(&hub)?;
    ensure!(api.diff("same")?.len() + api.diff("unverified")?.len() == 6);
    disk.unmount()?;
    let scan = api.scan(&["local"])?;
    ensure!(text(&scan, "state") == "partial" && number(&scan["roots"]["local"], "n_removed") == 0, "{scan}");
    nothing_planned(&api)?;
    let copied = json!({ "operation": "copy", "from": "lake", "to": "local", "paths": ["checkpoints"] });
    ensure!(number(&api.post("/api/transfers", &copied)?, "n_transfers") == 0);
    ensure!(all_files(&at)?.is_empty(), "nothing fills the folder that it was mounted on");
    Ok(())
}
