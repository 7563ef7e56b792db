//! Folders that a disk is mounted on, or was at the last scan.
//!
//! A mount that is gone leaves an ordinary folder that can be listed, empty or with what lay under it.
//! So where the disk of a folder is another than it was, what is missing at or below it was not seen,
//! and nothing is taken out of the index. With nothing missing the new disk is taken over silently: a
//! restart may number devices anew. A disk that went and left nothing is always told.

use std::collections::HashMap;

use super::seen::Written;
use crate::domain::ids::FolderId;
use crate::domain::skipped::SkipReason;
use crate::fs::walk::NO_MOUNT;
use crate::storage::index::KnownFolder;
use crate::storage::skipped::UnseenFolder;

/// Whether a path is a folder or lies below it.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Folders whose disk is another one or is missing, and that therefore were not seen. `gone` are folders
/// of the index that the walk did not find.
pub(super) fn unseen(
    known: &HashMap<String, KnownFolder>,
    written: &Written,
    gone: &[(&str, FolderId)],
) -> Vec<UnseenFolder> {
    let changed = written.mounts.iter().filter_map(|(path, now)| {
        let before = known.get(path)?.mount.as_deref()?;
        (!path.is_empty() && before != now).then_some((path.as_str(), before, now.as_str(), false))
    });
    // Only an unmounted disk's folder can be removed.
    let removed = gone.iter().filter_map(|(path, _)| {
        let before = known.get(*path)?.mount.as_deref().filter(|before| *before != NO_MOUNT)?;
        Some((*path, before, NO_MOUNT, true))
    });
    let changed: Vec<_> = changed.chain(removed).collect();
    if changed.is_empty() {
        return Vec::new();
    }
    let missing = missing(known, written, gone);
    let is_unseen = |path: &str, before: &str, is_removed: bool| {
        let is_emptied = before != NO_MOUNT && written.empty.contains(path);
        is_removed || is_emptied || missing.iter().any(|missing| is_within(missing, path))
    };
    let mut found: Vec<UnseenFolder> = changed
        .into_iter()
        .filter(|(path, before, _, is_removed)| is_unseen(path, before, *is_removed))
        .map(|(path, _, now, _)| UnseenFolder {
            path: path.to_owned(),
            reason: if now == NO_MOUNT { SkipReason::DiskMissing } else { SkipReason::DiskChanged },
            detail: None,
            mount: Some(now.to_owned()),
        })
        .collect();
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Folders of which files are missing.
fn missing<'a>(
    known: &'a HashMap<String, KnownFolder>,
    written: &Written,
    gone: &[(&'a str, FolderId)],
) -> Vec<&'a str> {
    let paths: HashMap<FolderId, &str> = known.iter().map(|(path, folder)| (folder.id, path.as_str())).collect();
    let mut found: Vec<&str> =
        written.changes.missing.iter().filter_map(|(_, folder)| paths.get(folder).copied()).collect();
    found.dedup();
    let had_files = |path: &&str| known.get(*path).is_some_and(|folder| folder.n_files > 0);
    found.extend(gone.iter().map(|(path, _)| *path).filter(had_files));
    found
}

/// What is verified of a scan once these folders are known to be unseen: takes out of `written` and `gone`
/// whatever lies at or below them.
pub(super) fn keep(
    unseen: &[UnseenFolder],
    known: &HashMap<String, KnownFolder>,
    written: &mut Written,
    gone: &mut Vec<(&str, FolderId)>,
) {
    if unseen.is_empty() {
        return;
    }
    let is_kept = |path: &str| unseen.iter().any(|folder| is_within(path, &folder.path));
    let kept: HashMap<FolderId, bool> = known.iter().map(|(path, folder)| (folder.id, is_kept(path))).collect();
    let is_verified = |folder: &FolderId| !kept.get(folder).copied().unwrap_or(false);
    let changes = &mut written.changes;
    for (_, folder) in &changes.missing {
        if !is_verified(folder) {
            changes.recount.insert(*folder);
        }
    }
    changes.missing.retain(|(_, folder)| is_verified(folder));
    changes.unskipped.retain(|(_, folder)| is_verified(folder));
    changes.unsettled.retain(|(folder, _)| is_verified(folder));
    gone.retain(|(path, _)| !is_kept(path));
    for folder in unseen {
        written.mounts.remove(&folder.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::FileId;

    /// A disk on `a`, seen at the last scan as `before`, holding two files in `a/b`.
    fn library(before: Option<&str>) -> HashMap<String, KnownFolder> {
        let folder = |id, n_files, mount: Option<&str>| KnownFolder {
            id: FolderId(id),
            listing: None,
            n_files,
            size_bytes: n_files,
            mount: mount.map(str::to_owned),
        };
        HashMap::from([
            (String::new(), folder(1, 0, Some(NO_MOUNT))),
            ("a".to_owned(), folder(2, 0, before)),
            ("a/b".to_owned(), folder(3, 2, Some(NO_MOUNT))),
            ("a.x".to_owned(), folder(4, 2, Some(NO_MOUNT))),
        ])
    }

    fn now(mount: &str, missing: &[i64], empty: bool) -> Written {
        let mut written = Written::default();
        written.mounts.insert("a".to_owned(), mount.to_owned());
        written.changes.missing = missing.iter().map(|folder| (FileId(9), FolderId(*folder))).collect();
        if empty {
            written.empty.insert("a".to_owned());
        }
        written
    }

    fn reasons(before: Option<&str>, written: &Written, gone: &[(&str, FolderId)]) -> Vec<SkipReason> {
        unseen(&library(before), written, gone).into_iter().map(|folder| folder.reason).collect()
    }

    #[test]
    fn what_is_missing_below_another_disk_was_not_seen() {
        assert_eq!(reasons(Some("x"), &now(NO_MOUNT, &[3], false), &[]), [SkipReason::DiskMissing]);
        assert_eq!(reasons(Some("x"), &now("y", &[3], false), &[]), [SkipReason::DiskChanged]);
        assert_eq!(reasons(Some(NO_MOUNT), &now("y", &[3], false), &[]), [SkipReason::DiskChanged], "hidden by it");
        assert_eq!(reasons(Some("x"), &now("y", &[], false), &[("a/b", FolderId(3))]), [SkipReason::DiskChanged]);
    }

    #[test]
    fn an_emptied_or_removed_mount_always_counts() {
        assert_eq!(reasons(Some("x"), &now(NO_MOUNT, &[], true), &[]), [SkipReason::DiskMissing]);
        assert_eq!(reasons(Some("x"), &now("y", &[], true), &[]), [SkipReason::DiskChanged]);
        assert_eq!(reasons(Some("x"), &Written::default(), &[("a", FolderId(2))]), [SkipReason::DiskMissing]);
        assert!(reasons(Some(NO_MOUNT), &now("y", &[], true), &[]).is_empty(), "there was no disk");
    }

    #[test]
    fn without_anything_missing_another_number_says_nothing() {
        assert!(reasons(Some("x"), &now("y", &[], false), &[]).is_empty(), "a restart");
        assert!(reasons(Some("x"), &now("y", &[4], false), &[]).is_empty(), "missing elsewhere");
        assert!(reasons(Some("x"), &now("x", &[3], false), &[]).is_empty(), "the disk is the same");
        assert!(reasons(None, &now(NO_MOUNT, &[3], true), &[]).is_empty(), "not recorded yet");
        assert!(reasons(Some(NO_MOUNT), &Written::default(), &[("a", FolderId(2))]).is_empty(), "a person removed it");
    }

    #[test]
    fn what_was_not_seen_is_kept() {
        let known = library(Some("x"));
        let mut written = now(NO_MOUNT, &[3, 4], false);
        let mut gone = vec![("a/b", FolderId(3)), ("a.x", FolderId(4))];
        let found = unseen(&known, &written, &gone);
        keep(&found, &known, &mut written, &mut gone);
        assert_eq!(written.changes.missing, [(FileId(9), FolderId(4))]);
        assert!(written.changes.recount.contains(&FolderId(3)) && written.mounts.is_empty());
        assert_eq!(gone, [("a.x", FolderId(4))]);
    }
}
