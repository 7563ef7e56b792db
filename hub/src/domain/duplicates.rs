//! Duplicates: which files hold the same, and which of them stays.
//!
//! [`Search`] asks for as little reading as it can: names of one file are one, a size that occurs
//! once is unique, and of the rest only those are read whole whose first and last bytes agree with
//! another's. [`KeepRule`] chooses the file of a group that stays, and never leaves a group without.

mod search;
mod tensor_table;

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

pub use search::{ENDS_BYTES, FoundName, Node, Search, WHOLE_BYTES};
pub use tensor_table::tensor_table;

use super::root::Root;
use super::ticks::Ticks;

/// What the files of a group have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::FromRepr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
#[repr(i64)]
pub enum GroupKind {
    /// Every byte: one is as good as the other.
    #[default]
    Content = 0,
    /// Every tensor; what their makers wrote into the headers differs.
    Weights = 1,
}

impl GroupKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 2] = [Self::Content, Self::Weights];
}

/// Where to search, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SearchScope {
    /// In these roots, also across them.
    pub roots: Vec<Root>,
    /// Smaller files are left alone.
    pub min_size: u64,
}

/// What a search found, beside the groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SearchReport {
    /// What it does at the moment.
    pub stage: Option<Stage>,
    /// Names whose size occurs more than once.
    pub n_candidates: u64,
    /// Groups of equal files that it found.
    pub n_groups: u64,
    /// What one copy of each instead of all would free.
    pub reclaimable_bytes: u64,
}

/// What a search does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looks whether files are as the index has them, and which are hard links.
    Look,
    /// Compares first and last bytes.
    Ends,
    /// Reads what is still alike as a whole.
    Contents,
    /// Compares models by their tensors alone.
    Weights,
}

/// Which file of a group stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum KeepRule {
    /// The one with the shortest path.
    #[default]
    ShortestPath,
    /// The one modified last.
    Newest,
    /// One on Local, if there is one.
    Local,
    /// One on the Lake, if there is one.
    Lake,
}

impl KeepRule {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::ShortestPath, Self::Newest, Self::Local, Self::Lake];

    /// The one of these files that stays; none only if there are none. It does not depend on the
    /// order of the files.
    pub fn keeper<'a>(self, files: impl IntoIterator<Item = Candidate<'a>>) -> Option<usize> {
        let wanted = match self {
            Self::Local => Some(Root::Local),
            Self::Lake => Some(Root::Lake),
            Self::ShortestPath | Self::Newest => None,
        };
        let rank = |file: &Candidate<'a>| {
            let age = if self == Self::Newest { -i128::from(file.modified.0) } else { 0 };
            let elsewhere = wanted.is_some_and(|root| root != file.root);
            (elsewhere, age, file.path.as_str().chars().count(), file.root, file.path.clone())
        };
        files.into_iter().enumerate().min_by_key(|(_, file)| rank(file)).map(|(at, _)| at)
    }
}

/// A file of a group, as far as the choice goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub root: Root,
    /// Its path there.
    pub path: &'a RelPath,
    /// When it was modified last.
    pub modified: Ticks,
}

/// What is done with the copies that don't stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
#[schema(as = DuplicateAction)]
pub enum DuplicateAction {
    /// Their names go.
    Delete,
    /// Their names lead to the file that stays.
    Hardlink,
    /// They stay files of their own that share their bytes on the disk with the one that stays.
    Reflink,
}

impl DuplicateAction {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Delete, Self::Hardlink, Self::Reflink];

    /// Whether the copy may lie on the other root: links and shared bytes need one volume.
    pub const fn works_across(self) -> bool {
        matches!(self, Self::Delete)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn keeper(rule: KeepRule, files: &[(Root, RelPath, i64)]) -> Option<usize> {
        rule.keeper(files.iter().map(|(root, path, time)| Candidate { root: *root, path, modified: Ticks(*time) }))
    }

    #[test]
    fn each_rule_keeps_what_it_says() {
        let files = [
            (Root::Lake, path("a/long/way/x"), 30),
            (Root::Local, path("loras/x"), 10),
            (Root::Lake, path("x"), 20),
            (Root::Local, path("old/loras/x"), 40),
        ];
        for (rule, kept) in
            [(KeepRule::ShortestPath, 2), (KeepRule::Newest, 3), (KeepRule::Local, 1), (KeepRule::Lake, 2)]
        {
            assert_eq!(keeper(rule, &files), Some(kept), "{rule:?}");
        }
        assert_eq!(keeper(KeepRule::Local, &files[2..3]), Some(0), "with none on Local another stays");
        assert_eq!(keeper(KeepRule::Newest, &[]), None);
    }

    proptest! {
        #[test]
        fn a_group_always_keeps_one_and_the_same(
            mut files in proptest::collection::vec((any::<bool>(), "[a-c]{1,3}(/[a-c]{1,3}){0,2}", 0_i64..4), 1..8),
            rule in proptest::sample::select(KeepRule::ALL.to_vec()),
        ) {
            let group = |files: &[(bool, String, i64)]| -> Vec<_> {
                files.iter().map(|(lake, p, t)| (if *lake { Root::Lake } else { Root::Local }, path(p), *t)).collect()
            };
            files.sort();
            files.dedup_by_key(|file| (file.0, file.1.clone()));
            let first = group(&files);
            files.reverse();
            let second = group(&files);
            let (a, b) = (keeper(rule, &first).unwrap(), keeper(rule, &second).unwrap());
            prop_assert_eq!(&first[a], &second[b]);
        }
    }
}
