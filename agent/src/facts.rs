//! What the agent tells about its machine: enough to see whether a model will fit and run there.
//!
//! A fact that the system doesn't tell is absent, never guessed.

mod comfy;
mod container;
mod gpu;
mod system;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use shared_protocol::facts::{DiskLack, Facts, RootFacts};

pub use watch::{Pace, differ_enough, keep};

/// Room on a disk, or in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    free_bytes: u64,
    total_bytes: u64,
}

/// Where things are that are told about.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folders whose disks are asked for their room.
    pub roots: Vec<PathBuf>,
    /// `ComfyUI`'s folder and the folder of models.
    pub comfy: Option<(PathBuf, PathBuf)>,
    /// Whether links in the folder of models may be gone through.
    pub allow_links: bool,
}

/// Asks the system. Blocks for some seconds at most, where a driver does not answer.
pub fn collect(places: &Places) -> anyhow::Result<Facts> {
    let memory = system::memory();
    Ok(Facts {
        hostname: system::hostname(),
        os: system::os_name().unwrap_or_else(|| std::env::consts::OS.to_owned()),
        kernel: system::kernel(),
        arch: std::env::consts::ARCH.to_owned(),
        container: container::container(),
        n_cpus: std::thread::available_parallelism().ok().and_then(|n| u64::try_from(n.get()).ok()),
        memory_bytes: memory.map(|m| m.total_bytes),
        memory_available_bytes: memory.map(|m| m.free_bytes),
        gpus: gpu::gpus(),
        roots: places.roots.iter().map(|root| of_root(root)).collect::<anyhow::Result<_>>()?,
        comfyui: places.comfy.as_ref().map(|(comfy, models)| comfy::look(comfy, models, places.allow_links)),
    })
}

/// Asks again about what jobs change: the rest is taken over, so that no driver is waited for.
pub fn collect_again(places: &Places, known: Facts) -> anyhow::Result<Facts> {
    Ok(Facts {
        memory_available_bytes: system::memory().map(|m| m.free_bytes),
        roots: places.roots.iter().map(|root| of_root(root)).collect::<anyhow::Result<_>>()?,
        comfyui: places.comfy.as_ref().map(|(comfy, models)| comfy::look(comfy, models, places.allow_links)),
        ..known
    })
}

fn of_root(root: &Path) -> anyhow::Result<RootFacts> {
    let path = std::path::absolute(root).with_context(|| format!("cannot use the folder {}", root.display()))?;
    let space = path.ancestors().find(|folder| folder.is_dir()).and_then(system::space);
    Ok(RootFacts {
        exists: path.is_dir(),
        free_bytes: space.map(|s| s.free_bytes),
        total_bytes: space.map(|s| s.total_bytes),
        lacks: if path.is_dir() { lacks(&path) } else { Vec::new() },
        path: path.display().to_string(),
    })
}

/// What a folder's disk does not offer: tried out once, because that writes to it. Leave to write may be given later.
fn lacks(folder: &Path) -> Vec<DiskLack> {
    static TRIED: Mutex<BTreeMap<PathBuf, Vec<DiskLack>>> = Mutex::new(BTreeMap::new());
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    match tried.get(folder) {
        Some(known) if !known.contains(&DiskLack::Writing) => known.clone(),
        _ => {
            let found = shared_io::disk::lacks(folder);
            tried.insert(folder.to_owned(), found.clone());
            found
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn facts(roots: &[&Path]) -> Facts {
        collect(&Places {
            roots: roots.iter().map(|root| (*root).to_owned()).collect(),
            comfy: None,
            allow_links: false,
        })
        .unwrap()
    }

    #[test]
    fn a_missing_folder_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("a/b/ComfyUI");
        let facts = facts(&[folder.path(), &missing]);
        let [there, not_there] = &facts.roots[..] else { unreachable!("two were asked about") };
        assert!(there.exists && !not_there.exists);
        assert_eq!(Path::new(&not_there.path), missing);
        assert_eq!(there.total_bytes, not_there.total_bytes);
        assert!(there.total_bytes >= there.free_bytes);
    }

    #[test]
    fn what_jobs_change_is_asked_again_and_the_rest_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let comfy = folder.path().join("ComfyUI");
        let places = Places {
            roots: vec![comfy.clone()],
            comfy: Some((comfy.clone(), comfy.join("models"))),
            allow_links: false,
        };
        let known = Facts { kernel: Some("as it was".to_owned()), ..collect(&places).unwrap() };
        std::fs::create_dir(&comfy).unwrap();
        std::fs::write(comfy.join("main.py"), "").unwrap();
        let again = collect_again(&places, known.clone()).unwrap();
        assert!(again.comfyui.as_ref().is_some_and(|comfy| comfy.found));
        assert!(again.roots.first().is_some_and(|root| root.exists));
        let rest = |facts: &Facts| (facts.kernel.clone(), facts.gpus.clone(), facts.hostname.clone());
        assert_eq!(rest(&again), rest(&known));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything() {
        let facts = facts(&[Path::new("/")]);
        assert!(facts.kernel.is_some_and(|kernel| kernel.contains('.')));
        assert!(facts.hostname.is_some_and(|name| !name.is_empty()));
        assert!(facts.memory_bytes > facts.memory_available_bytes);
        assert!(facts.memory_bytes > Some(16 << 20));
        assert!(facts.roots.first().is_some_and(|root| root.total_bytes > Some(0)));
    }
}
