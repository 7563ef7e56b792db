//! Names that are right by themselves, and no library because of what lies beside them: files that
//! are still downloaded, and the data folder of another hub. The other root may have a whole file of
//! such a name, so they count as unknown.

use std::collections::BTreeSet;

use super::FolderListing;
use crate::domain::exclusion::{CONTROL_ENDINGS, ExclusionKind, NameKind, is_held_for, of_entry};
use crate::domain::skipped::{Skip, SkipReason};

/// What lies in the data folder of every hub that has run.
const HUB_FILES: [&str; 2] = ["hub.db", "hub.lock"];

const CONTROLLED: &str = "the control file of the downloading program lies beside it";
const HELD: &str = "it is empty and only holds the name for the download beside it";

/// Moves what is no library from the files and folders of a listing to what is skipped.
pub(super) fn take_out(listing: &mut FolderListing) {
    let has_file = |name: &&str| listing.files.iter().any(|file| file.name == **name);
    // The root's own folder is what a person chose.
    if listing.folder.is_some() && HUB_FILES.iter().all(has_file) {
        let FolderListing { files, folders, skipped, .. } = listing;
        let names = files.drain(..).map(|file| file.name).chain(folders.drain(..));
        skipped.extend(names.map(|name| left_out(name, SkipReason::HubData, None)));
        return;
    }
    let half: Vec<String> =
        listing.skipped.iter().filter(|skip| is_half_download(skip)).map(|skip| skip.name.clone()).collect();
    let mut working_on = BTreeSet::new();
    for name in half.iter().chain(listing.files.iter().map(|file| &file.name)) {
        let target = CONTROL_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
        working_on.extend(target.filter(|target| !target.is_empty()).map(str::to_owned));
    }
    if half.is_empty() && working_on.is_empty() {
        return;
    }
    let is_held = |name: &str| half.iter().any(|other| is_held_for(name, other));
    let FolderListing { files, folders, skipped, .. } = listing;
    files.retain(|file| {
        let why = if working_on.contains(&file.name) {
            CONTROLLED
        } else if file.size_bytes == 0 && is_held(&file.name) {
            HELD
        } else {
            return true;
        };
        skipped.push(left_out(file.name.clone(), SkipReason::Unfinished, Some(why)));
        false
    });
    // A torrent of many files is a folder with the control file beside it.
    folders.retain(|name| {
        let is_whole = !working_on.contains(name);
        if !is_whole {
            skipped.push(left_out(name.clone(), SkipReason::Unfinished, Some(CONTROLLED)));
        }
        is_whole
    });
}

fn is_half_download(skip: &Skip) -> bool {
    let kind = of_entry(None, &skip.name, NameKind::File).map(|exclusion| exclusion.kind);
    skip.reason == SkipReason::Excluded && kind == Some(ExclusionKind::HalfDownload)
}

fn left_out(name: String, reason: SkipReason, detail: Option<&str>) -> Skip {
    Skip { name, also: Vec::new(), reason, detail: detail.map(str::to_owned) }
}
