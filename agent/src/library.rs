//! What lies in the folder of models, and which content each file has, as far as it was ever read.
//!
//! A digest is kept with the size, time and inode of the file it was taken from, and counts only while
//! these are still the same. Files are listed without following links, but those that were allowed. The folder is
//! walked once, and again after a while; in between the shelf follows what the agent itself does, so that looking
//! for a content costs the same whatever else lies there.

mod notes;
mod shelf;

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use shared_io::download::DownloadError;
use shared_io::walk::{is_half_done, walk};
use shared_io::{ConfinedFolder, FileError, PlaceError};
use shared_protocol::agent_to_hub::InventoryFile;
use shared_protocol::{Blake3, RelPath};

use self::notes::Notes;
use self::shelf::Shelf;

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// The folder is walked again when the last walk is so many times as old as it took, and at least as old as this.
const WALKED_AFTER: (u32, Duration) = (100, Duration::from_mins(1));

/// What a file was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size_bytes: u64,
    modified_ns: u64,
    inode: u64,
}

/// A file whose content is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    #[serde(flatten)]
    stamp: Stamp,
    blake3: Blake3,
}

/// What is known of the files; clones share it.
#[derive(Debug, Clone)]
pub struct Library {
    models: ConfinedFolder,
    state: Arc<Mutex<State>>,
    /// Held while the folder is walked, so that one walk serves all who wait for it.
    walking: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct State {
    notes: Notes,
    shelf: Shelf,
    /// When the folder was walked last, and how long that took.
    walked: Option<(Instant, Duration)>,
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
        let state = State { notes: Notes::open(notes_file), shelf: Shelf::default(), walked: None };
        Self { models, state: Arc::new(Mutex::new(state)), walking: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Some(known) = self.state().notes.get(path).filter(|known| known.stamp == before) {
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
        let mut state = self.state();
        state.notes.keep(path, known);
        state.shelf.put(path, known.stamp.size_bytes, Some(known.blake3));
    }

    /// Another file with this content. Files of its size that were never read are read.
    pub fn find(
        &self,
        blake3: &Blake3,
        size_bytes: u64,
        except: &RelPath,
        wants_to_stop: &dyn Fn() -> bool,
    ) -> Option<RelPath> {
        self.walk_if_old();
        loop {
            let candidate = self.state().shelf.candidate(blake3, size_bytes, except)?;
            if wants_to_stop() {
                return None;
            }
            match self.content_of(&candidate, wants_to_stop) {
                Ok(content) if content == *blake3 => return Some(candidate),
                // It was read, and now has its place on the shelf.
                Ok(content) => self.state().shelf.put(&candidate, size_bytes, Some(content)),
                Err(_) => self.state().shelf.take_off(&candidate),
            }
        }
    }

    fn walk_if_old(&self) {
        let _walking = self.walking.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, least) = WALKED_AFTER;
        let is_old = self.state().walked.is_none_or(|(at, took)| at.elapsed() >= least.max(took.saturating_mul(times)));
        if is_old {
            self.list();
        }
    }

    /// All files. Names that no [`RelPath`] holds, links, and half-done files are left out.
    pub fn list(&self) -> Listing {
        let began = Instant::now();
        let mut found_files = Vec::new();
        let n_errors = walk(&self.models, &mut |path, found| {
            if !is_half_done(path.name()) {
                found_files.push((path, stamp(found)));
            }
        });
        found_files.sort_by(|a, b| a.0.cmp(&b.0));
        let mut state = self.state();
        state.shelf = Shelf::default();
        let mut files = Vec::with_capacity(found_files.len());
        for (path, stamp) in found_files {
            let blake3 = state.notes.get(&path).filter(|known| known.stamp == stamp).map(|known| known.blake3);
            state.shelf.put(&path, stamp.size_bytes, blake3);
            files.push(InventoryFile { path, size_bytes: stamp.size_bytes, blake3 });
        }
        state.walked = Some((Instant::now(), began.elapsed()));
        drop(state);
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
