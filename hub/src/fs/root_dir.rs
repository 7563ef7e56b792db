//! A root folder: where it is, and where a [`RelPath`] lies below it.
//!
//! The path is made absolute once and kept as the user wrote it, not canonicalised, so that a drive
//! letter or a link to a NAS goes on meaning what the user meant. It need not be reachable: a NAS
//! may be off when the hub starts.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use shared_protocol::RelPath;

use crate::domain::exclusion::DATA_FOLDER;
use crate::fs::links::Links;
use crate::fs::{FsError, OwnFolder, verbatim};

/// The absolute folder of one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootDir {
    /// Absolute, without `.` and `..`, UTF-8; verbatim on Windows.
    path: PathBuf,
    /// The hub's data folder, which may lie below and is no part of the library.
    own: Option<Arc<OwnFolder>>,
    /// The links below it that are followed.
    links: Links,
}

/// Why a folder can't be a root.
#[derive(Debug, thiserror::Error)]
pub enum RootDirError {
    /// `models`, or on Windows `D:models`.
    #[error("{0} is not an absolute path")]
    Relative(String),
    /// `D:`.
    #[error("{0} is a drive without a folder: write {0}\\ for the whole drive")]
    BareDrive(String),
    /// `/models/../x`.
    #[error("{0} contains \"..\"")]
    Dots(String),
    /// A device or volume path.
    #[error("{0} is neither a folder of a drive nor of a share")]
    NoFolder(String),
    /// Not text.
    #[error("{0} is not valid Unicode")]
    NotUnicode(String),
    /// Both roots are one folder.
    #[error("both roots are the same folder: {0} and {1}")]
    Same(String, String),
    /// The folder is the hub's data folder or lies in it.
    #[error("the hub keeps its database in {data}, and {root} is that folder or lies in it")]
    InDataFolder {
        root: String,
        /// The data folder.
        data: String,
    },
    /// One root lies in the other.
    #[error("one root lies inside the other: {inner} in {outer}")]
    Nested { inner: String, outer: String },
}

impl RootDir {
    /// Takes the folder as the user wrote it. It need not exist.
    pub fn open(path: &Path) -> Result<Self, RootDirError> {
        let shown = verbatim::shown(path);
        let Some(text) = path.to_str() else { return Err(RootDirError::NotUnicode(shown)) };
        if verbatim::is_bare_drive(text) {
            return Err(RootDirError::BareDrive(shown));
        }
        if !path.is_absolute() {
            return Err(RootDirError::Relative(shown));
        }
        let Ok(absolute) = std::path::absolute(path) else { return Err(RootDirError::NoFolder(shown)) };
        if absolute.components().any(|part| part == Component::ParentDir) {
            return Err(RootDirError::Dots(shown));
        }
        // Collecting the parts drops a trailing separator, which would make two texts of one folder.
        let path: PathBuf = absolute.components().collect();
        if cfg!(windows) {
            let verbatim = path.to_str().and_then(verbatim::verbatim_text);
            return verbatim.map(|text| Self::plain(text.into())).ok_or(RootDirError::NoFolder(shown));
        }
        Ok(Self::plain(path))
    }

    fn plain(path: PathBuf) -> Self {
        Self { path, own: None, links: Links::default() }
    }

    /// The same root, in which the hub's data folder is no part of the library.
    #[must_use]
    pub fn keeping_out(self, data: Arc<OwnFolder>) -> Self {
        Self { own: Some(data), ..self }
    }

    /// The same root, of which what these links lead to is a part.
    #[must_use]
    pub fn including(self, links: Links) -> Self {
        Self { links, ..self }
    }

    /// The links below it that are followed.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Whether both are one folder, whatever links of it are followed.
    pub fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.own == other.own
    }

    /// The hub's data folder, wherever it lies.
    pub fn own(&self) -> Option<&OwnFolder> {
        self.own.as_deref()
    }

    /// Where the hub's data folder lies below this root, with `/`; none if it lies elsewhere.
    pub fn own_below(&self) -> Option<String> {
        let own = real(self.own()?.path());
        let below = own.strip_prefix(real(&self.path)).ok()?;
        let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder as people write it.
    pub fn display(&self) -> String {
        verbatim::shown(&self.path)
    }

    /// Where a path lies.
    pub fn resolve(&self, path: &RelPath) -> PathBuf {
        let mut full = PathBuf::with_capacity(self.path.as_os_str().len() + 1 + path.as_str().len());
        full.push(&self.path);
        // Part by part: a verbatim path takes `/` for an ordinary character.
        full.extend(path.parts());
        full
    }

    /// Where a folder lies; `None` is the root's own.
    pub fn resolve_folder(&self, folder: Option<&RelPath>) -> PathBuf {
        folder.map_or_else(|| self.path.clone(), |folder| self.resolve(folder))
    }

    /// Whether the folder is there now and can be looked at.
    pub fn check_present(&self) -> Result<(), FsError> {
        let metadata = fs::metadata(&self.path).map_err(FsError::at("find", &self.path))?;
        if self.own().is_some_and(|own| own.is(&self.path, &metadata)) {
            return Err(FsError::refused("use", &self.path, ErrorKind::Unsupported, DATA_FOLDER.why));
        }
        if metadata.is_dir() {
            return Ok(());
        }
        Err(FsError::refused("use", &self.path, ErrorKind::NotADirectory, "it is not a folder"))
    }
}

/// Refuses two roots that are one folder, or one inside the other, under any spelling, link or mount
/// that can be seen now.
pub fn check_apart(a: &RootDir, b: &RootDir) -> Result<(), RootDirError> {
    let (real_a, real_b) = (real(a.path()), real(b.path()));
    let a_holds_b = contains(a.path(), b.path()) || contains(&real_a, &real_b);
    let b_holds_a = contains(b.path(), a.path()) || contains(&real_b, &real_a);
    match (a_holds_b, b_holds_a) {
        (false, false) => Ok(()),
        (true, true) => Err(RootDirError::Same(a.display(), b.display())),
        (true, false) => Err(RootDirError::Nested { inner: b.display(), outer: a.display() }),
        (false, true) => Err(RootDirError::Nested { inner: a.display(), outer: b.display() }),
    }
}

/// Refuses a root that is the hub's data folder or lies in it. `spared` is the one folder there that may
/// hold roots.
pub fn check_outside_data(root: &RootDir, data: &Path, spared: &Path) -> Result<(), RootDirError> {
    let holds = |outer: &Path| contains(outer, root.path()) || contains(&real(outer), &real(root.path()));
    let is_spared = holds(spared) && !contains(root.path(), spared) && !contains(&real(root.path()), &real(spared));
    if holds(data) && !is_spared {
        return Err(RootDirError::InDataFolder { root: root.display(), data: verbatim::shown(data) });
    }
    Ok(())
}

/// Whether `inner` is `outer` or lies below it, by text or because one of its parents is the same
/// folder on disk.
pub(super) fn contains(outer: &Path, inner: &Path) -> bool {
    if is_below(outer, inner) {
        return true;
    }
    let Ok(outer_id) = file_id::get_file_id(outer) else { return false };
    inner.ancestors().any(|folder| file_id::get_file_id(folder).is_ok_and(|id| id == outer_id))
}

/// Whether `inner` is `outer` or lies below it, by text alone.
pub(super) fn is_below(outer: &Path, inner: &Path) -> bool {
    key(inner).starts_with(key(outer))
}

/// How a path is compared as text: without regard to case where the system has none.
fn key(path: &Path) -> PathBuf {
    if cfg!(windows) { verbatim::shown(path).to_lowercase().into() } else { path.to_owned() }
}

/// The path without links as far as it exists, so that its parents are the real ones.
pub(super) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn root(path: &Path) -> RootDir {
        RootDir::open(path).unwrap()
    }

    #[test]
    fn only_an_absolute_folder_is_taken() {
        assert!(matches!(RootDir::open(Path::new("models")), Err(RootDirError::Relative(_))));
        assert!(matches!(RootDir::open(Path::new("D:")), Err(RootDirError::BareDrive(_))));
        assert!(RootDir::open(Path::new("")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn one_folder_has_one_text() {
        assert_eq!(root(Path::new("/no/such//folder/./")).display(), "/no/such/folder");
        assert!(matches!(RootDir::open(Path::new("/a/../b")), Err(RootDirError::Dots(_))));
    }

    #[cfg(windows)]
    #[test]
    fn windows_roots_are_verbatim_inside_and_plain_outside() {
        let models = root(Path::new(r"C:\models\"));
        assert_eq!(models.path(), Path::new(r"\\?\C:\models"));
        assert_eq!(models.display(), r"C:\models");
        assert_eq!(models.resolve(&RelPath::parse("a/b").unwrap()), Path::new(r"\\?\C:\models\a\b"));
        assert_eq!(root(Path::new("C:/models")).display(), r"C:\models");
    }

    #[test]
    fn a_path_is_resolved_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let path = root.resolve(&RelPath::parse("loras/x").unwrap());
        assert_eq!(path, root.path().join("loras").join("x"));
        assert_eq!(root.resolve_folder(None), root.path());
    }

    #[test]
    fn the_same_folder_or_a_nested_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, inner) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("a/x"));
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir_all(&b).unwrap();
        assert!(check_apart(&root(&a), &root(&b)).is_ok());
        assert!(matches!(check_apart(&root(&a), &root(&a)), Err(RootDirError::Same(..))));
        assert!(matches!(check_apart(&root(&a), &root(&inner)), Err(RootDirError::Nested { .. })));
        assert!(matches!(check_apart(&root(&inner), &root(&a)), Err(RootDirError::Nested { .. })));
        assert!(check_apart(&root(&a), &root(&folder.path().join("ab"))).is_ok(), "a is no parent of ab");
    }

    #[test]
    fn the_data_folder_is_no_root_but_may_lie_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let (data, models) = (folder.path().join("data"), folder.path().join("models"));
        fs::create_dir_all(data.join("demo/local")).unwrap();
        fs::create_dir_all(models.join("hub-data")).unwrap();
        let check = |path: &Path, data: &Path| check_outside_data(&root(path), data, &data.join("demo"));
        for inside in [data.clone(), data.join("logs"), data.join("not/yet"), data.join("demolition")] {
            assert!(matches!(check(&inside, &data), Err(RootDirError::InDataFolder { .. })), "{}", inside.display());
        }
        assert!(check(&data.join("demo/local"), &data).is_ok(), "the demo library");
        assert!(check(&data.join("demo"), &data).is_err());
        assert!(check(&models, &data).is_ok() && check(&models, &models.join("hub-data")).is_ok());
        let kept_out = root(&models).keeping_out(Arc::new(OwnFolder::new(models.join("hub-data"))));
        assert_eq!(kept_out.own_below().as_deref(), Some("hub-data"));
        assert_eq!(root(&models).keeping_out(Arc::new(OwnFolder::new(data.clone()))).own_below(), None);
    }

    #[test]
    fn folders_that_are_not_there_yet_are_compared_by_text() {
        let outer = if cfg!(windows) { r"Z:\no\such" } else { "/no/such" };
        let inner = Path::new(outer).join("inner");
        assert!(matches!(check_apart(&root(Path::new(outer)), &root(&inner)), Err(RootDirError::Nested { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_root_that_leads_to_the_data_folder_by_now_is_not_worked_on() {
        let folder = tempfile::tempdir().unwrap();
        let (models, data, link) = (folder.path().join("a"), folder.path().join("data"), folder.path().join("link"));
        fs::create_dir(&models).unwrap();
        fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&models, &link).unwrap();
        let root = root(&link).keeping_out(Arc::new(OwnFolder::new(data.clone())));
        root.check_present().unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&data, &link).unwrap();
        assert!(root.check_present().unwrap_err().to_string().ends_with("own data folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (a, link) = (folder.path().join("a"), folder.path().join("link"));
        fs::create_dir_all(a.join("x")).unwrap();
        std::os::unix::fs::symlink(&a, &link).unwrap();
        assert!(matches!(check_apart(&root(&a), &root(&link)), Err(RootDirError::Same(..))));
        assert!(matches!(check_apart(&root(&a), &root(&link.join("x"))), Err(RootDirError::Nested { .. })));
        assert!(matches!(check_apart(&root(&link.join("not yet")), &root(&a)), Err(RootDirError::Nested { .. })));
    }
}
