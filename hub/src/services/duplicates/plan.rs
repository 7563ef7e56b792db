//! From a group to what becomes of its files.

use shared_protocol::RelPath;

use crate::domain::duplicates::{Candidate, GroupKind, KeepRule};
use crate::domain::root::Root;
use crate::services::queue::{Named, Resolution};
use crate::storage::views::duplicates::{DuplicateFileView, DuplicateGroupView};

/// Which file of a group stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The one that a rule chooses.
    Rule(KeepRule),
    /// This one, chosen by hand.
    File(Root, RelPath),
}

/// The name in the group that stays.
pub fn keeper<'a>(group: &'a DuplicateGroupView, keep: &Keep) -> Option<&'a DuplicateFileView> {
    match keep {
        Keep::File(root, path) => group.files.iter().find(|file| file.root == *root && file.path == *path),
        Keep::Rule(rule) => {
            let files = group.files.iter();
            let at = rule.keeper(files.map(|file| Candidate {
                root: file.root,
                path: &file.path,
                modified: file.modified,
            }))?;
            group.files.get(at)
        }
    }
}

/// What becomes of a group; nothing where the files are not equal to the last byte, or none would go.
/// The other names of the file that stays are left alone: they take no room.
pub fn resolution(group: &DuplicateGroupView, keep: &Keep) -> Option<Resolution> {
    if group.kind != GroupKind::Content {
        return None;
    }
    let stays = keeper(group, keep)?;
    let goes = |file: &&DuplicateFileView| file.node != stays.node && !file.conflict;
    let others: Vec<Named> = group.files.iter().filter(goes).map(|file| (file.root, file.path.clone())).collect();
    let keep = (stays.root, stays.path.clone());
    (!others.is_empty()).then_some(Resolution { hash: group.hash, keep, others })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::Blake3;

    use super::*;
    use crate::domain::ids::{DuplicateGroupId, FileId};
    use crate::domain::ticks::Ticks;

    fn group(kind: GroupKind, files: &[(&str, i64, bool)]) -> DuplicateGroupView {
        let member = |(path, node, conflict): &(&str, i64, bool)| DuplicateFileView {
            id: FileId(1),
            root: Root::Local,
            path: RelPath::parse(path).unwrap(),
            size_bytes: 1,
            modified: Ticks(0),
            hash: None,
            node: *node,
            conflict: *conflict,
            link_of: None,
        };
        DuplicateGroupView {
            id: DuplicateGroupId(1),
            kind,
            hash: Blake3::from_bytes([1; 32]),
            size_bytes: 1,
            n_files: 2,
            reclaimable_bytes: 1,
            files: files.iter().map(member).collect(),
        }
    }

    fn others(group: &DuplicateGroupView, keep: &Keep) -> Option<Vec<String>> {
        Some(resolution(group, keep)?.others.into_iter().map(|(_, path)| path.to_string()).collect())
    }

    const RULE: Keep = Keep::Rule(KeepRule::ShortestPath);

    #[test]
    fn every_name_goes_but_those_of_the_file_that_stays() {
        let group = group(
            GroupKind::Content,
            &[("a", 0, false), ("link of a", 0, false), ("b/b", 1, false), ("b/c", 1, false)],
        );
        assert_eq!(others(&group, &RULE).unwrap(), ["b/b", "b/c"]);
        let by_hand = Keep::File(Root::Local, RelPath::parse("b/c").unwrap());
        assert_eq!(others(&group, &by_hand).unwrap(), ["a", "link of a"]);
        let gone = Keep::File(Root::Lake, RelPath::parse("b/c").unwrap());
        assert_eq!(others(&group, &gone), None, "a choice that is not there any more keeps everything");
    }

    #[test]
    fn names_that_collide_and_other_headers_stay() {
        assert_eq!(others(&group(GroupKind::Content, &[("a", 0, false), ("bb", 1, true)]), &RULE), None);
        assert_eq!(others(&group(GroupKind::Weights, &[("a", 0, false), ("bb", 1, false)]), &RULE), None);
    }
}
