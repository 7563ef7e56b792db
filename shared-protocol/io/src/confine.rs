//! The only way from a path that was sent to a path on this disk.
//!
//! A [`RelPath`] can't climb out by its text. What is left is the disk itself: a symbolic link below
//! the folder would lead out of it all the same, so every part that already exists is looked at
//! without following it, and a link anywhere on the way is refused, unless whoever runs the program allowed
//! links and this one was judged at the start ([`crate::linked`]). The folder itself may be reached
//! through links: whoever runs the program chose it.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared_protocol::RelPath;
use shared_protocol::outcome::FailureCode;

use crate::error::FileError;
use crate::linked::{self, Pinned};

/// Why a place below the folder can't be worked with.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A part on the way is a symbolic link or a junction.
    #[error("{}", describe_link(.0))]
    Link(PathBuf),
    /// A part on the way is a file, or the last part is neither a file nor absent.
    #[error("{} is in the way: it is not what the path needs it to be", .0.display())]
    InTheWay(PathBuf),
    /// Another file has the name.
    #[error("{} is there with another content: nothing is overwritten", .0.display())]
    Occupied(PathBuf),
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
}

impl PlaceError {
    /// Whether the disk, or one's share of it, is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
    }

    /// What it means for a job.
    pub fn failure_code(&self) -> FailureCode {
        match self {
            Self::Link(_) => FailureCode::Policy,
            Self::InTheWay(_) | Self::Occupied(_) => FailureCode::InTheWay,
            Self::File(error) if error.is_full() => FailureCode::DiskFull,
            Self::File(_) => FailureCode::Disk,
        }
    }
}

/// A folder that everything resolved by it lies below.
#[derive(Debug, Clone)]
pub struct ConfinedFolder {
    /// Absolute.
    path: PathBuf,
    /// Links that may be gone through.
    linked: Arc<[Pinned]>,
}

impl ConfinedFolder {
    /// Takes an existing folder.
    ///
    /// # Errors
    ///
    /// If there is none, or something else has its name.
    pub fn open(path: &Path) -> Result<Self, PlaceError> {
        let wrong = FileError::of("use the folder", path);
        let absolute = std::path::absolute(path).map_err(&wrong)?;
        if !fs::metadata(&absolute).map_err(&wrong)?.is_dir() {
            return Err(wrong(io::ErrorKind::NotADirectory.into()).into());
        }
        Ok(Self { path: absolute, linked: Arc::default() })
    }

    /// [`Self::open`]; if links are allowed, those that lead to a folder of the same owner now may be gone through.
    pub fn open_through(path: &Path, are_links_allowed: bool) -> Result<Self, PlaceError> {
        let folder = Self::open(path)?;
        if !are_links_allowed {
            return Ok(folder);
        }
        let linked = linked::find(&folder.path).iter().filter_map(|found| found.pinned().cloned()).collect();
        Ok(Self { linked, ..folder })
    }

    /// Whether a link may be gone through.
    pub(crate) fn goes_through(&self, place: &Path) -> bool {
        self.linked.iter().any(|pinned| pinned.place == place && pinned.holds())
    }

    /// A folder, or a link to one that may be gone through.
    fn expect_folder(&self, path: &Path, found: &Metadata) -> Result<(), PlaceError> {
        if found.is_symlink() && self.goes_through(path) { Ok(()) } else { expect(path, found, Metadata::is_dir) }
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of this path lies, or would lie: its folders may still be missing.
    ///
    /// # Errors
    ///
    /// If a link is on the way, or what lies at the path is no file.
    pub fn resolve(&self, path: &RelPath) -> Result<PathBuf, PlaceError> {
        let mut here = self.path.clone();
        let n_parts = path.parts().count();
        for (i, part) in path.parts().enumerate() {
            here.push(part);
            let is_last = i + 1 == n_parts;
            match look_at(&here)? {
                // Below something missing there can't be a link.
                None => return Ok(path.parts().skip(i + 1).fold(here, |way, part| way.join(part))),
                Some(found) if is_last => expect(&here, &found, Metadata::is_file)?,
                Some(found) => self.expect_folder(&here, &found)?,
            }
        }
        Ok(here)
    }

    /// Where a folder of this path lies, or would lie. The folders above it are made.
    pub fn resolve_folder(&self, path: &RelPath) -> Result<PathBuf, PlaceError> {
        let mut here = self.path.clone();
        let n_parts = path.parts().count();
        for (i, part) in path.parts().enumerate() {
            here.push(part);
            match look_at(&here)? {
                Some(found) => self.expect_folder(&here, &found)?,
                None if i + 1 == n_parts => {}
                None => fs::create_dir(&here).map_err(FileError::of("make the folder", &here))?,
            }
        }
        Ok(here)
    }

    /// [`Self::resolve`], with the folders on the way made where they are missing.
    pub fn resolve_with_folders(&self, path: &RelPath) -> Result<PathBuf, PlaceError> {
        let Some(folder) = path.parent() else { return self.resolve(path) };
        let mut here = self.path.clone();
        for part in folder.parts() {
            here.push(part);
            match fs::create_dir(&here) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(FileError::of("make the folder", &here)(source).into());
                }
                // Looked at even when just made: someone else may have been faster.
                Ok(()) | Err(_) => {
                    if let Some(found) = look_at(&here)? {
                        self.expect_folder(&here, &found)?;
                    }
                }
            }
        }
        self.resolve(path)
    }
}

fn describe_link(place: &Path) -> String {
    let target = fs::read_link(place).unwrap_or_default();
    let (place, target) = (place.display(), target.display());
    match fs::metadata(place.to_string()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("{place} is a link that leads nowhere: {target} is not there")
        }
        _ => format!(
            "{place} is a link to {target}: nothing is written through links, unless the agent is started with \
             --allow-linked-folders and this one leads to a folder of yours"
        ),
    }
}

/// What lies at a path, without following it; `None` when nothing does.
fn look_at(path: &Path) -> Result<Option<Metadata>, PlaceError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::of("look at", path)(source).into()),
    }
}

fn expect(path: &Path, found: &Metadata, is_right: fn(&Metadata) -> bool) -> Result<(), PlaceError> {
    if found.is_symlink() {
        Err(PlaceError::Link(path.to_owned()))
    } else if is_right(found) {
        Ok(())
    } else {
        Err(PlaceError::InTheWay(path.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn rel(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn a_path_lies_below_the_folder_whether_it_exists_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let confined = ConfinedFolder::open(folder.path()).unwrap();
        let expected = folder.path().join("loras/sdxl/x.safetensors");
        let path = rel("loras/sdxl/x.safetensors");
        assert_eq!(confined.resolve(&path).unwrap(), expected);
        assert!(!expected.parent().unwrap().exists(), "resolving makes nothing");
        assert_eq!(confined.resolve_with_folders(&path).unwrap(), expected);
        fs::write(&expected, "weights").unwrap();
        assert_eq!(confined.resolve(&path).unwrap(), expected);
        assert_eq!(confined.resolve_with_folders(&path).unwrap(), expected);
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_passed() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("loras")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("vae")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("gone"), folder.path().join("dangling")).unwrap();
        let confined = ConfinedFolder::open(folder.path()).unwrap();
        for path in ["loras/x", "loras/deep/er/x", "loras", "vae", "dangling", "dangling/x"] {
            assert!(matches!(confined.resolve(&rel(path)), Err(PlaceError::Link(_))), "{path}");
        }
        for path in ["loras/x", "loras/deep/x", "dangling/x"] {
            assert!(matches!(confined.resolve_with_folders(&rel(path)), Err(PlaceError::Link(_))), "{path}");
        }
        assert!(!outside.path().join("deep").exists() && !outside.path().join("gone").exists());
    }

    #[test]
    fn a_file_is_no_folder_and_a_folder_no_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        let confined = ConfinedFolder::open(folder.path()).unwrap();
        for path in ["file/x", "folder"] {
            assert!(matches!(confined.resolve(&rel(path)), Err(PlaceError::InTheWay(_))), "{path}");
        }
        assert!(matches!(confined.resolve_with_folders(&rel("file/x")), Err(PlaceError::InTheWay(_))));
    }

    #[test]
    fn a_folder_below_is_found_and_those_above_it_made() {
        let folder = tempfile::tempdir().unwrap();
        let confined = ConfinedFolder::open(folder.path()).unwrap();
        let found = confined.resolve_folder(&rel("custom_nodes/x")).unwrap();
        assert_eq!(found, folder.path().join("custom_nodes/x"));
        assert!(folder.path().join("custom_nodes").is_dir() && !found.exists());
        fs::write(&found, "").unwrap();
        assert!(matches!(confined.resolve_folder(&rel("custom_nodes/x")), Err(PlaceError::InTheWay(_))));
    }

    #[cfg(unix)]
    #[test]
    fn no_folder_is_found_through_a_link() {
        let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), folder.path().join("custom_nodes")).unwrap();
        let confined = ConfinedFolder::open(folder.path()).unwrap();
        for path in ["custom_nodes", "custom_nodes/x", "custom_nodes/x/y"] {
            assert!(matches!(confined.resolve_folder(&rel(path)), Err(PlaceError::Link(_))), "{path}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_folder_confines_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file, folder.path().join("none")] {
            assert!(matches!(ConfinedFolder::open(&path), Err(PlaceError::File(_))));
        }
    }
}
