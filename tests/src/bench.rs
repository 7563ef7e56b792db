//! Measures hub and agent against other tools, in the same run on the same files.
//!
//! Absolute times mean little on a shared machine, so every row has a peer and a ratio, and every
//! time is the median of several runs.

#[cfg(unix)]
pub mod agent;
pub mod check;
pub mod content;
#[cfg(unix)]
pub mod download;
pub mod duplicates;
#[cfg(unix)]
pub mod faulty;
pub mod models;
pub mod names;
pub mod pages;
pub mod peers;
pub mod plans;
pub mod process;
pub mod room;
#[cfg(unix)]
pub mod serve;
pub mod table;
pub mod walk;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::corpus::{CorpusPlan, generate, second_root};

/// What to measure.
#[derive(Debug, Clone)]
pub struct BenchPlan {
    /// Files of the tree that is walked, compared and paged through.
    pub n_files: usize,
    /// Files of the tree that is hashed and copied.
    pub n_content_files: usize,
    /// Size of each of its three big files, in MiB.
    pub big_mib: u64,
    /// Small files that an agent brings.
    pub n_small_files: usize,
    /// Runs of which the median is taken.
    pub n_runs: usize,
    /// Where trees are generated and kept for the next time.
    pub folder: PathBuf,
    /// Where copies go: a file system in memory, so that the disk doesn't decide.
    pub memory: PathBuf,
    /// Only these parts; all if there are none.
    pub only: Vec<String>,
}

impl BenchPlan {
    /// The plan that a command line asks for.
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            n_files: 200_000,
            n_content_files: 20_000,
            big_mib: 500,
            n_small_files: 10_000,
            n_runs: 5,
            folder: PathBuf::from("target/bench"),
            memory: PathBuf::from("/dev/shm"),
            only: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--files" => plan.n_files = value.parse()?,
                "--content-files" => plan.n_content_files = value.parse()?,
                "--big-mib" => plan.big_mib = value.parse()?,
                "--small-files" => plan.n_small_files = value.parse()?,
                "--runs" => plan.n_runs = value.parse()?,
                "--folder" => plan.folder = value.into(),
                "--memory" => plan.memory = value.into(),
                "--only" => plan.only = value.split(',').map(str::to_owned).collect(),
                _ => {
                    bail!(
                        "unknown: {name}; there are --files --content-files --big-mib --small-files --runs --folder \
                         --memory --only"
                    )
                }
            }
        }
        plan.folder = std::path::absolute(&plan.folder)?;
        Ok(plan)
    }

    /// Two trees to walk and compare: names, sizes and times, without contents.
    pub fn walked_trees(&self) -> Result<(PathBuf, PathBuf)> {
        let folder = self.folder.join(format!("walk-{}", self.n_files));
        let plan = CorpusPlan { n_files: self.n_files, big_bytes: 0, seed: 7, contents: false };
        made_once(&folder, |folder| {
            generate(&folder.join("local"), &plan)?;
            second_root(&folder.join("local"), &folder.join("lake"), false)
        })?;
        Ok((folder.join("local"), folder.join("lake")))
    }

    /// A tree equal to the first of the walked ones.
    pub fn twin_tree(&self) -> Result<PathBuf> {
        let folder = self.folder.join(format!("twin-{}", self.n_files));
        let plan = CorpusPlan { n_files: self.n_files, big_bytes: 0, seed: 7, contents: false };
        made_once(&folder, |folder| generate(&folder.join("tree"), &plan).map(drop))?;
        Ok(folder.join("tree"))
    }

    /// A tree to hash and copy.
    pub fn content_tree(&self) -> Result<PathBuf> {
        let folder = self.folder.join(format!("content-{}-{}", self.n_content_files, self.big_mib));
        let plan = CorpusPlan { n_files: self.n_content_files, big_bytes: self.big_mib << 20, seed: 7, contents: true };
        made_once(&folder, |folder| generate(&folder.join("tree"), &plan).map(drop))?;
        Ok(folder.join("tree"))
    }

    /// The median of several runs.
    pub fn median(&self, mut run: impl FnMut() -> Result<Duration>) -> Result<Duration> {
        let [median] = self.medians([&mut run])?;
        Ok(median)
    }

    /// The medians of several runs of each, taken in turn: a machine that becomes slower meanwhile becomes it for all.
    pub fn medians<const N: usize>(&self, works: [Work<'_>; N]) -> Result<[Duration; N]> {
        let medians = self.medians_of(works.into())?;
        medians.try_into().map_err(|_| anyhow::anyhow!("as many medians as pieces of work"))
    }

    /// The same where their number is not known before.
    pub fn medians_of(&self, mut works: Vec<Work<'_>>) -> Result<Vec<Duration>> {
        let mut times = vec![Vec::new(); works.len()];
        for _ in 0..self.n_runs.max(1) {
            for (work, times) in works.iter_mut().zip(&mut times) {
                times.push(work()?);
            }
        }
        Ok(times.into_iter().map(middle).collect())
    }
}

/// The median.
fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Something to be measured: it does it once, and tells how long it took.
pub type Work<'a> = &'a mut dyn FnMut() -> Result<Duration>;

/// Makes a folder unless an earlier run has made it to the end.
fn made_once(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let done = folder.join("complete");
    if done.is_file() {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    make(folder)?;
    std::fs::write(done, "")?;
    Ok(())
}

/// How long something takes.
pub fn timed<T>(run: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let began = Instant::now();
    let value = run()?;
    Ok((began.elapsed(), value))
}

/// Takes the hub's own files out of a tree, so that the next run and the peers see what the first saw.
pub fn forget_hub(root: &Path) -> Result<()> {
    for name in [".comfy-hub-root.json", ".comfy-hub-trash"] {
        let path = root.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
