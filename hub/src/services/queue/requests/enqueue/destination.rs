//! What the index knows of the places that files are to go to.
//!
//! Where both sides tell `A` from `a`, a copy beside a name that differs only in that would be two files
//! of which no other disk could hold both: it is refused before it is made.

use std::collections::HashSet;

use shared_protocol::RelPath;

use super::super::exclusions;
use super::content;
use crate::domain::diff::{DiffStatus, compare};
use crate::domain::ids::RootRowId;
use crate::services::roots::LiveRoot;
use crate::storage::index::destination::{DestinationFolders, InTheWay};
use crate::storage::index::{self, FileRow};
use crate::storage::{Connection, StorageError};

/// What stands where a file is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SeenPlace {
    /// Nothing; the path is as the destination spells it.
    Free(RelPath),
    /// A file of the same content.
    Same(FileRow),
    /// Another file.
    Other(FileRow),
    /// A name that differs only in case or in the form of its letters.
    Nearly(RelPath),
    /// It can't go there at all, and why.
    Barred(String),
}

/// How a folder is spelled at the destination, or why nothing can go into it.
type SpelledDestination = Result<Option<RelPath>, String>;

/// The other root, as it will be when all that was planned so far has been done.
pub(super) struct Destination<'a> {
    connection: &'a Connection,
    pub(super) live: &'a LiveRoot,
    /// Both sides tell `A` from `a`.
    exact: bool,
    /// Where the hub's data folder lies in it.
    data_folder: Option<String>,
    folders: DestinationFolders<'a>,
    /// Places of files that are to be kept beside others, by key.
    claimed: HashSet<String>,
}

impl<'a> Destination<'a> {
    pub(super) fn new(connection: &'a Connection, from: &LiveRoot, live: &'a LiveRoot) -> Self {
        let exact = from.case_sensitive && live.case_sensitive;
        Self {
            connection,
            live,
            exact,
            data_folder: live.dir.own_below(),
            folders: DestinationFolders::new(connection, live.row, exact),
            claimed: HashSet::new(),
        }
    }

    /// What stands where this file is to go.
    pub(super) fn look(
        &mut self,
        file: &FileRow,
        open: &HashSet<(RootRowId, String)>,
    ) -> Result<SeenPlace, StorageError> {
        let key = file.path.match_key();
        if let Some(found) = exclusions::in_data_folder(&file.path, self.data_folder.as_deref()) {
            return Ok(SeenPlace::Barred(format!("on {}, {found}", self.live.root.label())));
        }
        if open.contains(&(self.live.row, key.clone())) {
            return Ok(SeenPlace::Barred("another transfer to the same place has not ended yet".to_owned()));
        }
        let there = index::files_at_key(self.connection, self.live.row, &key)?;
        if there.len() > 1 {
            return Ok(SeenPlace::Barred("the destination has several names here that differ only in case".to_owned()));
        }
        let folder = match self.folder(file.path.parent())? {
            Ok(folder) => folder,
            Err(why) => return Ok(SeenPlace::Barred(why)),
        };
        if let Some(twin) = there.into_iter().next() {
            if self.exact && twin.path != file.path {
                return Ok(SeenPlace::Nearly(twin.path));
            }
            let is_same = compare(&content(file), &content(&twin)) == DiffStatus::Same;
            return Ok(if is_same { SeenPlace::Same(twin) } else { SeenPlace::Other(twin) });
        }
        if self.claimed.contains(&key) {
            return Ok(SeenPlace::Nearly(file.path.clone()));
        }
        Ok(match RelPath::in_folder(folder.as_ref(), file.path.name()) {
            Ok(path) => SeenPlace::Free(path),
            Err(error) => SeenPlace::Barred(error.to_string()),
        })
    }

    /// Whether a path is free in the index and among what was planned.
    pub(super) fn is_free(&self, path: &RelPath, open: &HashSet<(RootRowId, String)>) -> Result<bool, StorageError> {
        let key = path.match_key();
        Ok(!self.claimed.contains(&key)
            && !open.contains(&(self.live.row, key.clone()))
            && index::files_at_key(self.connection, self.live.row, &key)?.is_empty())
    }

    /// Keeps a place for a file that was planned.
    pub(super) fn claim(&mut self, path: &RelPath) {
        self.claimed.insert(path.match_key());
    }

    /// How a folder is spelled there, or why nothing can go into it.
    pub(super) fn folder(&mut self, folder: Option<RelPath>) -> Result<SpelledDestination, StorageError> {
        Ok(self.folders.spelled(folder)?.map_err(|why| match why {
            InTheWay::File(file) => format!("the destination has a file called {file}, where a folder has to be"),
            InTheWay::Nearly(there) => nearly(&there),
            InTheWay::Name(error) => error.to_string(),
        }))
    }
}

/// Why a file does not go beside a name that differs only in case.
pub(in crate::services::queue::requests) fn nearly(there: &RelPath) -> String {
    format!(
        "the destination has or gets {there}, which differs only in upper and lower case or in how accents are \
         written: rename one of the two first"
    )
}
