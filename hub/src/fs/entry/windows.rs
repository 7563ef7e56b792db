//! Opened folders on Windows. Win32 has no calls relative to a handle. So a folder is a chain of open
//! handles, none of them of a link; while a chain is held for the moment of an act, no folder on the way
//! can be renamed, removed or replaced, and the path means what it meant.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backon::{BlockingRetryable as _, ConstantBuilder};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, GetFileInformationByHandle,
    MOVEFILE_WRITE_THROUGH, MoveFileExW,
};

use super::folder::{Listed, Mount};
use super::{EntryKind, FileIdentity, FoundEntry};
use crate::domain::failure::FailureClass;
use crate::domain::included_link::FolderIdentity;
use crate::fs::open::{self, FileStamp};
use crate::fs::volume::{self, VolumeSpace};

/// How often a folder is tried that somebody else has alone, and between two tries: a fifth of a second in all.
const MOST_TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(5);

/// An open folder with those around it, up to the root.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    path: PathBuf,
    held: Vec<Arc<File>>,
}

/// A name in an open folder.
type Name<'a> = (&'a Handle, &'a str);

impl Handle {
    fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The root itself may be a link.
pub(super) fn open_root(path: &Path) -> io::Result<Handle> {
    let file = hold(path, FILE_FLAG_BACKUP_SEMANTICS)?;
    Ok(Handle { path: path.to_owned(), held: vec![Arc::new(file)] })
}

/// Not shared for deleting: as long as it is open, the folder keeps its name. Whoever is about to rename or remove it
/// has it alone for a moment, which is waited for.
fn hold(path: &Path, flags: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.access_mode(FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES);
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE).custom_flags(flags);
    let file = (|| options.open(path))
        .retry(ConstantBuilder::default().with_delay(PAUSE).with_max_times(MOST_TRIES))
        .when(|error| FailureClass::of(error) == FailureClass::InUse)
        .call()?;
    if file.metadata()?.is_dir() { Ok(file) } else { Err(ErrorKind::NotADirectory.into()) }
}

/// For keeping: a folder that is only remembered must not be in anybody's way. The chain is let go, and
/// held anew when something is to be done.
pub(super) fn keep(folder: Handle) -> Handle {
    Handle { held: Vec::new(), ..folder }
}

pub(super) fn again(folder: &Handle) -> io::Result<Handle> {
    if folder.held.is_empty() { open_root(&folder.path) } else { Ok(folder.clone()) }
}

/// There is no such call.
pub(super) const fn open_at_once(_: &Handle, _: &str) -> Option<Handle> {
    None
}

pub(super) fn open_folder(around: &Handle, name: &str) -> io::Result<Handle> {
    let path = around.join(name);
    let file = hold(&path, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)?;
    if file.metadata()?.file_type().is_symlink() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let held = around.held.iter().cloned().chain([Arc::new(file)]).collect();
    Ok(Handle { path, held })
}

/// Enters the folder that a link leads to, and tells its real path, by which it is worked in: wherever the link leads
/// next, that stays. Junctions and symbolic links are followed alike.
pub(super) fn open_linked(around: &Handle, name: &str, _full: &Path) -> io::Result<(Handle, PathBuf)> {
    let path = fs::canonicalize(around.join(name))?;
    let file = hold(&path, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)?;
    let held = around.held.iter().cloned().chain([Arc::new(file)]).collect();
    Ok((Handle { path: path.clone(), held }, path))
}

/// The same by path.
pub(super) fn follow(path: &Path) -> io::Result<(Handle, PathBuf)> {
    let path = fs::canonicalize(path)?;
    Ok((open_root(&path)?, path))
}

/// What tells a folder from others also after a restart.
pub(super) fn lasting(folder: &Handle, _path: &Path) -> io::Result<FolderIdentity> {
    let FileIdentity { device, file, .. } = folder_identity(folder)?;
    Ok(FolderIdentity { disk: format!("serial:{device:x}"), file: Some(file) })
}

pub(super) fn folder_identity(folder: &Handle) -> io::Result<FileIdentity> {
    folder.held.last().map_or_else(|| Err(ErrorKind::NotFound.into()), |file| identity(file))
}

#[allow(unsafe_code, reason = "std has no stable form of it")]
pub(super) fn identity(file: &File) -> io::Result<FileIdentity> {
    let mut facts = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and the structure lives through the call.
    let done = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut facts) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(FileIdentity {
        device: facts.dwVolumeSerialNumber.into(),
        file: u64::from(facts.nFileIndexHigh) << 32 | u64::from(facts.nFileIndexLow),
        n_links: facts.nNumberOfLinks.into(),
    })
}

pub(super) fn identity_of(folder: &Handle, name: &str) -> io::Result<FileIdentity> {
    let file = OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(folder.join(name))?;
    identity(&file)
}

/// Whether the identities that [`look`] tells last: it tells none that would not.
pub(super) const fn keeps_identities(_: &Handle) -> bool {
    true
}

pub(super) fn look(folder: &Handle, name: &str) -> io::Result<FoundEntry> {
    let metadata = fs::symlink_metadata(folder.join(name))?;
    Ok(FoundEntry { kind: kind(metadata.file_type()), stamp: FileStamp::of(&metadata) })
}

/// A symlink to std is every name surrogate: junctions too, and not deduplicated or compressed files.
fn kind(file_type: fs::FileType) -> EntryKind {
    match () {
        () if file_type.is_symlink() => EntryKind::Link,
        () if file_type.is_dir() => EntryKind::Folder,
        () if file_type.is_file() => EntryKind::File,
        () => EntryKind::Other,
    }
}

pub(super) fn names(folder: &Handle) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder.path)? {
        let entry = entry?;
        let text = entry.file_name().to_string_lossy().into_owned();
        found.push(Listed { text, kind: entry.file_type().map_or(EntryKind::Other, kind) });
    }
    Ok(found)
}

pub(super) fn open_for_reading(folder: &Handle, name: &str) -> io::Result<File> {
    open::open_plainly(&folder.join(name))
}

pub(super) fn create(folder: &Handle, name: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(folder.join(name))
}

pub(super) fn reopen(folder: &Handle, name: &str) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(folder.join(name))?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(ErrorKind::Unsupported, "it is a link")) }
}

/// Without `MOVEFILE_REPLACE_EXISTING` a taken name is an error, and without
/// `MOVEFILE_COPY_ALLOWED` so is another volume. A name that is taken by a hard link of the same file is
/// none to Windows, which then does nothing and says it was done.
#[allow(unsafe_code, reason = "MoveFileExW has no safe form, and std's rename always replaces")]
pub(super) fn rename_no_clobber(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    let (from, to) = (from.0.join(from.1), to.0.join(to.1));
    let (from_text, to) = (wide(&from)?, wide(&to)?);
    // SAFETY: both are NUL-terminated UTF-16 texts that outlive the call, which only reads them.
    let done = unsafe { MoveFileExW(from_text.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let is_same_name = folded(&from_text) == folded(&to);
    if !is_same_name && fs::symlink_metadata(&from).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    Ok(())
}

/// Names that differ in case only are one.
fn folded(wide: &[u16]) -> String {
    String::from_utf16_lossy(wide).to_lowercase()
}

fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let mut text: Vec<u16> = path.as_os_str().encode_wide().collect();
    if text.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the path contains NUL"));
    }
    text.push(0);
    Ok(text)
}

pub(super) fn replace(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    fs::rename(from.0.join(from.1), to.0.join(to.1))
}

pub(super) fn link(file: Name<'_>, name: Name<'_>) -> io::Result<()> {
    fs::hard_link(file.0.join(file.1), name.0.join(name.1))
}

pub(super) fn remove(folder: &Handle, name: &str) -> io::Result<()> {
    fs::remove_file(folder.join(name))
}

/// Windows refuses to remove a file that is marked read-only.
pub(super) fn remove_own(folder: &Handle, name: &str) -> io::Result<()> {
    let path = folder.join(name);
    let mut permissions = fs::symlink_metadata(&path)?.permissions();
    if permissions.readonly() {
        #[allow(clippy::permissions_set_readonly_false, reason = "on Windows this clears an attribute only")]
        permissions.set_readonly(false);
        fs::set_permissions(&path, permissions)?;
    }
    fs::remove_file(&path)
}

pub(super) fn make_folder(around: &Handle, name: &str) -> io::Result<()> {
    fs::create_dir(around.join(name))
}

pub(super) fn remove_folder(around: &Handle, name: &str) -> io::Result<()> {
    fs::remove_dir(around.join(name))
}

/// The rename was written through.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) const fn sync_folder(_: &Handle) -> io::Result<()> {
    Ok(())
}

pub(super) fn space(folder: &Handle) -> io::Result<Option<VolumeSpace>> {
    volume::space(&folder.path).map_err(|error| error.cause)
}

/// What is mounted in a folder is a junction to Windows, and not followed.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) const fn mount(_: &Handle, identity: &FileIdentity) -> io::Result<Mount> {
    Ok(Mount { device: identity.device, mount: 0 })
}
