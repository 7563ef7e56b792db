//! Two small model folders made file by file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::hub::HubSetup;

/// A folder with `local` and `lake` in it.
#[derive(Debug)]
pub struct Roots {
    folder: tempfile::TempDir,
}

/// What lies at a path: content and time.
pub type Tree = BTreeMap<String, (Vec<u8>, SystemTime)>;

impl Roots {
    /// Two empty roots.
    pub fn new() -> Result<Self> {
        let roots = Self { folder: tempfile::tempdir()? };
        fs::create_dir(roots.local())?;
        fs::create_dir(roots.lake())?;
        Ok(roots)
    }

    /// The folder both lie in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The Local root.
    pub fn local(&self) -> PathBuf {
        self.folder.path().join("local")
    }

    /// The Lake root.
    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// A hub on these roots.
    pub fn hub(&self) -> Result<HubSetup> {
        HubSetup::on(&self.local(), &self.lake())
    }

    /// Writes a file on Local.
    pub fn local_file(&self, path: &str, content: &[u8]) -> Result<PathBuf> {
        write(&self.local().join(path), content)
    }

    /// Writes a file on the Lake.
    pub fn lake_file(&self, path: &str, content: &[u8]) -> Result<PathBuf> {
        write(&self.lake().join(path), content)
    }
}

/// Writes a file with the folders above it, at a time long past.
pub fn write(path: &Path, content: &[u8]) -> Result<PathBuf> {
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    set_time(path, 1_700_000_000)?;
    Ok(path.to_owned())
}

/// Sets when a file was changed last, in seconds since 1970.
pub fn set_time(path: &Path, seconds: u64) -> Result<()> {
    let file = File::options().write(true).open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).context("cannot set the time")
}

/// Bytes that don't repeat and follow from a seed.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Every file below a root but the hub's own, by its path with `/`.
pub fn tree(root: &Path) -> Result<Tree> {
    let mut found = Tree::new();
    for path in all_files(root)? {
        let bytes = fs::read(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
        let time = fs::metadata(root.join(&path))?.modified()?;
        if !path.starts_with(".comfy-hub-") {
            found.insert(path, (bytes, time));
        }
    }
    Ok(found)
}

/// Every file below a folder, whatever its name, sorted.
pub fn all_files(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(root)?.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The names a copy must never leave behind: half-written files.
#[allow(clippy::case_sensitive_file_extension_comparisons, reason = "the hub writes them in lower case")]
pub fn part_files(root: &Path) -> Result<Vec<String>> {
    Ok(all_files(root)?.into_iter().filter(|path| path.ends_with(".part")).collect())
}

/// BLAKE3 of a file, read in blocks.
pub fn digest(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)?;
    Ok(format!("blake3:{}", hasher.finalize().to_hex()))
}
