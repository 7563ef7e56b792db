//! What lies in the folder of models, and which content each file has, as far as it was ever read.
//!
//! A digest is kept with the size, time and inode of the file it was taken from, and counts only while
//! these are still the same. Files are listed without following links. The notes are in the agent's own
//! folder, replaced as a whole; losing them costs reading files again, nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use shared_io::download::DownloadError;
use shared_io::walk::{is_half_done, walk};
use shared_io::{ConfinedFolder, FileError, PlaceError, durable};
use shared_protocol::agent_to_hub::InventoryFile;
use shared_protocol::{Blake3, RelPath};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// What a file was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size_bytes: u64,
    modified_ns: u64,
    inode: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Known {
    #[serde(flatten)]
    stamp: Stamp,
    blake3: Blake3,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    version: u32,
    files: BTreeMap<RelPath, Known>,
}

/// What is known of the files; clones share it.
#[derive(Debug, Clone)]
pub struct Library {
    models: ConfinedFolder,
    notes_file: PathBuf,
    notes: Arc<Mutex<Notes>>,
}

/// All files, as far as they could be listed.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, by path.
    pub files: Vec<InventoryFile>,
    /// Folders that could not be listed.
    pub n_errors: u64,
}

impl Library {
    /// Takes the folder of models and the file in which digests are kept.
    pub fn open(models: ConfinedFolder, notes_file: PathBuf) -> Self {
        let read = fs::read(&notes_file).ok().and_then(|bytes| serde_json::from_slice::<Notes>(&bytes).ok());
        let notes = read.filter(|notes| notes.version == 1).unwrap_or(Notes { version: 1, files: BTreeMap::new() });
        Self { models, notes_file, notes: Arc::new(Mutex::new(notes)) }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of the file at a path; none if nothing is there.
    pub fn size_of(&self, path: &RelPath) -> Result<Option<u64>, PlaceError> {
        let place = self.models.resolve(path)?;
        match fs::symlink_metadata(&place) {
            Ok(found) => Ok(Some(found.len())),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::of("look at", &place)(source).into()),
        }
    }

    /// The content of the file at a path, read unless it is known.
    pub fn content_of(&self, path: &RelPath, wants_to_stop: &dyn Fn() -> bool) -> Result<Blake3, DownloadError> {
        let place = self.models.resolve(path)?;
        let mut file = File::open(&place).map_err(FileError::of("open", &place))?;
        let before = stamp(&file.metadata().map_err(FileError::of("look at", &place))?);
        if let Some(known) = self.notes().files.get(path).filter(|known| known.stamp == before) {
            return Ok(known.blake3);
        }
        let mut hasher = blake3::Hasher::new();
        let mut block = vec![0; BLOCK];
        loop {
            if wants_to_stop() {
                return Err(DownloadError::Cancelled);
            }
            let n = file.read(&mut block).map_err(FileError::of("read", &place))?;
            if n == 0 {
                break;
            }
            hasher.update(block.get(..n).unwrap_or_default());
        }
        let blake3 = Blake3::from_bytes(*hasher.finalize().as_bytes());
        let after = stamp(&file.metadata().map_err(FileError::of("look at", &place))?);
        if before == after {
            self.keep(path, Known { stamp: after, blake3 });
        }
        Ok(blake3)
    }

    /// Notes the content of a file that was just verified.
    pub fn learn(&self, path: &RelPath, blake3: Blake3) -> Result<(), PlaceError> {
        let place = self.models.resolve(path)?;
        let found = fs::metadata(&place).map_err(FileError::of("look at", &place))?;
        self.keep(path, Known { stamp: stamp(&found), blake3 });
        Ok(())
    }

    fn keep(&self, path: &RelPath, known: Known) {
        let mut notes = self.notes();
        notes.files.insert(path.clone(), known);
        // Losing them is no harm, so a full disk is no reason to fail.
        if let Ok(text) = serde_json::to_vec(&*notes) {
            durable::replace_lightly(&self.notes_file, &text).ok();
        }
    }

    /// Another file with this content. Files of its size that were never read are read.
    pub fn find(
        &self,
        blake3: &Blake3,
        size_bytes: u64,
        except: &RelPath,
        wants_to_stop: &dyn Fn() -> bool,
    ) -> Option<RelPath> {
        let candidates =
            self.list().files.into_iter().filter(|file| file.size_bytes == size_bytes && file.path != *except);
        let (known, unread): (Vec<_>, Vec<_>) = candidates.partition(|file| file.blake3.is_some());
        let has_it = |path: &RelPath| self.content_of(path, wants_to_stop).is_ok_and(|content| content == *blake3);
        let all = known.into_iter().filter(|file| file.blake3.as_ref() == Some(blake3)).chain(unread);
        all.map(|file| file.path).find(|path| !wants_to_stop() && has_it(path))
    }

    /// All files. Names that no [`RelPath`] holds, links, and half-done files are left out.
    pub fn list(&self) -> Listing {
        let mut files = Vec::new();
        let n_errors = walk(&self.models, &mut |path, found| {
            if !is_half_done(path.name()) {
                let blake3 = self.notes().files.get(&path).filter(|k| k.stamp == stamp(found)).map(|k| k.blake3);
                files.push(InventoryFile { path, size_bytes: found.len(), blake3 });
            }
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Listing { files, n_errors }
    }
}

fn stamp(found: &Metadata) -> Stamp {
    let modified = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let modified_ns = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
    Stamp { size_bytes: found.len(), modified_ns, inode: inode(found) }
}

#[cfg(unix)]
fn inode(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
const fn inode(_found: &Metadata) -> u64 {
    0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn rel(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn digest(text: &str) -> Blake3 {
        Blake3::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
    }

    fn go_on() -> bool {
        false
    }

    #[test]
    fn a_digest_counts_while_the_file_is_the_same_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        fs::create_dir_all(models.join("loras")).unwrap();
        fs::write(models.join("loras/a"), "one").unwrap();
        let open = || Library::open(ConfinedFolder::open(&models).unwrap(), folder.path().join("contents.json"));
        assert_eq!(open().content_of(&rel("loras/a"), &go_on).unwrap(), digest("one"));
        let library = open();
        assert_eq!(library.list().files.first().unwrap().blake3, Some(digest("one")));
        // The same size, a moment later or with another inode.
        fs::remove_file(models.join("loras/a")).unwrap();
        fs::write(models.join("loras/b"), "two").unwrap();
        fs::rename(models.join("loras/b"), models.join("loras/a")).unwrap();
        assert_eq!(library.content_of(&rel("loras/a"), &go_on).unwrap(), digest("two"));
        fs::write(folder.path().join("contents.json"), "{").unwrap();
        assert_eq!(open().list().files.first().unwrap().blake3, None);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_half_done_files_are_not_listed_and_another_file_is_found_by_content() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(ConfinedFolder::open(folder.path()).unwrap(), folder.path().join("c.json"));
        fs::create_dir(folder.path().join("vae")).unwrap();
        for (path, text) in [("x", "one"), ("vae/y", "two"), ("vae/.z.part", "two"), ("vae/.z.part.journal", "")] {
            fs::write(folder.path().join(path), text).unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("x"), folder.path().join("link")).unwrap();
        let listed: Vec<String> = library.list().files.into_iter().map(|file| file.path.as_str().to_owned()).collect();
        assert_eq!(listed, ["vae/y", "x"]);
        assert_eq!(library.find(&digest("two"), 3, &rel("q"), &go_on), Some(rel("vae/y")));
        assert_eq!(library.find(&digest("two"), 3, &rel("vae/y"), &go_on), None);
        assert_eq!(library.size_of(&rel("none")).unwrap(), None);
    }
}
