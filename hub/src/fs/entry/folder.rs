//! A folder below a root that is open.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use shared_protocol::RelPath;

use super::root::elsewhere;
use super::{Entry, EntryKind, FileIdentity, FoundEntry, OpenRoot, absent, is_link, link, system};
use crate::fs::FsError;
use crate::fs::confine::ensure_not_own;
use crate::fs::volume::VolumeSpace;

/// A folder that was reached through no link, opened.
#[derive(Debug)]
pub struct Folder {
    root: Arc<OpenRoot>,
    below: Option<RelPath>,
    handle: system::Handle,
    identity: FileIdentity,
    path: PathBuf,
    keeps_identities: OnceLock<bool>,
    mount: OnceLock<Mount>,
}

/// Which mount, and which volume within it, something lies on: renames stay within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mount {
    /// The device; parts of one disk may have numbers of their own.
    pub device: u64,
    /// The mount; 0 where the system does not tell.
    pub mount: u64,
}

/// A name in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name, as well as it can be written.
    pub text: String,
    pub kind: EntryKind,
}

impl Folder {
    /// Opens a folder below a root; none is the root's own.
    pub fn open(root: &Arc<OpenRoot>, below: Option<&RelPath>) -> Result<Arc<Self>, FsError> {
        below.map_or(Ok(()), |below| ensure_not_own(root.dir(), below))?;
        let handle = reach(root, root.handle(), below)?;
        Self::of(root, below.cloned(), handle)
    }

    /// The same; none if it is not there.
    pub fn find(root: &Arc<OpenRoot>, below: Option<&RelPath>) -> Result<Option<Arc<Self>>, FsError> {
        match Self::open(root, below) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if below.is_some() && error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The folder that a path lies in, or the nearest around it that is there.
    pub fn nearest(root: &Arc<OpenRoot>, path: &RelPath) -> Result<Arc<Self>, FsError> {
        let mut around = path.parent();
        while let Some(folder) = around {
            if let Some(found) = Self::find(root, Some(&folder))? {
                return Ok(found);
            }
            around = folder.parent();
        }
        Self::open(root, None)
    }

    fn of(root: &Arc<OpenRoot>, below: Option<RelPath>, handle: system::Handle) -> Result<Arc<Self>, FsError> {
        let path = root.dir().resolve_folder(below.as_ref());
        let identity = system::folder_identity(&handle).map_err(FsError::at("look at", &path))?;
        let (root, handle) = (Arc::clone(root), system::keep(handle));
        Ok(Arc::new(Self {
            root,
            below,
            handle,
            identity,
            path,
            keeps_identities: OnceLock::new(),
            mount: OnceLock::new(),
        }))
    }

    pub fn entry(self: &Arc<Self>, name: &str) -> Entry {
        Entry::new(self, name)
    }

    /// Where it lies, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path below the root; none is the root's own.
    pub const fn below(&self) -> Option<&RelPath> {
        self.below.as_ref()
    }

    pub(super) const fn handle(&self) -> &system::Handle {
        &self.handle
    }

    pub const fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Reaches it anew from the root's path: that still has to lead to this folder, through no link. What
    /// comes back is what to work with.
    pub(super) fn confirm(&self) -> Result<system::Handle, FsError> {
        self.confirm_below(&self.root.confirm()?)
    }

    /// The same with another folder, for what is done between two.
    pub(super) fn confirm_with(&self, other: &Self) -> Result<(system::Handle, system::Handle), FsError> {
        let root = self.root.confirm()?;
        let here = self.confirm_below(&root)?;
        let is_shared = Arc::ptr_eq(&self.root, &other.root);
        let there = if is_shared { other.confirm_below(&root) } else { other.confirm() };
        Ok((here, there?))
    }

    fn confirm_below(&self, root: &system::Handle) -> Result<system::Handle, FsError> {
        let handle = reach(&self.root, root, self.below.as_ref())?;
        let identity = system::folder_identity(&handle).map_err(FsError::at("look at", &self.path))?;
        if identity.is(&self.identity) { Ok(handle) } else { Err(elsewhere(&self.path)) }
    }

    /// A folder in it; none if there is none of that name.
    pub fn child(&self, name: &str) -> Result<Option<Arc<Self>>, FsError> {
        let below = self.name_below(name)?;
        let path = self.path.join(name);
        let enter = || match self.root.dir().links().at(below.as_str()) {
            // Where it leads nowhere, there is not nothing.
            Some(link) => link::enter(self.root.dir(), &self.handle, link, name).map(Some),
            None => absent(system::open_folder(&self.handle, name))
                .map_err(|error| why_not(&self.handle, name, &path, error)),
        };
        let handle = match enter()? {
            Some(handle) => handle,
            None => match system::look(&self.handle, name) {
                // Someone made it just now.
                Ok(FoundEntry { kind: EntryKind::Folder, .. }) => {
                    enter()?.ok_or_else(|| FsError::new("open", &path, ErrorKind::NotFound.into()))?
                }
                Ok(found) => return Err(no_folder(&path, found)),
                Err(_) => return Ok(None),
            },
        };
        ensure_not_own(self.root.dir(), &below)?;
        Self::of(&self.root, Some(below), handle).map(Some)
    }

    /// Whether anything has this name.
    pub(in crate::fs) fn has(&self, name: &str) -> Result<bool, FsError> {
        let found = absent(system::look(&self.handle, name));
        Ok(found.map_err(FsError::at("look at", &self.path.join(name)))?.is_some())
    }

    /// Makes a folder in it; that someone else just made it is fine.
    pub fn make(&self, name: &str) -> Result<Arc<Self>, FsError> {
        let path = self.path.join(name);
        let here = self.confirm()?;
        match system::make_folder(&here, name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(FsError::at("create", &path))?,
        }
        // Else a power cut could take the folder with all that is put into it.
        self.sync()?;
        self.child(name)?.ok_or_else(|| FsError::new("create", &path, ErrorKind::NotFound.into()))
    }

    /// Removes a folder in it if that is empty.
    pub(in crate::fs) fn remove_child(&self, name: &str) -> io::Result<()> {
        let here = self.confirm().map_err(|error| error.cause)?;
        system::remove_folder(&here, name)
    }

    /// The folder around it; none is around the root.
    pub fn parent(&self) -> Result<Option<Arc<Self>>, FsError> {
        match &self.below {
            None => Ok(None),
            Some(below) => Self::open(&self.root, below.parent().as_ref()).map(Some),
        }
    }

    /// Everything in it.
    pub fn names(&self) -> Result<Vec<Listed>, FsError> {
        system::names(&self.handle).map_err(FsError::at("list", &self.path))
    }

    /// Makes what happened to names in it survive a power cut.
    pub fn sync(&self) -> Result<(), FsError> {
        system::sync_folder(&self.handle).map_err(FsError::at("sync", &self.path))
    }

    /// Room on the volume that it lies on; none where the system does not know.
    pub fn space(&self) -> Result<Option<VolumeSpace>, FsError> {
        system::space(&self.handle).map_err(FsError::at("measure", &self.path))
    }

    /// Which mount it lies on.
    pub fn mount(&self) -> Result<Mount, FsError> {
        if let Some(known) = self.mount.get() {
            return Ok(*known);
        }
        let found = system::mount(&self.handle, &self.identity).map_err(FsError::at("look at", &self.path))?;
        Ok(*self.mount.get_or_init(|| found))
    }

    /// What has a name in it.
    pub(super) fn look(&self, name: &str) -> io::Result<Option<FoundEntry>> {
        let Some(mut found) = absent(system::look(&self.handle, name))? else { return Ok(None) };
        if !*self.keeps_identities.get_or_init(|| system::keeps_identities(&self.handle)) {
            found.stamp.identity = None;
        }
        Ok(Some(found))
    }

    /// The outermost folder around it, itself included, that lies on the same mount and in the same linked folder: what
    /// is around the folder that a link leads to is not the hub's.
    pub fn top_of_mount(self: &Arc<Self>) -> Result<Arc<Self>, FsError> {
        let mount = self.mount()?;
        let mut top = Arc::clone(self);
        while !top.is_linked()
            && let Some(around) = top.parent()?
        {
            if around.mount()? != mount {
                break;
            }
            top = around;
        }
        Ok(top)
    }

    /// Whether it is the folder of an included link.
    pub fn is_linked(&self) -> bool {
        self.below.as_ref().is_some_and(|below| self.root.dir().links().at(below.as_str()).is_some())
    }

    fn name_below(&self, name: &str) -> Result<RelPath, FsError> {
        RelPath::in_folder(self.below.as_ref(), name)
            .map_err(|error| FsError::new("find", &self.path.join(name), io::Error::other(error)))
    }
}

/// The way from a root to a folder below it: the one place that decides what a path may pass through.
/// The quick way answers for almost all; where it fails, the way step by step finds out which part is to
/// blame.
fn reach(root: &OpenRoot, from: &system::Handle, below: Option<&RelPath>) -> Result<system::Handle, FsError> {
    let Some(below) = below else {
        return system::again(from).map_err(FsError::at("open", root.path()));
    };
    let has_link = root.dir().links().above(below.as_str()).is_some();
    match if has_link { None } else { system::open_at_once(from, below.as_str()) } {
        Some(handle) => Ok(handle),
        None => step_by_step(root, from, below),
    }
}

pub(super) fn step_by_step(root: &OpenRoot, from: &system::Handle, below: &RelPath) -> Result<system::Handle, FsError> {
    let mut path = root.path().to_owned();
    let mut reached: Option<system::Handle> = None;
    let (text, mut end) = (below.as_str(), 0);
    for part in below.parts() {
        path.push(part);
        end += part.len() + usize::from(end > 0);
        let around = reached.as_ref().unwrap_or(from);
        reached = Some(match root.dir().links().at(text.get(..end).unwrap_or(text)) {
            Some(link) => link::enter(root.dir(), around, link, part)?,
            None => system::open_folder(around, part).map_err(|error| why_not(around, part, &path, error))?,
        });
    }
    reached.ok_or_else(|| FsError::new("open", root.path(), ErrorKind::NotFound.into()))
}

/// Why a folder could not be entered: what the system says of links differs.
fn why_not(around: &system::Handle, name: &str, path: &Path, error: io::Error) -> FsError {
    match system::look(around, name) {
        Ok(FoundEntry { kind: EntryKind::Link, .. }) => is_link(path),
        _ => FsError::new("open", path, error),
    }
}

fn no_folder(path: &Path, found: FoundEntry) -> FsError {
    match found.kind {
        EntryKind::Link => is_link(path),
        _ => FsError::refused("create", path, ErrorKind::AlreadyExists, "a file has this name"),
    }
}
