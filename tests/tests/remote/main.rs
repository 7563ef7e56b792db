//! Hub and agent, for real, with a tunnel between them that fails in every way tunnels do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

#[cfg(target_os = "linux")]
mod arm;
#[cfg(target_os = "linux")]
mod bare;
#[cfg(unix)]
mod behind_nginx;
mod cables;
mod clones;
mod connection;
mod disks;
mod ends;
mod first_time;
mod frenzy;
mod kills;
mod linked;
#[cfg(target_os = "linux")]
mod losing;
#[cfg(target_os = "linux")]
mod optional;
#[cfg(target_os = "linux")]
mod pods;
mod proxies;
mod secrets;
#[cfg(target_os = "linux")]
mod small_files;
mod sources;
mod strangers;
mod streams;
mod tls;
#[cfg(target_os = "linux")]
mod versions;
mod wrong_hands;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use end_to_end::agent::AgentSetup;

/// A file under its final name is the one that was sent.
fn expect_arrived(machine: &AgentSetup, path: &str, content: &[u8]) -> Result<()> {
    let at = machine.models().join(path);
    let found = std::fs::read(&at).with_context(|| format!("cannot read {}", at.display()))?;
    ensure!(found == content, "{path} differs: {} of {} bytes", found.len(), content.len());
    ensure!(parts(&machine.models())?.is_empty(), "left over: {:?}", parts(&machine.models())?);
    Ok(())
}

/// Files of the agent that are not models, below the folder of models.
fn parts(models: &Path) -> Result<Vec<String>> {
    if !models.is_dir() {
        return Ok(Vec::new());
    }
    let files = end_to_end::roots::all_files(models)?;
    Ok(files.into_iter().filter(|path| path.contains(".part")).collect())
}
