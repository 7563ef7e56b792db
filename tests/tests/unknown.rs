//! What is not seen is not gone: links, disks inside a root, and folders that may not be read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::machine::{InnerDisk, NOBODY_IN_PARTICULAR, give_to, is_root, skip};
use end_to_end::mirror::{all_said, allowed, apply, apply_path};
use end_to_end::roots::{noise, tree, write};
use end_to_end::{Api, Roots};
use serde_json::{Value, json};

/// Much in common, and checkpoints of which both sides hold copies under `backup`.
fn roots_alike() -> Result<Roots> {
    let roots = Roots::new()?;
    for root in [roots.local(), roots.lake()] {
        for i in 0..20 {
            write(&root.join(format!("loras/l{i}.safetensors")), &noise(i, 900))?;
        }
        for i in 0..5 {
            write(&root.join(format!("backup/c{i}.safetensors")), &noise(100 + i, 5_000))?;
        }
    }
    Ok(roots)
}

fn checkpoints(folder: &Path) -> Result<()> {
    (0..5).try_for_each(|i| write(&folder.join(format!("c{i}.safetensors")), &noise(100 + i, 5_000)).map(drop))
}

fn hashed(api: &Api) -> Result<()> {
    api.hash("local")?;
    api.hash("lake").map(drop)
}

fn mirror(api: &Api, from: &str, to: &str, folder: Option<&str>) -> Result<Value> {
    let body = json!({ "from": from, "to": to, "folder": folder, "compare": "size_mtime", "delete": true });
    api.post("/api/mirrors", &body)
}

fn part<'a>(scan: &'a Value, root: &str) -> &'a Value {
    &scan["roots"][root]
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_a_link_on_one_side_loses_nothing_on_the_other() -> Result<()> {
    for (linked, other) in [("local", "lake"), ("lake", "local")] {
        let roots = roots_alike()?;
        let elsewhere = tempfile::tempdir()?;
        let (link, kept) = match linked {
            "local" => (roots.local().join("checkpoints"), roots.lake()),
            _ => (roots.lake().join("checkpoints"), roots.local()),
        };
        checkpoints(&kept.join("checkpoints"))?;
        std::os::unix::fs::symlink(elsewhere.path(), &link)?;
        let before = tree(&kept)?;
        let setup = allowed(&roots)?;
        let hub = setup.start()?;
        let api = hub.api()?;
        let scan = api.scan_both()?;
        ensure!(number(part(&scan, linked), "n_skipped") == 1, "{scan}");
        hashed(&api)?;
        ensure!(api.diff("unknown")?.len() == 5);
        for (from, to) in [(linked, other), (other, linked)] {
            let plan = mirror(&api, from, to, None)?;
            ensure!(number(&plan["deletes"], "n") == 0 && number(&plan["copies"], "n") == 0, "{plan}");
            ensure!(number(&plan["left_out"], "n") == 5, "{plan}");
            ensure!(api.try_post(&apply_path(&plan), &all_said(&plan))?.status == 422, "there is nothing to do");
        }
        let skipped = api.items(&format!("/api/roots/{linked}/skipped"))?;
        let why = text(&skipped[0], "why");
        ensure!(why.contains(&elsewhere.path().display().to_string()), "it says where the link leads: {why}");
        ensure!(tree(&kept)? == before && link.is_symlink() && fs::read_dir(elsewhere.path())?.next().is_none());
    }
    Ok(())
}

/// A disk on `checkpoints` of one side goes, another comes in its place, and the first one comes back.
#[test]
fn a_disk_inside_a_root_that_goes_takes_nothing_with_it() -> Result<()> {
    let test = "a disk inside a root";
    for bound in [false, true] {
        for (with, other) in [("lake", "local"), ("local", "lake")] {
            let roots = roots_alike()?;
            let (root, kept) =
                if with == "lake" { (roots.lake(), roots.local()) } else { (roots.local(), roots.lake()) };
            let at = root.join("checkpoints");
            let behind = tempfile::tempdir()?;
            let mount = || {
                if bound { InnerDisk::bound(test, behind.path(), &at) } else { InnerDisk::in_memory(test, &at) }
            };
            let Some(disk) = mount()? else { return Ok(()) };
            checkpoints(&at)?;
            checkpoints(&kept.join("checkpoints"))?;
            let before = tree(&kept)?;
            let setup = allowed(&roots)?;
            let hub = setup.start()?;
            let api = hub.api()?;
            api.scan_both()?;
            hashed(&api)?;
            ensure!(api.diff("same")?.len() == 30);

            disk.unmount()?;
            for _ in 0..2 {
                let scan = api.scan(&["local", "lake"])?;
                let seen = part(&scan, with);
                ensure!(text(&scan, "state") == "partial" && text(seen, "state") == "partial", "{scan}");
                ensure!(number(seen, "n_removed") == 0 && number(seen, "n_skipped") == 1, "{scan}");
            }
            ensure!(api.diff("unknown")?.len() == 5);
            for (from, to) in [(with, other), (other, with)] {
                let plan = mirror(&api, from, to, None)?;
                ensure!(["deletes", "copies", "overwrites"].iter().all(|n| number(&plan[*n], "n") == 0), "{plan}");
                ensure!(number(&plan["left_out"], "n") == 5, "{plan}");
            }
            let copied = json!({ "operation": "copy", "from": other, "to": with, "paths": ["checkpoints"] });
            ensure!(number(&api.post("/api/transfers", &copied)?, "n_transfers") == 0);
            if with == "lake" {
                let evicted = api.post("/api/evictions", &json!({ "paths": ["checkpoints"] }))?;
                ensure!(number(&evicted, "n_transfers") == 0, "{evicted}");
            }

            // Another disk, with one file of its own.
            if bound {
                let Some(_again) = mount()? else { return Ok(()) };
                api.scan_both()?;
                ensure!(api.diff("same")?.len() == 30, "the disk is back, and so is all of it");
                continue;
            }
            let Some(wrong) = InnerDisk::in_memory(test, &at)? else { return Ok(()) };
            write(&at.join("other.safetensors"), b"of another disk")?;
            let scan = api.scan(&["local", "lake"])?;
            ensure!(text(&scan, "state") == "partial", "{scan}");
            let skipped = api.items(&format!("/api/roots/{with}/skipped"))?;
            ensure!(text(&skipped[0], "reason") == "disk_changed", "{skipped:?}");
            ensure!(api.diff("unknown")?.len() == 6, "the file of the other disk, too");
            wrong.unmount()?;
            ensure!(tree(&kept)? == before);

            // It is meant to be gone.
            let scan = api.scan(&["local", "lake"])?;
            ensure!(text(&scan, "state") == "partial", "{scan}");
            let accepted = api.post(&format!("/api/roots/{with}/skipped/accept"), &json!({ "path": "checkpoints" }))?;
            let scan = api.wait_while_running("/api/scans", &accepted)?;
            ensure!(text(&scan, "state") == "complete", "{scan}");
            ensure!(api.diff("unknown")?.is_empty() && api.items(&format!("/api/roots/{with}/skipped"))?.is_empty());
        }
    }
    Ok(())
}

#[test]
fn an_unreadable_folder_holds_up_nothing_but_itself() -> Result<()> {
    if !is_root() {
        skip("an unreadable folder", "only root can make a folder that an ordinary user may not read");
        return Ok(());
    }
    for (closed, other) in [("lake", "local"), ("local", "lake")] {
        let roots = roots_alike()?;
        let (root, kept) = if closed == "lake" { (roots.lake(), roots.local()) } else { (roots.local(), roots.lake()) };
        write(&root.join("loras/only here.safetensors"), b"to be deleted there")?;
        write(&kept.join("loras/only there.safetensors"), b"to be deleted")?;
        give_to(roots.folder(), NOBODY_IN_PARTICULAR)?;
        // As ext4 makes `lost+found`.
        write(&kept.join("private/x.safetensors"), b"below the other side's closed folder")?;
        fs::create_dir(root.join("private"))?;
        #[cfg(unix)]
        fs::set_permissions(root.join("private"), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let setup = allowed(&roots)?.as_user(NOBODY_IN_PARTICULAR)?;
        let hub = setup.start()?;
        let api = hub.api()?;
        let scan = api.scan(&["local", "lake"])?;
        ensure!(text(part(&scan, closed), "state") == "partial", "{scan}");
        hashed(&api)?;
        for folder in [Some("loras"), None] {
            let plan = mirror(&api, closed, other, folder)?;
            ensure!(number(&plan["deletes"], "n") == 1, "only what was seen to be missing: {plan}");
            let names: Vec<&str> =
                plan["unknown"].as_array().unwrap().iter().map(|place| text(place, "path")).collect();
            ensure!(names == if folder.is_some() { vec![] } else { vec!["private"] }, "{plan}");
        }
        let plan = mirror(&api, other, closed, Some("loras"))?;
        ensure!(number(&plan["deletes"], "n") == 1, "{plan}");
        api.complete(&apply(&api, &mirror(&api, closed, other, None)?)?)?;
        ensure!(kept.join("private/x.safetensors").exists() && !kept.join("loras/only there.safetensors").exists());
    }
    Ok(())
}
