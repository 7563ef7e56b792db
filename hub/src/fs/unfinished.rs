//! Whether a file is still being downloaded, and whether one is whole: what decides whether it may be
//! worked on, and take the place of another.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use shared_protocol::RelPath;

use crate::domain::exclusion::CONTROL_ENDINGS;
use crate::domain::kind::WeightFormat;
use crate::fs::hash::HashError;
use crate::fs::header::describe_file;
use crate::fs::{FileStamp, FsError, RootDir};

/// Bytes of the length in front of a header.
const MIN_BYTES: u64 = 8;

/// Looks for the control files of programs that are still downloading. What it found of a folder holds for the next
/// file in it: of a folder with several files that are asked for, all names are read once.
#[derive(Debug, Default)]
pub struct ControlFiles {
    folders: HashMap<PathBuf, bool>,
    beside: HashMap<PathBuf, Beside>,
}

/// What is known of the control files in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beside {
    /// So many files were looked at one by one.
    Asked(u32),
    /// These are all, in small letters.
    Listed(HashSet<String>),
    /// It has too many names, or can't be listed.
    Unlisted,
}

/// Files of a folder that are looked at one by one before its names are read.
const MOST_ASKED: u32 = 2;

/// Names that are read of a folder: more take longer than to ask for those that are meant.
const MOST_NAMES: usize = 5_000;

impl ControlFiles {
    /// Whether a program is still downloading the file, or a folder around it, by what lies beside it.
    pub fn are_beside(&mut self, root: &RootDir, path: &RelPath) -> bool {
        self.is_beside(&root.resolve(path), &CONTROL_ENDINGS) || self.are_above(root, path)
    }

    fn are_above(&mut self, root: &RootDir, path: &RelPath) -> bool {
        let Some(folder) = path.parent() else { return false };
        let full = root.resolve(&folder);
        if let Some(known) = self.folders.get(&full) {
            return *known;
        }
        // Only one program downloads whole folders.
        let [of_folders, ..] = CONTROL_ENDINGS;
        let found = self.is_beside(&full, &[of_folders]) || self.are_above(root, &folder);
        self.folders.insert(full, found);
        found
    }

    fn is_beside(&mut self, full: &Path, endings: &[&str]) -> bool {
        let (Some(folder), Some(name)) = (full.parent(), full.file_name()) else { return false };
        if !self.beside.contains_key(folder) {
            self.beside.insert(folder.to_owned(), Beside::Asked(0));
        }
        let Some(beside) = self.beside.get_mut(folder) else { return false };
        match beside {
            Beside::Asked(MOST_ASKED) => *beside = list(folder),
            Beside::Asked(n) => *n += 1,
            Beside::Listed(_) | Beside::Unlisted => {}
        }
        match beside {
            Beside::Listed(names) if names.is_empty() => false,
            Beside::Listed(names) => {
                let name = name.to_string_lossy().to_lowercase();
                endings.iter().any(|ending| names.contains(&format!("{name}{ending}")))
            }
            Beside::Asked(_) | Beside::Unlisted => endings.iter().any(|ending| {
                let mut name = full.as_os_str().to_owned();
                name.push(ending);
                fs::symlink_metadata(PathBuf::from(name)).is_ok()
            }),
        }
    }
}

/// The control files in a folder.
fn list(folder: &Path) -> Beside {
    let Ok(entries) = fs::read_dir(folder) else { return Beside::Unlisted };
    let mut found = HashSet::new();
    for (n, entry) in entries.enumerate() {
        let Ok(entry) = entry else { return Beside::Unlisted };
        if n == MOST_NAMES {
            return Beside::Unlisted;
        }
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if CONTROL_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.insert(name);
        }
    }
    Beside::Listed(found)
}

/// Whether a safetensors file is not as its header says: cut off, grown, empty, or only reserved and
/// never filled. What is none of these is whole as far as its name and its beginning tell.
pub fn is_damaged(path: &Path, stamp: FileStamp) -> Result<bool, FsError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if WeightFormat::of(&name) != Some(WeightFormat::Safetensors) {
        return Ok(false);
    }
    match describe_file(path, stamp) {
        // What is too short to have a header says nothing, unless it is empty.
        Ok(found) => Ok(found.is_torn() && (stamp.size_bytes == 0 || stamp.size_bytes >= MIN_BYTES)),
        // A file that changes is told by whoever works on it.
        Err(HashError::Changed | HashError::Stopped) => Ok(false),
        Err(HashError::Fs(error)) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::fs::open::stamp_path;

    #[test]
    fn a_control_file_beside_the_file_or_a_folder_around_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        fs::create_dir_all(folder.path().join("torrent/deep")).unwrap();
        let has = |files: &mut ControlFiles, path: &str| files.are_beside(&root, &RelPath::parse(path).unwrap());
        assert!(!has(&mut ControlFiles::default(), "x") && !has(&mut ControlFiles::default(), "torrent/deep/y"));
        fs::write(folder.path().join("x.aria2"), b"").unwrap();
        fs::write(folder.path().join("torrent.aria2"), b"").unwrap();
        fs::write(folder.path().join("Z.lftp-pget-status"), b"").unwrap();
        let paths = [("x", true), ("torrent/deep/y", true), ("Z", true), ("other", false), ("torrent/other", true)];
        for (path, is_half) in paths {
            assert_eq!(has(&mut ControlFiles::default(), path), is_half, "{path} alone");
        }
        // One by one, and then by the names of the folder.
        let mut files = ControlFiles::default();
        for (path, is_half) in [paths, paths].concat() {
            assert_eq!(has(&mut files, path), is_half, "{path} among others");
        }
        assert!(matches!(files.beside.get(root.path()), Some(Beside::Listed(names)) if names.len() == 3));
        assert_eq!(list(&folder.path().join("none")), Beside::Unlisted);
        for n in 0..MOST_NAMES {
            fs::write(folder.path().join(format!("torrent/deep/{n}")), b"").unwrap();
        }
        assert_eq!(list(&folder.path().join("torrent/deep")), Beside::Listed(HashSet::new()));
        fs::write(folder.path().join("torrent/deep/more"), b"").unwrap();
        assert_eq!(list(&folder.path().join("torrent/deep")), Beside::Unlisted);
    }

    fn model(data: usize) -> Vec<u8> {
        let header = br#"{"a":{"dtype":"U8","shape":[40],"data_offsets":[0,40]}}"#;
        [&(header.len() as u64).to_le_bytes()[..], header, &vec![1; data]].concat()
    }

    #[test]
    fn damage_is_seen_by_the_header_alone() {
        let folder = tempfile::tempdir().unwrap();
        let is = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            is_damaged(&path, stamp_path(&path).unwrap()).unwrap()
        };
        assert!(!is("whole.safetensors", &model(40)));
        for (what, content) in [
            ("cut off", model(39)),
            ("grown", model(41)),
            ("cut off in the header", model(40).into_iter().take(30).collect()),
            ("empty", Vec::new()),
            ("reserved", vec![0; 5_000]),
        ] {
            assert!(is("x.safetensors", &content), "{what}");
            assert!(is("x.SFT", &content), "{what}");
            assert!(!is("x.gguf", &content), "{what}: another format says nothing");
        }
        for other in [&b"no model at all"[..], &[7; 300], b"x"] {
            assert!(!is("x.safetensors", other), "what is no such file says nothing");
        }
    }
}
