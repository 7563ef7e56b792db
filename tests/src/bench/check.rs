//! A full content check of two equal trees.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::json;

use super::process::wait_until_idle;
use super::table::Table;
use super::{BenchPlan, forget_hub, middle, peers, timed};
use crate::api::Api;
use crate::corpus::{CorpusPlan, generate};
use crate::hub::HubSetup;

/// Measures a check by the hashes that are known, and one that reads both trees anew.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let n = plan.n_content_files;
    let (tree, twin) = (plan.content_tree()?, plan.content_twin()?);
    for root in [&tree, &twin] {
        forget_hub(root)?;
    }
    // All find the same warm cache.
    let warm = || peers::warm(&[&tree, &twin]);
    warm()?;
    let mut known = Vec::new();
    let mut hub = || {
        let setup = HubSetup::on(&tree, &twin)?.set("HASH_SHA256", "false");
        let hub = setup.start()?;
        let api = hub.api()?;
        api.scan_both()?;
        wait_until_idle(hub.process())?;
        let anew = timed(|| hash_both(&api).and_then(|()| expect_equal(&api)))?.0;
        known.push(timed(|| expect_equal(&api))?.0);
        drop(hub);
        forget_hub(&tree)?;
        forget_hub(&twin)?;
        Ok(anew)
    };
    let mut rsync = || peers::rsync_check(&tree, &twin);
    let mut rclone = || {
        let time = peers::rclone_check(&tree, &twin)?;
        warm().map(|()| time)
    };
    let [anew, rsync, rclone] = plan.medians([&mut hub, &mut rsync, &mut rclone])?;
    let known = middle(known);
    table.compare(&format!("content check of {n} files, every file read"), anew, "rsync -anc", rsync, Some(1.0));
    table.compare("the same", anew, "rclone check", rclone, Some(1.0));
    table.compare("the same by hashes that are up to date", known, "rsync -anc", rsync, Some(1.0));
    table.compare("the same by hashes that are up to date", known, "rclone check", rclone, Some(1.0));
    Ok(())
}

/// Both sides at once, as the button on a plan's page does it.
fn hash_both(api: &Api) -> Result<()> {
    let started = ["local", "lake"].map(|root| api.post("/api/hashes", &json!({ "root": root })));
    for hashes in started {
        let ended = api.wait_while_running("/api/hashes", &hashes?)?;
        ensure!(ended["state"] == "complete", "{ended}");
    }
    Ok(())
}

/// A plan by hash that has nothing to do and no pair left that it could not judge.
fn expect_equal(api: &Api) -> Result<()> {
    let plan =
        api.post("/api/mirrors", &json!({ "from": "local", "to": "lake", "compare": "hash", "delete": false }))?;
    let page = api.get(&format!("/api/mirrors/{}/items?limit=1", plan["id"]))?;
    ensure!(page["total"] == 0, "the trees are equal: {plan}");
    Ok(())
}

impl BenchPlan {
    /// A tree equal to the one with contents, with files of its own.
    fn content_twin(&self) -> Result<PathBuf> {
        let folder = self.folder.join(format!("content-twin-{}-{}", self.n_content_files, self.big_mib));
        let plan = CorpusPlan { n_files: self.n_content_files, big_bytes: self.big_mib << 20, seed: 7, contents: true };
        super::made_once(&folder, |folder: &Path| generate(&folder.join("tree"), &plan).map(drop))?;
        Ok(folder.join("tree"))
    }
}
