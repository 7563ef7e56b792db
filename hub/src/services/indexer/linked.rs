//! What a scan makes of the folders behind included links.
//!
//! The walk looks at a link before and after each folder behind it. When it has ended each link is looked at once more:
//! behind one that is another by then nothing was seen, whatever was listed.

use std::collections::HashMap;

use super::disks::is_within;
use super::seen::Written;
use crate::domain::skipped::SkipReason;
use crate::fs::RootDir;
use crate::fs::entry::link::check;
use crate::storage::index::KnownFolder;
use crate::storage::skipped::UnseenFolder;

/// Included links that don't lead to the folder that was included.
pub(super) fn unseen(dir: &RootDir) -> Vec<UnseenFolder> {
    let changed = dir.links().iter().filter_map(|link| Some((link, check(dir, link).err()?)));
    changed
        .map(|(link, error)| UnseenFolder {
            path: link.path().to_string(),
            reason: SkipReason::LinkChanged,
            detail: Some(error.cause.to_string()),
            mount: None,
        })
        .collect()
}

/// What could not be listed because of a link is told with the link.
pub(super) fn tell_once(links: &[UnseenFolder], written: &mut Written) {
    written.unlisted.retain(|folder| !links.iter().any(|link| is_within(&folder.path, &link.path)));
}

/// Adds folders that were not seen for another reason, and don't lie behind one of these links anyway.
pub(super) fn add_apart(links: &mut Vec<UnseenFolder>, others: Vec<UnseenFolder>) {
    let apart = |other: &UnseenFolder| !links.iter().any(|link| is_within(&other.path, &link.path));
    let others: Vec<_> = others.into_iter().filter(apart).collect();
    links.extend(others);
}

/// Whether the index has files that should be seen: what a link stands for now should not.
pub(super) fn had_files(known: &HashMap<String, KnownFolder>, written: &Written) -> bool {
    let is_linked = |path: &str| written.links.iter().any(|link| is_within(path, link));
    known.iter().any(|(path, folder)| folder.n_files > 0 && !is_linked(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::FolderId;

    fn folder(path: &str, reason: SkipReason) -> UnseenFolder {
        UnseenFolder { path: path.to_owned(), reason, detail: None, mount: None }
    }

    #[test]
    fn what_lies_behind_a_changed_link_is_told_with_it() {
        let mut links = vec![folder("a", SkipReason::LinkChanged)];
        let unlisted = ["a", "a/b", "ab"].map(|path| folder(path, SkipReason::Unlisted)).to_vec();
        let mut written = Written { unlisted, ..Written::default() };
        tell_once(&links, &mut written);
        assert_eq!(written.unlisted, [folder("ab", SkipReason::Unlisted)]);
        let disks = ["a/disk", "disk"].map(|path| folder(path, SkipReason::DiskMissing)).to_vec();
        add_apart(&mut links, disks);
        assert_eq!(links, [folder("a", SkipReason::LinkChanged), folder("disk", SkipReason::DiskMissing)]);
    }

    #[test]
    fn a_root_whose_files_all_lie_behind_links_by_now_is_not_empty() {
        let known = |path: &str| {
            let folder = KnownFolder { id: FolderId(1), listing: None, n_files: 2, size_bytes: 2, mount: None };
            HashMap::from([(path.to_owned(), folder)])
        };
        let written = Written { links: vec!["a".to_owned()], ..Written::default() };
        assert!(!had_files(&known("a/b"), &written) && !had_files(&known("a"), &written));
        assert!(had_files(&known("ab"), &written) && had_files(&known("a"), &Written::default()));
    }
}
