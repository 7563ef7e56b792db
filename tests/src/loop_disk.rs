//! A disk in a file, whose file system can share bytes between files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::machine::{is_root, run, skip};

/// File systems that share bytes, with what makes one in a file.
pub const CLONING: [(&str, &[&str]); 2] =
    [("xfs", &["mkfs.xfs", "-q", "-m", "reflink=1"]), ("btrfs", &["mkfs.btrfs", "-q"])];

/// XFS makes none that is smaller.
const BYTES: u64 = 320 << 20;

/// A mounted file, taken away when it goes out of scope.
#[derive(Debug)]
pub struct LoopDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl LoopDisk {
    /// Makes one of a kind for a test; `None`, after [`skip`], where that can't be done: only root may
    /// mount files, not in every container, and the programs that make file systems may be missing.
    pub fn make_for(test: &str, (kind, make): (&str, &[&str])) -> Option<Self> {
        if !is_root() {
            skip(&format!("{test} on {kind}"), "only root mounts a file");
            return None;
        }
        match Self::make(kind, make) {
            Ok(disk) => Some(disk),
            Err(error) => {
                skip(&format!("{test} on {kind}"), &format!("a file can't be mounted: {error:#}"));
                None
            }
        }
    }

    fn make(kind: &str, make: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (image, path) = (folder.path().join("image"), folder.path().join("disk"));
        std::fs::File::create(&image)?.set_len(BYTES)?;
        std::fs::create_dir(&path)?;
        let (program, arguments) = make.split_first().context("what makes it")?;
        run(program, arguments.iter().map(AsRef::as_ref).chain([image.as_os_str()]))?;
        run(
            "mount",
            ["-t".as_ref(), kind.as_ref(), "-o".as_ref(), "loop".as_ref(), image.as_os_str(), path.as_os_str()],
        )?;
        Ok(Self { path, _folder: folder })
    }

    /// The folder it is mounted at.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // The loop device goes with the mount.
        drop(run("umount", ["-l".as_ref(), self.path.as_os_str()]));
    }
}

/// Where the bytes of a file lie on its disk: the first block of each extent, and whether all are shared.
pub fn extents(path: &Path) -> Result<(BTreeSet<u64>, bool)> {
    // What is not written yet has no place.
    std::fs::File::open(path)?.sync_all()?;
    let output = Command::new("filefrag").arg("-v").arg(path).output().context("cannot run filefrag")?;
    ensure!(output.status.success(), "filefrag failed: {}", String::from_utf8_lossy(&output.stderr));
    let mut firsts = BTreeSet::new();
    let mut all_shared = true;
    for line in String::from_utf8(output.stdout)?.lines() {
        // `   0:        0..     255:      34816..     35071:    256:             last,shared,eof`
        let fields: Vec<&str> = line.split(':').map(str::trim).collect();
        let [number, _, physical, ..] = fields[..] else { continue };
        if number.parse::<u32>().is_err() {
            continue;
        }
        firsts.insert(physical.split("..").next().unwrap_or_default().parse().context("a block")?);
        all_shared &= line.contains("shared");
    }
    ensure!(!firsts.is_empty(), "{} has no extents", path.display());
    Ok((firsts, all_shared))
}
