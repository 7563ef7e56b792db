//! Listing one folder.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;
use walkdir::{DirEntry, WalkDir};

use super::facts::Folder;
use super::{FolderListing, FoundFile, NO_MOUNT, unfinished};
use crate::domain::exclusion::{Exclusion, ExclusionKind, NameKind, of_entry};
use crate::domain::skipped::{Skip, SkipReason};
use crate::domain::skipped_names::other_names;
use crate::fs::entry::link::check;
use crate::fs::{FsError, RootDir, verbatim};

/// Lists a folder that is known not to lie behind a link that is not included. `device_above` is that of the folder around it.
pub(super) fn list(root: &RootDir, folder: Option<&RelPath>, device_above: Option<u64>) -> FolderListing {
    let path = root.resolve_folder(folder);
    let mut listing = FolderListing::empty(folder.cloned());
    let link = folder.and_then(|folder| root.links().above(folder.as_str()));
    if let Some(error) = link.and_then(|link| check(root, link).err()) {
        return FolderListing::failed(folder.cloned(), error);
    }
    // The root itself may be a link, and one that is included; another folder became one after its parent was listed.
    let may_be_link = may_be_link(root, folder);
    let opened = match Folder::open(&path, may_be_link) {
        Ok(opened) => opened,
        Err(error) => return FolderListing::failed(folder.cloned(), FsError::new("list", &path, error)),
    };
    match opened.place(device_above) {
        // What a link leads to lies on a disk of its own, which is judged with the link.
        Ok(place) if may_be_link && folder.is_some() => {
            (listing.mount, listing.device) = (Some(NO_MOUNT.to_owned()), place.device);
        }
        Ok(place) => (listing.mount, listing.device) = (Some(place.mount), place.device),
        Err(error) => cut(&mut listing, FsError::new("look at", &path, error)),
    }
    let mut is_empty = true;
    for entry in WalkDir::new(&path).min_depth(1).max_depth(1) {
        is_empty = false;
        match entry {
            Ok(entry) => add(&mut listing, root, &opened, &entry),
            Err(error) => cut(&mut listing, FsError::new("list", &path, into_io(error))),
        }
    }
    if is_empty && let Err(error) = check_there(&path) {
        cut(&mut listing, error);
    }
    // The listing was taken by name: a disk that went meanwhile left what lies under it.
    match opened.is_still_at(&path, may_be_link) {
        Ok(true) => {}
        Ok(false) => {
            let why = "another folder took its place while it was listed";
            cut(&mut listing, FsError::refused("list", &path, ErrorKind::NotFound, why));
        }
        Err(error) => cut(&mut listing, FsError::new("list", &path, error)),
    }
    if let Some(error) = link.and_then(|link| check(root, link).err()) {
        cut(&mut listing, error);
    }
    unfinished::take_out(&mut listing);
    leave_taken_names(&mut listing);
    listing.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing.folders.sort_unstable();
    listing.skipped.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing
}

/// Whether a disk is mounted on a folder, or it lies on another one than the folder around it.
pub(super) fn is_mounted(root: &RootDir, folder: &RelPath) -> Result<bool, FsError> {
    let place = |folder: Option<&RelPath>, device_above| {
        let path = root.resolve_folder(folder);
        match Folder::open(&path, may_be_link(root, folder)).and_then(|opened| opened.place(device_above)) {
            Ok(place) => Ok(Some(place)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FsError::new("look at", &path, error)),
        }
    };
    let above = place(folder.parent().as_ref(), None)?.and_then(|place| place.device);
    Ok(place(Some(folder), above)?.is_some_and(|place| place.mount != NO_MOUNT))
}

fn may_be_link(root: &RootDir, folder: Option<&RelPath>) -> bool {
    folder.is_none_or(|folder| root.links().at(folder.as_str()).is_some())
}

/// Whether a link in a folder is one that is included, by its very name.
fn is_included(root: &RootDir, folder: Option<&RelPath>, name: &str) -> bool {
    let path = RelPath::in_folder(folder, name);
    path.is_ok_and(|path| root.links().at(path.as_str()).is_some_and(|link| *link.path() == path))
}

/// Notes that names may be missing.
fn cut(listing: &mut FolderListing, error: FsError) {
    listing.is_cut = true;
    listing.error.get_or_insert(error);
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

fn add(listing: &mut FolderListing, root: &RootDir, folder: &Folder, entry: &DirEntry) {
    let os_name = entry.file_name();
    let Some(name) = os_name.to_str() else {
        let is_link = entry.file_type().is_symlink();
        let (reason, detail) = if is_link { link(entry) } else { (SkipReason::NotUnicode, None) };
        skip(listing, os_name, reason, detail);
        return;
    };
    let file_type = entry.file_type();
    let is_folder = file_type.is_dir();
    // What is neither, a link for one, is left alone if either of that name is.
    let kind = match (is_folder, file_type.is_file()) {
        (true, _) => NameKind::Folder,
        (false, true) => NameKind::File,
        (false, false) => NameKind::Either,
    };
    if let Some(exclusion) = of_entry(listing.folder.as_ref().map(RelPath::name), name, kind) {
        exclude(listing, os_name, exclusion);
    } else if is_folder && root.own().is_some_and(|own| folder.is_own(entry, own)) {
        skip(listing, os_name, SkipReason::HubData, None);
    } else if file_type.is_symlink() && is_included(root, listing.folder.as_ref(), name) {
        listing.folders.push(name.to_owned());
    } else if file_type.is_symlink() {
        let (reason, detail) = link(entry);
        skip(listing, os_name, reason, detail);
    } else if !is_folder && !file_type.is_file() {
        skip(listing, os_name, SkipReason::Special, None);
    } else if let Err(why) = RelPath::in_folder(None, name) {
        skip(listing, os_name, SkipReason::BadName, Some(why.to_string()));
    } else if is_folder {
        listing.folders.push(name.to_owned());
    } else {
        add_file(listing, folder, entry, name);
    }
}

/// What a name that can't be stored is called elsewhere is no name that this folder has itself: beside
/// `x.safetensors` lies `x.safetensors:Zone.Identifier`, and the other root's `x.safetensors` is the first.
fn leave_taken_names(listing: &mut FolderListing) {
    if listing.skipped.iter().all(|skip| skip.also.is_empty()) {
        return;
    }
    let names = listing.files.iter().map(|file| &file.name).chain(&listing.folders);
    let taken: HashSet<String> = names.map(|name| match_key(name)).collect();
    for skip in &mut listing.skipped {
        skip.also.retain(|name| !taken.contains(name));
    }
}

/// A link, with where it leads.
fn link(entry: &DirEntry) -> (SkipReason, Option<String>) {
    (SkipReason::Link, fs::read_link(entry.path()).ok().map(|target| verbatim::shown(&target)))
}

fn add_file(listing: &mut FolderListing, folder: &Folder, entry: &DirEntry, name: &str) {
    match folder.facts(entry) {
        Ok(facts) => listing.files.push(FoundFile {
            name: name.to_owned(),
            size_bytes: facts.size_bytes,
            modified: facts.modified,
            placeholder: facts.placeholder,
            identity: facts.identity,
            stands_by: facts.stands_by,
        }),
        // Removed since it was listed: that it is gone is the truth.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            let error = FsError::new("look at", entry.path(), error);
            skip(listing, entry.file_name(), SkipReason::Unreadable, Some(error.to_string()));
            listing.error.get_or_insert(error);
        }
    }
}

fn skip(listing: &mut FolderListing, name: &OsStr, reason: SkipReason, detail: Option<String>) {
    let shown = name.to_string_lossy().into_owned();
    let also = if reason.is_unknown() { other_names(name.as_encoded_bytes(), &shown) } else { Vec::new() };
    listing.skipped.push(Skip { name: shown, also, reason, detail });
}

/// Leaves alone what is no part of the library. The hub's own is in every root: nobody has to hear of it.
fn exclude(listing: &mut FolderListing, name: &OsStr, exclusion: Exclusion) {
    if exclusion.kind != ExclusionKind::Own {
        skip(listing, name, SkipReason::Excluded, Some(exclusion.why.to_owned()));
    }
}

fn into_io(error: walkdir::Error) -> io::Error {
    error.into_io_error().unwrap_or_else(|| io::Error::other("the folder contains itself"))
}
