//! A small library to try the hub on: two folders as people have them, in one folder that can be
//! thrown away as a whole.
//!
//! Every state of the comparison occurs in it (only here, only there, the same, other content,
//! another name, another time, names that collide), with duplicates, sidecars, preview pictures and
//! names in other scripts. Weights are valid safetensors with the tensors by which their family is known,
//! filled with noise that depends on nothing but the entry, so two builds are equal byte by byte; one
//! file is damaged.

mod catalogue;
mod marks;
mod picture;
mod weights;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::domain::root::Root;
use crate::fs::FsError;

use catalogue::{DemoContent, DemoEntry};

/// Written before the first file and changed after the last: tells a demo folder from anyone else's,
/// and a whole one from one whose making was interrupted.
const MARKER: &str = "demo-library.json";
const BEGUN: &str = "{\"demo_library\": 1, \"complete\": false}\n";
const COMPLETE: &str = "{\"demo_library\": 1, \"complete\": true}\n";

/// The two folders of a demo library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoRoots {
    /// Stands for the fast folder beside `ComfyUI`.
    pub local: PathBuf,
    /// Stands for the big folder on the NAS.
    pub lake: PathBuf,
}

/// Makes the demo library in `dir`, or takes the one that is there, as people left it.
///
/// A folder that holds anything else is refused.
pub fn build(dir: &Path) -> Result<DemoRoots, FsError> {
    let dir = &std::path::absolute(dir).map_err(FsError::at("use the folder", dir))?;
    let roots = DemoRoots { local: dir.join("local"), lake: dir.join("lake") };
    let marker = dir.join(MARKER);
    match fs::read_to_string(&marker) {
        Ok(text) if text == COMPLETE => return Ok(roots),
        Ok(text) if text == BEGUN => remove_half_made(&roots)?,
        Ok(_) => return Err(not_ours(dir)),
        Err(error) if error.kind() == ErrorKind::NotFound => begin(dir, &marker)?,
        Err(error) => return Err(FsError::new("read", &marker, error)),
    }
    for entry in catalogue::entries() {
        write_entry(&roots, &entry)?;
    }
    fs::write(&marker, COMPLETE).map_err(FsError::at("write", &marker))?;
    Ok(roots)
}

impl DemoRoots {
    fn path(&self, root: Root) -> &Path {
        match root {
            Root::Local => &self.local,
            Root::Lake => &self.lake,
        }
    }
}

fn begin(dir: &Path, marker: &Path) -> Result<(), FsError> {
    fs::create_dir_all(dir).map_err(FsError::at("make the folder", dir))?;
    let mut names = fs::read_dir(dir).map_err(FsError::at("list", dir))?;
    if names.next().is_some() {
        return Err(not_ours(dir));
    }
    fs::write(marker, BEGUN).map_err(FsError::at("write", marker))
}

fn not_ours(dir: &Path) -> FsError {
    let why = "the folder holds something else; a demo library needs an empty or a new folder";
    FsError::new("make a demo library in", dir, io::Error::new(ErrorKind::AlreadyExists, why))
}

/// Nobody has worked with a library whose making never ended.
fn remove_half_made(roots: &DemoRoots) -> Result<(), FsError> {
    for root in [&roots.local, &roots.lake] {
        match fs::remove_dir_all(root) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(FsError::new("remove", root, error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn write_entry(roots: &DemoRoots, entry: &DemoEntry) -> Result<(), FsError> {
    let bytes = match &entry.content {
        DemoContent::Weights(model) => weights::safetensors(model),
        DemoContent::Pickle { seed, size_bytes } => weights::pickle(*seed, *size_bytes),
        DemoContent::Picture { seed } => picture::png(*seed),
        DemoContent::Text(text) => text.clone().into_bytes(),
    };
    for place in &entry.places {
        let path = place.path.split('/').fold(roots.path(place.root).to_owned(), |way, part| way.join(part));
        write_file(&path, &bytes, place.days, entry.may_collide)?;
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8], days: u32, may_collide: bool) -> Result<(), FsError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(FsError::at("make the folder", folder))?;
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        // Two names that differ in case only are one file here: there is no conflict to show.
        Err(error) if may_collide && error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        opened => opened.map_err(FsError::at("make", path))?,
    };
    file.write_all(bytes).map_err(FsError::at("write", path))?;
    set_modified(&file, days).map_err(FsError::at("set the time of", path))
}

/// Days after 2024-01-01, each at another minute.
fn set_modified(file: &File, days: u32) -> io::Result<()> {
    const FIRST_OF_2024: u64 = 1_704_067_200;
    let days = u64::from(days);
    file.set_modified(UNIX_EPOCH + Duration::from_secs(FIRST_OF_2024 + days * 86_400 + days * 97 % 86_400))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::kind::FileKind;

    fn tree(root: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
        let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
        files
            .map(|entry| {
                let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                (name, (fs::read(entry.path()).unwrap(), entry.metadata().unwrap().modified().unwrap()))
            })
            .collect()
    }

    #[test]
    fn every_kind_of_difference_occurs_and_the_size_is_small() {
        let folder = tempfile::tempdir().unwrap();
        let roots = build(&folder.path().join("demo")).unwrap();
        let (local, lake) = (tree(&roots.local), tree(&roots.lake));
        let size: usize = local.values().chain(lake.values()).map(|(bytes, _)| bytes.len()).sum();
        assert!((50 << 20..200 << 20).contains(&size), "{size}");

        let both = || local.iter().filter_map(|(name, here)| lake.get(name).map(|there| (here, there)));
        assert!(both().any(|(here, there)| here == there), "same");
        assert!(both().any(|(here, there)| here.0.len() != there.0.len()), "different");
        assert!(both().any(|(here, there)| here.0 == there.0 && here.1 != there.1), "unverified");
        let only =
            |side: &BTreeMap<String, _>, other: &BTreeMap<String, _>| side.keys().any(|k| !other.contains_key(k));
        assert!(only(&local, &lake) && only(&lake, &local));
        let moved = local.iter().any(|(name, (bytes, _))| {
            bytes.len() > 1 << 20 && !lake.contains_key(name) && lake.values().any(|(other, _)| other == bytes)
        });
        assert!(moved, "the same content under another name");
        let duplicate = lake.iter().any(|(name, (bytes, _))| {
            bytes.len() > 1 << 20 && lake.iter().any(|(other, (same, _))| other != name && same == bytes)
        });
        assert!(duplicate, "two copies on one side");
        assert!(lake.keys().any(|name| !name.is_ascii()));
        for name in local.keys().chain(lake.keys()) {
            shared_protocol::RelPath::parse(name).unwrap();
        }
    }

    #[test]
    fn models_are_told_as_what_they_stand_for() {
        let folder = tempfile::tempdir().unwrap();
        let roots = build(&folder.path().join("demo")).unwrap();
        let mut told = BTreeMap::new();
        for (name, (bytes, _)) in tree(&roots.local).into_iter().chain(tree(&roots.lake)) {
            let is_model = FileKind::of(&name) == FileKind::Model;
            if is_model && !bytes.is_empty() {
                let size = bytes.len() as u64;
                let found = model_header::describe(&mut std::io::Cursor::new(bytes), size, &name).unwrap();
                let base = found.base.map_or("none", model_header::Base::id);
                told.insert(name, format!("{} {base} {}", found.kind.id(), found.state.id()));
            }
        }
        for (name, wanted) in [
            ("checkpoints/sd_xl_base_1.0.safetensors", "checkpoint sdxl ok"),
            ("checkpoints/sd15/dream-painter_8.safetensors", "checkpoint sd15 ok"),
            ("diffusion_models/flux1-dev-fp8.safetensors", "diffusion_model flux1 ok"),
            ("text_encoders/t5xxl_fp8_e4m3fn.safetensors", "text_encoder t5_xxl ok"),
            ("text_encoders/clip_l.safetensors", "text_encoder clip_l ok"),
            ("controlnet/diffusers_xl_canny_mid.safetensors", "controlnet sdxl ok"),
            ("loras/sdxl/ink-wash.safetensors", "lora sdxl ok"),
            ("loras/sd15/Neon-Glow.safetensors", "lora sd15 ok"),
            ("loras/flux/flux-realism.safetensors", "lora flux1 ok"),
            ("upscale_models/4x-crisp.safetensors", "upscaler esrgan ok"),
            ("embeddings/easy-negative.safetensors", "embedding sd15 ok"),
        ] {
            assert_eq!(told.get(name).map(String::as_str), Some(wanted), "{name}");
        }
        let unknown: Vec<_> = told.iter().filter(|(_, told)| told.starts_with("none")).map(|(name, _)| name).collect();
        assert_eq!(unknown, ["upscale_models/2x-anime-soft.pth"]);
        assert!(told["upscale_models/2x-anime-soft.pth"].ends_with("damaged"));
    }

    #[test]
    fn two_builds_are_equal_and_a_library_is_taken_as_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let roots = build(&one).unwrap();
        let again = build(&two).unwrap();
        assert!(tree(&roots.local) == tree(&again.local) && tree(&roots.lake) == tree(&again.lake));

        let removed = roots.lake.join("vae").join("ae.safetensors");
        fs::remove_file(&removed).unwrap();
        assert_eq!(build(&one).unwrap(), roots);
        assert!(!removed.exists(), "nothing comes back that was deleted");
    }

    #[test]
    fn an_interrupted_build_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MARKER), BEGUN).unwrap();
        fs::create_dir_all(folder.path().join("local/vae")).unwrap();
        fs::write(folder.path().join("local/vae/half.safetensors"), "half").unwrap();
        let roots = build(folder.path()).unwrap();
        assert!(!roots.local.join("vae/half.safetensors").exists());
        assert!(roots.lake.join("vae/ae.safetensors").exists());
    }

    #[test]
    fn a_folder_of_someone_else_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
        let error = build(folder.path()).unwrap_err();
        assert!(error.to_string().contains("holds something else"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
