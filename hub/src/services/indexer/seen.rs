//! What a walk says of each folder, held against what the index knows.

use std::collections::{HashMap, HashSet};

use shared_protocol::RelPath;

use super::digest;
use crate::domain::skipped::SkipReason;
use crate::fs::walk::FolderListing;
use crate::storage::index::{Changes, KnownFolder, ListedFile, Listing};
use crate::storage::skipped::UnseenFolder;

/// What the walk says of one folder.
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) mount: Option<String>,
    /// It holds neither files nor folders.
    pub(super) is_empty: bool,
    pub(super) what: What,
}

impl Seen {
    /// The files that are to be written.
    pub(super) fn n_files(&self) -> usize {
        match &self.what {
            What::Unchanged => 0,
            What::Changed(listing) | What::Broken(listing, _) => listing.files.len(),
        }
    }
}

pub(super) enum What {
    /// As the index has it.
    Unchanged,
    /// To be written.
    Changed(Listing),
    /// Listed in part or not at all, and why.
    Broken(Listing, String),
}

/// What the writer has seen when the walk has ended.
#[derive(Default)]
pub(super) struct Written {
    pub(super) changes: Changes,
    /// Folders that were listed whole.
    pub(super) whole: HashSet<String>,
    /// Folders whose listing failed.
    pub(super) broken: HashSet<String>,
    /// Folders that hold neither files nor folders.
    pub(super) empty: HashSet<String>,
    /// Folders on which something else is mounted than the index knows.
    pub(super) mounts: HashMap<String, String>,
    /// Folders of which not even the names are known.
    pub(super) unlisted: Vec<UnseenFolder>,
    /// Links that were found where a folder's listing is another than the index knows.
    pub(super) links: Vec<String>,
    pub(super) wrote: bool,
}

impl Seen {
    pub(super) fn of(listing: FolderListing, known: &HashMap<String, KnownFolder>) -> Self {
        let digest = listing.error.is_none().then(|| digest::of(&listing));
        let path = listing.folder.as_ref().map_or("", RelPath::as_str).to_owned();
        let is_empty = listing.error.is_none() && listing.files.is_empty() && listing.folders.is_empty();
        if digest.is_some() && known.get(&path).is_some_and(|old| old.listing == digest) {
            return Self { path, mount: listing.mount, is_empty, what: What::Unchanged };
        }
        let files = listing.files.into_iter().map(|file| ListedFile {
            name: file.name,
            size_bytes: file.size_bytes,
            modified: file.modified,
            placeholder: file.placeholder,
            identity: file.stands_by,
        });
        let written = Listing {
            folder: path.clone(),
            files: files.collect(),
            skipped: listing.skipped,
            digest,
            is_cut: listing.is_cut,
        };
        let what = match listing.error {
            None => What::Changed(written),
            Some(error) => What::Broken(written, error.to_string()),
        };
        Self { path, mount: listing.mount, is_empty, what }
    }
}

impl Written {
    /// Notes what does not depend on the content.
    pub(super) fn note(&mut self, seen: &Seen, known: &HashMap<String, KnownFolder>) {
        let path = &seen.path;
        match &seen.what {
            What::Unchanged | What::Changed(_) => _ = self.whole.insert(path.clone()),
            What::Broken(..) => _ = self.broken.insert(path.clone()),
        }
        if let What::Changed(listing) | What::Broken(listing, _) = &seen.what {
            let links = listing.skipped.iter().filter(|skip| skip.reason == SkipReason::Link);
            let above = if path.is_empty() { String::new() } else { format!("{path}/") };
            self.links.extend(links.map(|link| format!("{above}{}", link.name)));
        }
        if seen.is_empty {
            self.empty.insert(path.clone());
        }
        if let Some(mount) = &seen.mount
            && known.get(path).is_none_or(|old| old.mount.as_ref() != Some(mount))
        {
            self.mounts.insert(path.clone(), mount.clone());
        }
    }
}
