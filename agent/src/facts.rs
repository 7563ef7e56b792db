//! What the agent tells about its machine: enough to see whether a model will fit and run there.
//!
//! A fact that the system doesn't tell is absent, never guessed.

mod system;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

/// What this machine is.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Version of the agent.
    pub agent_version: &'static str,
    /// Name and version of the system, as it calls itself.
    pub os: String,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Architecture of the processor.
    pub arch: &'static str,
    /// Processors this program may use: a container's share, not the whole machine.
    pub n_cpus: Option<usize>,
    /// Memory of the machine.
    pub memory_bytes: Option<u64>,
    /// Memory that can be had without pushing anything out.
    pub memory_available_bytes: Option<u64>,
    /// The folders that were asked about, in order.
    pub roots: Vec<RootFacts>,
}

/// A folder and the room on its disk.
#[derive(Debug, Serialize)]
pub struct RootFacts {
    /// Absolute.
    pub path: PathBuf,
    /// Whether it is there; if not, the room is that of the nearest folder above that is.
    pub exists: bool,
    /// What this user may still write there.
    pub free_bytes: Option<u64>,
    /// Size of the disk.
    pub total_bytes: Option<u64>,
}

/// Room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    free_bytes: u64,
    total_bytes: u64,
}

impl Facts {
    /// Asks the system.
    pub fn collect(roots: &[PathBuf]) -> anyhow::Result<Self> {
        let memory = system::memory();
        Ok(Self {
            agent_version: env!("CARGO_PKG_VERSION"),
            os: system::os_name().unwrap_or_else(|| std::env::consts::OS.to_owned()),
            kernel: system::kernel(),
            arch: std::env::consts::ARCH,
            n_cpus: std::thread::available_parallelism().ok().map(usize::from),
            memory_bytes: memory.map(|m| m.total_bytes),
            memory_available_bytes: memory.map(|m| m.free_bytes),
            roots: roots.iter().map(|root| RootFacts::of(root)).collect::<anyhow::Result<_>>()?,
        })
    }
}

impl RootFacts {
    fn of(root: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(root).with_context(|| format!("cannot use the folder {}", root.display()))?;
        let exists = path.is_dir();
        let space = path.ancestors().find(|folder| folder.is_dir()).and_then(system::space);
        Ok(Self { exists, free_bytes: space.map(|s| s.free_bytes), total_bytes: space.map(|s| s.total_bytes), path })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("a/b/ComfyUI");
        let facts = Facts::collect(&[folder.path().to_owned(), missing.clone()]).unwrap();
        let [there, not_there] = &facts.roots[..] else { unreachable!("two were asked about") };
        assert!(there.exists && !not_there.exists);
        assert_eq!(not_there.path, missing);
        assert_eq!(there.total_bytes, not_there.total_bytes);
        assert!(there.total_bytes >= there.free_bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything() {
        let facts = Facts::collect(&[PathBuf::from("/")]).unwrap();
        assert!(facts.kernel.is_some_and(|kernel| kernel.contains('.')));
        assert!(facts.memory_bytes > facts.memory_available_bytes);
        assert!(facts.memory_bytes > Some(16 << 20));
        assert!(facts.roots.first().is_some_and(|root| root.total_bytes > Some(0)));
    }
}
