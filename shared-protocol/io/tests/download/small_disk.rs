//! A small disk in memory, for what happens on a full one.
#![allow(clippy::unwrap_used, reason = "a test without a temporary folder has failed and may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A mounted disk, taken away when it goes out of scope.
pub(crate) struct SmallDisk {
    path: PathBuf,
    /// What it is mounted in goes after it.
    folder: Option<tempfile::TempDir>,
}

impl SmallDisk {
    /// Makes one for a test; none where only root may, or nobody, which is told where the runner shows it.
    pub(crate) fn make_for(test: &str, size_bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        let mut disk = Self::make_at(test, path, size_bytes)?;
        disk.folder = Some(folder);
        Some(disk)
    }

    /// Mounts one over an empty folder; none as with [`Self::make_for`].
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn make_at(test: &str, path: PathBuf, size_bytes: u64) -> Option<Self> {
        match mount(&["-t", "tmpfs", "-o", &format!("size={size_bytes}"), "small"], &path) {
            Ok(()) => Some(Self { path, folder: None }),
            Err(error) => {
                eprintln!("SKIPPED {test}: a small disk can't be mounted: {error:#}");
                None
            }
        }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes its size while it is in use; it never becomes smaller than what is on it.
    pub(crate) fn resize(&self, size_bytes: u64) -> Result<()> {
        mount(&["-o", &format!("remount,size={size_bytes}")], &self.path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.path).status().ok();
    }
}

fn mount(arguments: &[&str], path: &Path) -> Result<()> {
    let output = Command::new("mount").args(arguments).arg(path).output().context("cannot run mount")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
