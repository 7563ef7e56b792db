//! The trash of a root: `<root>/.comfy-hub-trash/<date>/<batch>/<path>`, and of each disk that is mounted
//! inside it or that an included link leads to: `<mount>/.comfy-hub-trash/<date>/<batch>/<path below the mount>`.
//! The folder of a link has its own also where it lies on the root's disk: that is always a rename away.
//!
//! Deleting is a rename within a volume, so it is quick, frees nothing, and can be undone. Where no rename
//! leads, and where no folder can be made on the disk, it is a verified copy into a trash where one can. No
//! way overwrites: if a place in the trash is taken, the batch's folder gets a number.
//!
//! A place is named by its path below the root's trash folder, or, on another disk, by its path below the
//! root with the trash folder in it.

pub mod listing;
#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod mounted;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use shared_protocol::RelPath;

use crate::domain::exclusion::TRASH_FOLDER;
use crate::domain::failure::FailureClass;
use crate::fs::copy::{CopyControl, CopyError};
use crate::fs::entry::{Entry, Folder, OpenRoot};
use crate::fs::folders::{Folders, remove_empty_folders_up};
use crate::fs::held::Held;
use crate::fs::relocate::relocate;
use crate::fs::{FileStamp, FsError, RootDir};

/// Places tried for one file before something must be wrong.
const MAX_PLACES: u32 = 1000;

/// Puts the files of one batch into the trash.
#[derive(Debug)]
pub struct Bin {
    root: Arc<OpenRoot>,
    date: String,
    batch: String,
    /// The outermost folder of the mount that a folder lies on.
    tops: HashMap<Option<RelPath>, Arc<Folder>>,
    folders: Folders,
}

/// A file that lies in the trash now. Its folders are not synced yet.
#[derive(Debug)]
pub struct Put {
    /// Where it lies; see the top of this file.
    pub trashed: String,
    pub stamp: FileStamp,
    /// The folder that it left.
    pub from: Arc<Folder>,
    /// The folder that it lies in.
    pub to: Arc<Folder>,
}

impl Bin {
    /// For a batch; `date` and `batch` are folder names.
    pub fn new(root: &Arc<OpenRoot>, date: String, batch: String) -> Self {
        Self { root: Arc::clone(root), date, batch, tops: HashMap::new(), folders: Folders::default() }
    }

    /// Puts a file into the trash. `expected` is the file as it was when the delete was decided on: one
    /// that has changed stays. `token` makes the name of a temporary file, where a copy is needed.
    pub fn put(
        &mut self,
        source: &Entry,
        expected: FileStamp,
        token: &str,
        control: &mut dyn CopyControl,
    ) -> Result<Put, CopyError> {
        for number in 1..=MAX_PLACES {
            let (trashed, folder) = match self.folder_for(source, number) {
                Ok(found) => found,
                // A file is in the way of a folder.
                Err(error) if error.class() == FailureClass::Exists => continue,
                Err(error) => return Err(CopyError::Destination(error)),
            };
            match relocate(source, expected, &folder.entry(source.name()), token, control) {
                Err(CopyError::Destination(error)) if error.class() == FailureClass::Exists => {}
                moved => {
                    let stamp = moved?;
                    return Ok(Put { trashed, stamp, from: Arc::clone(source.folder()), to: folder });
                }
            }
        }
        let why = "every place in it is taken";
        Err(CopyError::Destination(FsError::refused("move to the trash", source.path(), ErrorKind::AlreadyExists, why)))
    }

    /// Where an earlier try may have put a file of this path: in the trash of its own disk, or in the root's.
    /// `near` is its folder, or the nearest around it that is there.
    pub fn first_places(&mut self, near: &Arc<Folder>, path: &RelPath) -> Result<Vec<String>, FsError> {
        let top = self.top_of(near)?;
        let (own, roots) = (self.place(top.below(), path, 1), self.place(None, path, 1));
        Ok(if own == roots { vec![own] } else { vec![own, roots] })
    }

    fn top_of(&mut self, folder: &Arc<Folder>) -> Result<Arc<Folder>, FsError> {
        let key = folder.below().cloned();
        if let Some(top) = self.tops.get(&key) {
            return Ok(Arc::clone(top));
        }
        let top = folder.top_of_mount()?;
        self.tops.insert(key, Arc::clone(&top));
        Ok(top)
    }

    /// Makes the folder in the trash of the file's own disk, or, where that can't be, in the root's.
    fn folder_for(&mut self, source: &Entry, number: u32) -> Result<(String, Arc<Folder>), FsError> {
        let from = source.folder();
        let path = RelPath::in_folder(from.below(), source.name())
            .map_err(|error| FsError::new("find", source.path(), io::Error::other(error)))?;
        let top = self.top_of(from)?;
        let Some(site) = top.below() else { return self.make(None, &path, number) };
        let trash = RelPath::in_folder(Some(site), TRASH_FOLDER)
            .map_err(|error| FsError::new("find", top.path(), io::Error::other(error)))?;
        match self.folders.ensure(&self.root, Some(trash)) {
            Ok(_) => self.make(Some(site), &path, number),
            // Where nothing can be written, nothing can be removed either.
            Err(error) if error.class() == FailureClass::ReadOnly => Err(error),
            Err(error) => {
                tracing::info!(%error, "the trash of the root takes what its own disk can't");
                self.make(None, &path, number)
            }
        }
    }

    fn make(&mut self, site: Option<&RelPath>, path: &RelPath, number: u32) -> Result<(String, Arc<Folder>), FsError> {
        let trashed = self.place(site, path, number);
        let folder = self.folders.ensure(&self.root, place_of(&trashed)?.parent())?;
        Ok((trashed, folder))
    }

    fn place(&self, site: Option<&RelPath>, path: &RelPath, number: u32) -> String {
        let batch = if number == 1 { self.batch.clone() } else { format!("{}~{number}", self.batch) };
        let date = &self.date;
        match site.and_then(|site| Some((site, path.as_str().strip_prefix(site.as_str())?.strip_prefix('/')?))) {
            Some((site, within)) => format!("{site}/{TRASH_FOLDER}/{date}/{batch}/{within}"),
            None => format!("{date}/{batch}/{path}"),
        }
    }
}

/// A file in the trash that is looked at.
pub fn entry(root: &Arc<OpenRoot>, trashed: &str) -> Result<Option<Entry>, FsError> {
    Entry::find(root, &place_of(trashed)?)
}

/// The same, of several that are worked on together.
pub fn entry_in(folders: &mut Folders, root: &Arc<OpenRoot>, trashed: &str) -> Result<Option<Entry>, FsError> {
    let place = place_of(trashed)?;
    Ok(folders.find(root, place.parent())?.map(|folder| folder.entry(place.name())))
}

/// Holds a file in the trash that has other names.
pub fn held(root: &RootDir, trashed: &str) -> Option<Held> {
    place_of(trashed).ok().and_then(|place| Held::of(&root.resolve(&place)))
}

/// The stamp of a file in the trash; `None` if it is not there any more.
pub fn stamp(root: &Arc<OpenRoot>, trashed: &str) -> Result<Option<FileStamp>, FsError> {
    match entry(root, trashed)? {
        Some(entry) => entry.stamp_if_there(),
        None => Ok(None),
    }
}

/// Removes a file from the trash for good. That it is gone already is fine.
pub fn remove(root: &Arc<OpenRoot>, trashed: &str) -> Result<(), FsError> {
    if let Some(entry) = entry(root, trashed)? {
        entry.remove_for_good()?;
    }
    remove_folders_of(root, trashed)
}

/// Removes the folders around a place that became empty; the trash folder goes, too.
pub fn remove_folders_of(root: &Arc<OpenRoot>, trashed: &str) -> Result<(), FsError> {
    let place = place_of(trashed)?;
    let site = place_of_site(&place);
    place.parent().map_or(Ok(0), |folder| remove_empty_folders_up(root, &folder, site.as_ref())).map(drop)
}

/// Whether the disk of a place in the trash is there, so that a file which is not found there is gone.
pub fn is_there(root: &Arc<OpenRoot>, trashed: &str) -> Result<bool, FsError> {
    let Some(site) = place_of_site(&place_of(trashed)?) else { return Ok(true) };
    let Some(folder) = Folder::find(root, Some(&site))? else { return Ok(false) };
    // An empty mount point lies on the disk around it.
    Ok(folder.top_of_mount()?.below() == Some(&site))
}

/// The path below the root. What names a place outside a trash is no [`RelPath`], or has no trash in it.
fn place_of(trashed: &str) -> Result<RelPath, FsError> {
    let is_elsewhere = trashed.contains(&format!("/{TRASH_FOLDER}/"));
    let text = if is_elsewhere { trashed.to_owned() } else { format!("{TRASH_FOLDER}/{trashed}") };
    RelPath::parse(&text).map_err(|error| FsError::new("find", Path::new(trashed), io::Error::other(error)))
}

/// The folder in which the trash of a place lies; none is the root.
fn place_of_site(place: &RelPath) -> Option<RelPath> {
    let (site, _) = place.as_str().split_once(&format!("/{TRASH_FOLDER}/"))?;
    RelPath::parse(site).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::entry::testing::entry as name;
    use crate::fs::relocate::unwatched;

    const DATE: &str = "2024-05-01";

    fn place(files: &[&str]) -> (tempfile::TempDir, Arc<OpenRoot>) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let root = OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap();
        (folder, root)
    }

    fn put(root: &Arc<OpenRoot>, path: &str) -> String {
        try_put(root, path, name(root.path(), path).stamp().unwrap()).unwrap()
    }

    fn try_put(root: &Arc<OpenRoot>, path: &str, expected: FileStamp) -> Result<String, CopyError> {
        let source = Entry::open(root, &RelPath::parse(path).unwrap()).unwrap();
        let mut bin = Bin::new(root, DATE.to_owned(), "7".to_owned());
        bin.put(&source, expected, "t1", &mut unwatched).map(|put| put.trashed)
    }

    fn back(root: &Arc<OpenRoot>, trashed: &str, to: &str) -> Result<(), CopyError> {
        let to = RelPath::parse(to).unwrap();
        let folder = Folders::default().ensure(root, to.parent()).unwrap();
        let expected = stamp(root, trashed).map_err(CopyError::Source)?.unwrap();
        let lying = entry(root, trashed).map_err(CopyError::Source)?.unwrap();
        relocate(&lying, expected, &folder.entry(to.name()), "t1", &mut unwatched)?;
        remove_folders_of(root, trashed).map_err(CopyError::Source)
    }

    #[test]
    fn there_and_back() {
        let (folder, root) = place(&["loras/x"]);
        let stamp_before = name(folder.path(), "loras/x").stamp().unwrap();
        let trashed = put(&root, "loras/x");
        assert_eq!(trashed, "2024-05-01/7/loras/x");
        assert!(folder.path().join(".comfy-hub-trash/2024-05-01/7/loras/x").exists());
        assert!(!folder.path().join("loras/x").exists());
        assert!(stamp(&root, &trashed).unwrap().unwrap().is_like(stamp_before));
        back(&root, &trashed, "loras/x").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("loras/x")).unwrap(), "loras/x");
        assert!(!folder.path().join(TRASH_FOLDER).exists(), "an empty trash leaves no folder");
        assert_eq!(stamp(&root, &trashed).unwrap(), None);
    }

    #[test]
    fn a_file_that_changed_stays() {
        let (folder, root) = place(&["x"]);
        let before = name(folder.path(), "x").stamp().unwrap();
        fs::write(folder.path().join("x"), b"something longer").unwrap();
        assert!(matches!(try_put(&root, "x", before), Err(CopyError::SourceChanged)));
        assert!(folder.path().join("x").exists());
    }

    #[test]
    fn the_same_path_twice_keeps_both() {
        let (folder, root) = place(&["a/x"]);
        let first = put(&root, "a/x");
        fs::write(folder.path().join("a/x"), b"second").unwrap();
        let second = put(&root, "a/x");
        assert_eq!(second, "2024-05-01/7~2/a/x");
        assert_eq!(fs::read(entry(&root, &first).unwrap().unwrap().path()).unwrap(), b"a/x");
        assert_eq!(fs::read(entry(&root, &second).unwrap().unwrap().path()).unwrap(), b"second");
    }

    #[test]
    fn a_file_where_a_folder_is_needed_is_another_place_too() {
        let (folder, root) = place(&["a"]);
        put(&root, "a");
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/x"), b"").unwrap();
        assert_eq!(put(&root, "a/x"), "2024-05-01/7~2/a/x");
    }

    #[test]
    fn a_restore_overwrites_nothing() {
        let (folder, root) = place(&["a/x"]);
        let trashed = put(&root, "a/x");
        fs::write(folder.path().join("a/x"), b"new").unwrap();
        let refused = back(&root, &trashed, "a/x").unwrap_err();
        assert!(matches!(refused, CopyError::Destination(error) if error.class() == FailureClass::Exists));
        assert_eq!(fs::read(folder.path().join("a/x")).unwrap(), b"new");
        back(&root, &trashed, "b/c/y").unwrap();
        assert_eq!(fs::read(folder.path().join("b/c/y")).unwrap(), b"a/x");
    }

    #[test]
    fn removing_frees_the_place_and_only_that() {
        let (folder, root) = place(&["a/x", "a/y"]);
        let x = put(&root, "a/x");
        let y = put(&root, "a/y");
        remove(&root, &x).unwrap();
        remove(&root, &x).unwrap();
        assert!(stamp(&root, &y).unwrap().is_some());
        remove(&root, &y).unwrap();
        assert!(!folder.path().join(TRASH_FOLDER).exists());
    }

    #[test]
    fn nothing_outside_the_trash_is_reached() {
        let (folder, root) = place(&["x", ".comfy-hub-trash/1/2/y"]);
        for outside in ["../x", "1/../../x", "/x", "", "..", "1/2\\..\\..\\x"] {
            assert!(remove(&root, outside).is_err(), "{outside}");
            assert!(entry(&root, outside).is_err(), "{outside}");
            assert!(stamp(&root, outside).is_err(), "{outside}");
        }
        let source = Entry::open(&root, &RelPath::parse("x").unwrap()).unwrap();
        let mut bin = Bin::new(&root, "../..".to_owned(), "7".to_owned());
        assert!(bin.put(&source, source.stamp().unwrap(), "t1", &mut unwatched).is_err());
        assert!(folder.path().join("x").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_trash_that_is_a_link_is_refused() {
        let (folder, _) = place(&["root/x"]);
        let root = OpenRoot::open(&RootDir::open(&folder.path().join("root")).unwrap()).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), root.path().join(TRASH_FOLDER)).unwrap();
        assert!(try_put(&root, "x", name(root.path(), "x").stamp().unwrap()).is_err());
        assert!(root.path().join("x").exists());
    }
}
