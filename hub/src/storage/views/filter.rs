//! Which rows are meant, as conditions of a statement.

use shared_protocol::RelPath;

use super::search;
use super::statement::{Statement, text};
use crate::domain::diff::DiffStatus;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::storage::folder_range;

/// Which files are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileFilter {
    pub root: Root,
    /// In this folder or below it: the one that is spelled so, or if there is none, all of this key.
    pub folder: Option<RelPath>,
    /// Words that the path has, each somewhere, in any case.
    pub search: Option<String>,
    pub kind: Option<FileKind>,
}

/// Which rows of the comparison are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairFilter {
    /// With `path` in this folder or below it.
    pub folder: Option<RelPath>,
    pub status: Option<DiffStatus>,
    /// Words that `path` has, each somewhere, in any case.
    pub search: Option<String>,
}

impl FileFilter {
    /// All files of a root.
    pub const fn whole(root: Root) -> Self {
        Self { root, folder: None, search: None, kind: None }
    }

    /// Whether the totals of the folder are those of the filter.
    pub(super) fn is_a_folder(&self) -> bool {
        self.kind.is_none() && search::words(self.search.as_deref()).is_empty()
    }

    /// Adds what is asked of a row beside the range of its folder.
    pub(super) fn add_conditions(&self, statement: &mut Statement) {
        if let Some(folder) = &self.folder {
            // The key of another folder may be the same: of several the one that is spelled so is meant.
            statement.add(
                "AND (f.path >= ? || '/' AND f.path < ? || '0' OR NOT EXISTS
                      (SELECT 1 FROM folders d WHERE d.root_id = f.root_id AND d.path = ?))",
                [folder.as_str(), folder.as_str(), folder.as_str()].map(text),
            );
        }
        for word in search::words(self.search.as_deref()) {
            statement.add("AND instr(f.match_key, ?) > 0", [text(word)]);
        }
        if let Some(kind) = self.kind {
            statement.add("AND f.kind = ?", [kind.code().into()]);
        }
    }

    /// The range of keys that the folder stands for.
    pub(super) fn range(&self) -> (String, String) {
        folder_range(&self.folder.as_ref().map(RelPath::match_key).unwrap_or_default())
    }
}

impl PairFilter {
    /// The range of keys that the folder stands for.
    pub(super) fn range(&self) -> (String, String) {
        folder_range(&self.folder.as_ref().map(RelPath::match_key).unwrap_or_default())
    }

    /// Adds the `WHERE` for all that is meant.
    pub(super) fn add_where(&self, statement: &mut Statement) {
        let (from, to) = self.range();
        statement.add("WHERE p.match_key >= ? AND p.match_key < ?", [text(from), text(to)]);
        self.add_conditions(statement);
    }

    /// Adds what is asked of a row beside its folder.
    pub(super) fn add_conditions(&self, statement: &mut Statement) {
        if let Some(status) = self.status {
            statement.add("AND p.status = ?", [status.code().into()]);
        }
        for word in search::words(self.search.as_deref()) {
            statement.add("AND instr(p.match_key, ?) > 0", [text(word)]);
        }
    }
}
