//! What is asked when room is short, on a big index: what could leave Local, and what is there twice.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::json;

use super::pages::first_bytes;
use super::table::Table;
use super::walk::millis;
use super::{BenchPlan, duplicates, forget_hub, made_once};
use crate::api::number;
use crate::corpus::second_root;
use crate::hub::HubSetup;

/// Measures on two equal trees of small files, each content twice.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let (local, lake) = plan.paired_trees()?;
    forget_hub(&local)?;
    forget_hub(&lake)?;
    let setup = HubSetup::on(&local, &lake)?.set("HASH_SHA256", "false").set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    duplicates::search(&api, &json!({ "roots": ["local"], "min_size": 1 }))?;
    let found = api.get("/api/duplicates?limit=1")?;
    ensure!(number(&found, "total") >= plan.n_files as u64 / 3, "{found}");
    let free = api.get("/api/health")?["roots"]["local"]["free_bytes"].as_u64().unwrap_or(0);
    let half = free + plan.n_files as u64 * 32;
    for (name, address) in [
        ("eviction candidates by size", format!("/api/evictions/candidates?by=size&free_bytes={half}")),
        ("eviction candidates by age", format!("/api/evictions/candidates?by=age&free_bytes={half}")),
        ("the evict page", "/evict".to_owned()),
        ("duplicates, a page of the list", "/api/duplicates?limit=200".to_owned()),
        ("the duplicates page", "/duplicates".to_owned()),
        ("the batches of the queue", "/queue?tab=batches".to_owned()),
    ] {
        let times = first_bytes(&api, &address)?;
        let name = format!("{name}, {} files on each side, p99 of {}", plan.n_files, times.len());
        table.limit(&name, millis(times[times.len() * 99 / 100]), "ms", 50.0);
    }
    drop(hub);
    forget_hub(&local)?;
    forget_hub(&lake)
}

impl BenchPlan {
    /// Two equal trees of files of 64 bytes. Each content has two names in a tree.
    fn paired_trees(&self) -> Result<(PathBuf, PathBuf)> {
        let folder = self.folder.join(format!("paired-{}", self.n_files));
        made_once(&folder, |folder| {
            let local = folder.join("local");
            for i in 0..self.n_files {
                let path = local.join(format!("loras/f{:03}/m{i:06}.safetensors", i / 500));
                if i % 500 == 0 {
                    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                }
                fs::write(path, format!("{:064}", i / 2))?;
            }
            second_root(&local, &folder.join("lake"), true)
        })?;
        Ok((folder.join("local"), folder.join("lake")))
    }
}
