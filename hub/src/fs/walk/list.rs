//! Listing one folder.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use shared_protocol::RelPath;
use walkdir::{DirEntry, WalkDir};

use super::facts::Folder;
use super::{FolderListing, FoundFile, SkipReason, Skipped};
use crate::domain::exclusion::is_excluded;
use crate::fs::{FsError, RootDir};

/// Lists a folder that is known not to lie behind a link.
pub(super) fn list(root: &RootDir, folder: Option<&RelPath>) -> FolderListing {
    let path = root.resolve_folder(folder);
    let mut listing = FolderListing {
        folder: folder.cloned(),
        files: Vec::new(),
        folders: Vec::new(),
        skipped: Vec::new(),
        error: None,
    };
    // The root itself may be a link; a folder below it became one after its parent was listed.
    let opened = match Folder::open(&path, folder.is_none()) {
        Ok(opened) => opened,
        Err(error) => {
            listing.error = Some(FsError::new("list", &path, error));
            return listing;
        }
    };
    let mut is_empty = true;
    for entry in WalkDir::new(&path).min_depth(1).max_depth(1) {
        is_empty = false;
        match entry {
            Ok(entry) => add(&mut listing, &opened, &entry),
            Err(error) => {
                listing.error.get_or_insert(FsError::new("list", &path, into_io(error)));
            }
        }
    }
    if is_empty && let Err(error) = check_there(&path) {
        listing.error.get_or_insert(error);
    }
    listing.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing.folders.sort_unstable();
    listing
}

/// Windows says "not found" both of an empty folder's content and of a folder that vanished, and std
/// makes an empty listing of either. On Linux a mount may go in the middle, too.
fn check_there(path: &Path) -> Result<(), FsError> {
    let metadata = fs::metadata(path).map_err(FsError::at("list", path))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(FsError::refused("list", path, ErrorKind::NotADirectory, "it is no folder any more"))
}

fn add(listing: &mut FolderListing, folder: &Folder, entry: &DirEntry) {
    let os_name = entry.file_name();
    let Some(name) = os_name.to_str() else {
        skip(listing, os_name, SkipReason::NotUnicode);
        return;
    };
    if is_excluded(name) {
        return;
    }
    let file_type = entry.file_type();
    if file_type.is_symlink() {
        skip(listing, os_name, SkipReason::Link);
    } else if !file_type.is_dir() && !file_type.is_file() {
        skip(listing, os_name, SkipReason::Special);
    } else if let Err(why) = RelPath::in_folder(None, name) {
        skip(listing, os_name, SkipReason::BadName(why));
    } else if file_type.is_dir() {
        listing.folders.push(name.to_owned());
    } else {
        add_file(listing, folder, entry, name);
    }
}

fn add_file(listing: &mut FolderListing, folder: &Folder, entry: &DirEntry, name: &str) {
    match folder.facts(entry) {
        Ok(facts) => listing.files.push(FoundFile {
            name: name.to_owned(),
            size_bytes: facts.size_bytes,
            modified: facts.modified,
            placeholder: facts.placeholder,
            identity: facts.identity,
        }),
        // Removed since it was listed: that it is gone is the truth.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            let error = FsError::new("look at", entry.path(), error);
            skip(listing, entry.file_name(), SkipReason::Unreadable(error.to_string()));
            listing.error.get_or_insert(error);
        }
    }
}

fn skip(listing: &mut FolderListing, name: &OsStr, why: SkipReason) {
    listing.skipped.push(Skipped { name: name.to_string_lossy().into_owned(), why });
}

fn into_io(error: walkdir::Error) -> io::Error {
    error.into_io_error().unwrap_or_else(|| io::Error::other("the folder contains itself"))
}
