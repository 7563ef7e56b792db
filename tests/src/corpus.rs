//! Generated model folders of any size, the same for the same seed.
//!
//! Five classes of files, as in a grown ComfyUI folder: many small ones; models of a few sizes that
//! share their header, like adapters of one rank; a few big ones; exact copies; and near copies that
//! differ in eight bytes in the middle, where neither size nor first and last block tell.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Bytes of noise that contents are cut from.
const POOL_BYTES: usize = 32 << 20;

/// Folders of models.
const MODEL_FOLDERS: [&str; 12] = [
    "checkpoints",
    "loras/sd15",
    "loras/sdxl",
    "loras/flux",
    "vae",
    "clip",
    "controlnet",
    "diffusion_models",
    "text_encoders",
    "embeddings",
    "upscale_models",
    "LLM/qwen",
];

/// Endings of small files.
const SMALL_ENDINGS: [&str; 8] = [".py", ".js", ".json", ".png", ".txt", ".yaml", ".md", ".preview.png"];

/// What to generate.
#[derive(Debug, Clone)]
pub struct CorpusPlan {
    /// How many files in all.
    pub n_files: usize,
    /// Size of each of the three big files.
    pub big_bytes: u64,
    /// Decides everything else.
    pub seed: u64,
    /// Whether contents are written, or files are only as long as they would be (sparse): enough for
    /// walking, comparing and paging.
    pub contents: bool,
}

/// A generated file.
#[derive(Debug, Clone)]
struct Made {
    path: String,
    size_bytes: u64,
}

struct Maker<'a> {
    root: &'a Path,
    random: StdRng,
    pool: Vec<u8>,
    small_folders: Vec<String>,
    contents: bool,
    n_made: u64,
    size_bytes: u64,
}

/// Generates a corpus below a folder that doesn't exist yet, and tells how many bytes it has.
pub fn generate(root: &Path, plan: &CorpusPlan) -> Result<u64> {
    let n = plan.n_files;
    let (n_models, n_big, n_near, n_copies) = ((n / 167).max(6), 3, n / 333, n * 15 / 100);
    let n_small = n.saturating_sub(n_models + n_big + n_near + n_copies);
    let mut maker = Maker::new(root, plan);

    let small: Vec<Made> = (0..n_small).map(|i| maker.small(i)).collect::<Result<_>>()?;
    let sizes: Vec<u64> = (0..(n_models / 3).max(1)).map(|_| maker.power_of_two(20.0, 25.6)).collect();
    let models: Vec<Made> = (0..n_models).map(|i| maker.model(i, &sizes)).collect::<Result<_>>()?;
    let mut first_big = None;
    for i in 0..n_big {
        let size = plan.big_bytes + i as u64 * 4096;
        let big = maker.put(format!("models/checkpoints/big{i}.safetensors"), size, true)?;
        first_big.get_or_insert(big);
    }
    for i in 0..n_copies {
        let of = if i <= n_models / 6 { &models } else { &small };
        let source = match &first_big {
            Some(big) if i == 0 => big.clone(),
            _ => maker.pick(of).clone(),
        };
        let folder = maker.any_folder();
        let ending = source.path.rsplit_once('.').map_or("", |(_, ending)| ending).to_owned();
        maker.copy(&source, format!("{folder}/copy{i:06}.{ending}"), None)?;
    }
    for i in 0..n_near {
        let source = maker.pick(&models).clone();
        maker.copy(&source, format!("models/loras/near{i:05}.safetensors"), Some(i as u64))?;
    }
    Ok(maker.size_bytes)
}

/// Makes a second root out of a first: most files the same, some missing, some changed, some of its own.
///
/// Every hundredth file is left out, every hundredth plus one is changed, plus two only gets another
/// time, and as many as are left out are added.
pub fn second_root(first: &Path, second: &Path, contents: bool) -> Result<()> {
    let mut files = crate::roots::all_files(first)?;
    files.retain(|path| !path.starts_with(".comfy-hub-"));
    for (i, path) in files.iter().enumerate() {
        let (from, to) = (first.join(path), second.join(path));
        make_folder_of(&to)?;
        match i % 100 {
            0 => write_new(&second.join(format!("models/only-here/{i:06}.safetensors")), path.as_bytes())?,
            1 => write_new(&to, format!("changed {path}").as_bytes())?,
            2 => {
                twin(&from, &to, contents)?;
                crate::roots::set_time(&to, 1_600_000_000 + i as u64)?;
            }
            // A second name of the same content is enough: comparing takes size and time, not bytes.
            _ if contents => fs::hard_link(&from, &to)?,
            _ => twin(&from, &to, contents)?,
        }
    }
    Ok(())
}

impl<'a> Maker<'a> {
    fn new(root: &'a Path, plan: &CorpusPlan) -> Self {
        let mut random = StdRng::seed_from_u64(plan.seed);
        let mut pool = vec![0; if plan.contents { POOL_BYTES } else { 0 }];
        random.fill(&mut pool[..]);
        let mut small_folders: Vec<String> = MODEL_FOLDERS.iter().map(|folder| format!("models/{folder}")).collect();
        for pack in 0..160 {
            small_folders.extend(["", "/web/js", "/nodes", "/ex"].map(|end| format!("custom_nodes/p{pack:03}{end}")));
        }
        for year in [2024, 2025] {
            small_folders.extend((1..=12).map(|month| format!("output/{year}-{month:02}")));
        }
        Self { root, random, pool, small_folders, contents: plan.contents, n_made: 0, size_bytes: 0 }
    }

    fn pick<'b, T>(&mut self, list: &'b [T]) -> &'b T {
        let i = self.random.random_range(0..list.len());
        &list[i]
    }

    fn any_folder(&mut self) -> String {
        let i = self.random.random_range(0..self.small_folders.len());
        self.small_folders[i].clone()
    }

    /// A size whose magnitude is evenly spread between two powers of two.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size below 2^26")]
    fn power_of_two(&mut self, from: f64, to: f64) -> u64 {
        self.random.random_range(from..to).exp2() as u64
    }

    fn small(&mut self, i: usize) -> Result<Made> {
        let (folder, ending) = (self.any_folder(), *self.pick(&SMALL_ENDINGS));
        let size = self.power_of_two(10.0, 16.0);
        self.put(format!("{folder}/f{i:06}{ending}"), size, false)
    }

    fn model(&mut self, i: usize, sizes: &[u64]) -> Result<Made> {
        let (folder, size) = (*self.pick(&MODEL_FOLDERS), *self.pick(sizes));
        self.put(format!("models/{folder}/m{i:05}.safetensors"), size, true)
    }

    fn put(&mut self, path: String, size_bytes: u64, is_model: bool) -> Result<Made> {
        let full = self.begin(&path)?;
        let mut file = File::create_new(&full).with_context(|| format!("cannot make {path}"))?;
        if self.contents {
            self.write_noise(&mut file, size_bytes, is_model)?;
            self.size_bytes += size_bytes;
        } else {
            file.set_len(size_bytes)?;
        }
        self.end(&file)?;
        Ok(Made { path, size_bytes })
    }

    fn write_noise(&mut self, file: &mut File, size_bytes: u64, is_model: bool) -> Result<()> {
        let mut head = Vec::new();
        if is_model {
            let header = format!("{{\"t\":{{\"dtype\":\"F16\",\"shape\":[{size_bytes}]}}}}");
            head.extend_from_slice(&64_u64.to_le_bytes());
            head.extend_from_slice(format!("{header:<64}").as_bytes());
        }
        let mut own = [0; 32];
        self.random.fill(&mut own);
        head.extend_from_slice(&own);
        let wanted = usize::try_from(size_bytes)?;
        head.truncate(wanted);
        file.write_all(&head)?;
        let mut left = wanted - head.len();
        let mut offset = self.random.random_range(0..self.pool.len());
        while left > 0 {
            let n = left.min(self.pool.len() - offset);
            file.write_all(&self.pool[offset..offset + n])?;
            left -= n;
            offset = 0;
        }
        Ok(())
    }

    /// Copies a file; a near copy differs in the middle.
    fn copy(&mut self, source: &Made, path: String, near: Option<u64>) -> Result<Made> {
        let full = self.begin(&path)?;
        twin(&self.root.join(&source.path), &full, self.contents).with_context(|| format!("cannot copy to {path}"))?;
        let mut file = File::options().write(true).open(&full)?;
        if let Some(i) = near.filter(|_| self.contents) {
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(source.size_bytes / 2))?;
            file.write_all(b"NEAR")?;
            file.write_all(&i.to_le_bytes())?;
        }
        if self.contents {
            self.size_bytes += source.size_bytes;
        }
        self.end(&file)?;
        Ok(Made { path, size_bytes: source.size_bytes })
    }

    fn begin(&mut self, path: &str) -> Result<PathBuf> {
        let full = self.root.join(path);
        make_folder_of(&full)?;
        Ok(full)
    }

    /// Each file has a second of its own.
    fn end(&mut self, file: &File) -> Result<()> {
        self.n_made += 1;
        let seconds = 1_700_000_000 + self.n_made;
        Ok(file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))?)
    }
}

/// A file of the same content, or without contents of the same length, at the same time.
fn twin(from: &Path, to: &Path, contents: bool) -> Result<()> {
    let found = fs::metadata(from)?;
    if contents {
        fs::copy(from, to)?;
    } else {
        File::create_new(to)?.set_len(found.len())?;
    }
    Ok(File::options().write(true).open(to)?.set_modified(found.modified()?)?)
}

fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    make_folder_of(path)?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::roots::{digest, tree};

    #[test]
    fn a_plan_decides_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let plan = CorpusPlan { n_files: 400, big_bytes: 1 << 20, seed: 7, contents: true };
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let size = generate(&one, &plan).unwrap();
        assert_eq!(size, generate(&two, &plan).unwrap());
        let (first, second) = (tree(&one).unwrap(), tree(&two).unwrap());
        assert!(first == second);
        assert_eq!(first.len(), 400);
        assert_eq!(first.values().map(|(bytes, _)| bytes.len() as u64).sum::<u64>(), size);
        let digests: std::collections::BTreeSet<_> =
            first.keys().map(|path| digest(&one.join(path)).unwrap()).collect();
        assert!((300..=345).contains(&digests.len()), "some are copies: {}", digests.len());
    }
}
