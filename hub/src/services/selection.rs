//! What is ticked in a list, kept here and not in the page: it survives paging, searching and a
//! reload, and "all 12,345 that match" needs no list in the browser.
//!
//! A selection is either a set of paths or a filter with exceptions. It is turned into files when
//! someone acts on it, from the index as it then is; the confirmation carries a fingerprint of what
//! was shown, so that nothing else is ever acted on.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::storage::Connection;
use parking_lot::Mutex;
use shared_protocol::RelPath;

use crate::domain::root::Root;
use crate::storage::StorageError;
use crate::storage::views::diff::{self, PairFilter};
use crate::storage::views::duplicates::{self, DuplicateGroupView, GroupFilter};
use crate::storage::views::files::{self, Chosen, FileFilter};
use crate::storage::views::{FileView, picked};

/// Selections kept; the one unused for longest goes.
const KEPT: usize = 64;

/// Single paths in one selection. More than this is what filters are for.
const MOST_PATHS: usize = 100_000;

/// Rows that a list can be filtered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    Files(FileFilter),
    Pairs(PairFilter),
    /// Of the groups of duplicates; a row's name is its digest in hexadecimal digits.
    Groups(GroupFilter),
}

impl Filter {
    /// Whether both are of one list, so that ticks in one mean something in the other.
    fn same_list(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files(a), Self::Files(b)) => a.root == b.root,
            (Self::Pairs(a), Self::Pairs(b)) => a.status == b.status,
            (Self::Groups(a), Self::Groups(b)) => a == b,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// These rows.
    Paths(BTreeSet<RelPath>),
    /// Everything that the filter means, but these rows.
    AllBut(BTreeSet<RelPath>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The list it belongs to; for [`Picked::AllBut`] also what is selected.
    pub filter: Filter,
    pub picked: Picked,
}

impl Selection {
    /// Nothing ticked in this list.
    pub const fn none(filter: Filter) -> Self {
        Self { filter, picked: Picked::Paths(BTreeSet::new()) }
    }

    /// Everything that the filter means.
    pub const fn all(filter: Filter) -> Self {
        Self { filter, picked: Picked::AllBut(BTreeSet::new()) }
    }

    /// Whether no single row is ticked.
    pub fn is_empty(&self) -> bool {
        matches!(&self.picked, Picked::Paths(paths) if paths.is_empty())
    }

    /// Whether a row is ticked, given that the filter means it.
    pub fn contains(&self, path: &RelPath) -> bool {
        match &self.picked {
            Picked::Paths(paths) => paths.contains(path),
            Picked::AllBut(except) => !except.contains(path),
        }
    }

    /// Ticks rows or takes ticks away; `false` if there would be too many.
    pub fn set(&mut self, paths: Vec<RelPath>, on: bool) -> bool {
        let (set, add) = match &mut self.picked {
            Picked::Paths(set) => (set, on),
            Picked::AllBut(except) => (except, !on),
        };
        if add {
            if set.len() + paths.len() > MOST_PATHS {
                return false;
            }
            set.extend(paths);
        } else {
            for path in &paths {
                set.remove(path);
            }
        }
        true
    }

    /// The groups of duplicates that are selected.
    pub fn groups(&self, connection: &Connection) -> Result<Vec<DuplicateGroupView>, StorageError> {
        let Filter::Groups(filter) = self.filter else { return Ok(Vec::new()) };
        match &self.picked {
            Picked::AllBut(except) => {
                let mut groups = duplicates::all(connection, filter)?;
                groups.retain(|group| !except.iter().any(|name| name.as_str() == group.hash.to_hex()));
                Ok(groups)
            }
            Picked::Paths(names) => {
                let digests = names.iter().filter_map(|name| format!("blake3:{name}").parse().ok());
                let found = digests.map(|digest| duplicates::show(connection, filter, &digest));
                Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
        }
    }

    /// The files that are selected on one side.
    pub fn files(&self, connection: &Connection, side: Root) -> Result<Vec<Chosen>, StorageError> {
        match (&self.filter, &self.picked) {
            (Filter::Groups(_), _) => Ok(Vec::new()),
            (Filter::Files(filter), Picked::Paths(paths)) => {
                Ok(chosen(picked::files_at(connection, filter.root, paths.iter())?))
            }
            (Filter::Files(filter), Picked::AllBut(except)) => {
                let mut files = files::chosen(connection, filter)?;
                files.retain(|file| !except.contains(&file.path));
                Ok(files)
            }
            (Filter::Pairs(_), Picked::Paths(paths)) => {
                Ok(chosen(picked::files_in_pairs(connection, side, paths.iter())?))
            }
            (Filter::Pairs(filter), Picked::AllBut(except)) => {
                let but = chosen(picked::files_in_pairs(connection, side, except.iter())?);
                let but: BTreeSet<RelPath> = but.into_iter().map(|file| file.path).collect();
                let mut files = diff::chosen(connection, filter, side)?;
                files.retain(|file| !but.contains(&file.path));
                Ok(files)
            }
        }
    }
}

fn chosen(files: Vec<FileView>) -> Vec<Chosen> {
    files.into_iter().map(|file| Chosen { path: file.path, size_bytes: file.size_bytes }).collect()
}

/// All selections of this run; clones share them.
#[derive(Clone, Default)]
pub struct Selections {
    kept: Arc<Mutex<VecDeque<(String, Selection)>>>,
}

impl Selections {
    /// The selection of this id, if it is still kept and belongs to this list.
    ///
    /// Single ticks stay when the list is narrowed or widened. "All that match" is about what was
    /// matched: with another filter it is over.
    pub fn show(&self, id: &str, list: &Filter) -> Option<Selection> {
        let kept = self.find(id)?;
        match kept.picked {
            Picked::Paths(_) if kept.filter.same_list(list) => Some(Selection { filter: list.clone(), ..kept }),
            Picked::AllBut(_) if kept.filter == *list => Some(kept),
            _ => None,
        }
    }

    /// The selection of this id, if it is still kept.
    pub fn find(&self, id: &str) -> Option<Selection> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|(name, _)| name == id)?;
        let found = kept.remove(at)?;
        let selection = found.1.clone();
        kept.push_back(found);
        Some(selection)
    }

    /// Keeps a selection under its id.
    pub fn keep(&self, id: &str, selection: Selection) {
        let mut kept = self.kept.lock();
        kept.retain(|(name, _)| name != id);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((id.to_owned(), selection));
    }

    /// Forgets a selection.
    pub fn forget(&self, id: &str) {
        self.kept.lock().retain(|(name, _)| name != id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::diff::DiffStatus;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn local() -> Filter {
        Filter::Files(FileFilter::whole(Root::Local))
    }

    #[test]
    fn ticks_are_a_set_and_everything_has_exceptions() {
        let mut some = Selection::none(local());
        some.set(vec![path("a"), path("b")], true);
        some.set(vec![path("a")], false);
        assert!(!some.contains(&path("a")) && some.contains(&path("b")));
        let mut all = Selection::all(local());
        all.set(vec![path("a")], false);
        assert!(!all.contains(&path("a")) && all.contains(&path("b")));
        all.set(vec![path("a")], true);
        assert!(all.contains(&path("a")));
    }

    #[test]
    fn a_selection_does_not_leak_into_another_list() {
        let selections = Selections::default();
        selections.keep("s", Selection::all(local()));
        let lake = Filter::Files(FileFilter::whole(Root::Lake));
        let pairs = |status| Filter::Pairs(PairFilter { status: Some(status), ..PairFilter::default() });
        assert!(selections.show("s", &local()).is_some());
        assert!(selections.show("s", &lake).is_none());
        assert!(selections.show("s", &pairs(DiffStatus::LocalOnly)).is_none());
        selections.keep("t", Selection::all(pairs(DiffStatus::LocalOnly)));
        assert!(selections.show("t", &pairs(DiffStatus::LakeOnly)).is_none());
    }

    #[test]
    fn ticks_outlive_a_search_and_all_that_match_does_not() {
        let selections = Selections::default();
        let narrow = Filter::Files(FileFilter { search: Some("x".into()), ..FileFilter::whole(Root::Local) });
        let mut some = Selection::none(local());
        some.set(vec![path("a")], true);
        selections.keep("some", some);
        let shown = selections.show("some", &narrow).unwrap();
        assert!(shown.contains(&path("a")) && shown.filter == narrow);
        selections.keep("all", Selection::all(narrow.clone()));
        assert!(selections.show("all", &narrow).is_some());
        assert!(selections.show("all", &local()).is_none(), "files that nobody selected would be ticked");
    }

    #[test]
    fn the_number_of_selections_is_bounded_and_used_ones_stay() {
        let selections = Selections::default();
        for n in 0..KEPT {
            selections.keep(&n.to_string(), Selection::none(local()));
        }
        assert!(selections.find("0").is_some());
        selections.keep("new", Selection::none(local()));
        assert!(selections.find("0").is_some());
        assert!(selections.find("1").is_none());
        selections.forget("0");
        assert!(selections.find("0").is_none());
    }

    #[test]
    fn too_many_single_ticks_are_refused() {
        let mut some = Selection::none(local());
        let many: Vec<_> = (0..=MOST_PATHS).map(|n| path(&n.to_string())).collect();
        assert!(!some.set(many, true));
        assert!(!some.contains(&path("0")));
    }
}
