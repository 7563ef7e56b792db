//! How the folders are spelled that files are to go to, and what is in the way of making them.

use std::collections::HashMap;

use rusqlite::Connection;
use shared_protocol::RelPath;
use shared_protocol::rel_path::RelPathError;

use super::folders::folder_like;
use super::single::files_at_key;
use crate::domain::ids::RootRowId;
use crate::storage::StorageError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InTheWay {
    /// A file has the name of a folder.
    File(RelPath),
    /// A name that differs only in case or in the form of its letters.
    Nearly(RelPath),
    /// The name is none.
    Name(RelPathError),
}

/// How a folder is spelled, `None` being the root's own; or what is in the way.
pub type SpelledName = Result<Option<RelPath>, InTheWay>;

/// The folders of a destination, as they will be when all that was asked for has been made.
pub struct DestinationFolders<'a> {
    connection: &'a Connection,
    root: RootRowId,
    /// A folder that is spelled otherwise is another one.
    exact: bool,
    /// Folders that were looked at.
    known: HashMap<Option<RelPath>, SpelledName>,
    /// Folders that will be made, by key.
    made: HashMap<String, RelPath>,
}

impl<'a> DestinationFolders<'a> {
    /// Of this root. If `exact`, a folder of nearly the name is in the way, else it is the folder.
    pub fn new(connection: &'a Connection, root: RootRowId, exact: bool) -> Self {
        Self { connection, root, exact, known: HashMap::new(), made: HashMap::new() }
    }

    /// How a folder is spelled there, or why nothing can go into it.
    pub fn spelled(&mut self, folder: Option<RelPath>) -> Result<SpelledName, StorageError> {
        if let Some(known) = self.known.get(&folder) {
            return Ok(known.clone());
        }
        let found = self.look_up(folder.as_ref())?;
        self.known.insert(folder, found.clone());
        Ok(found)
    }

    fn look_up(&mut self, folder: Option<&RelPath>) -> Result<SpelledName, StorageError> {
        let mut reached: Option<RelPath> = None;
        for part in folder.into_iter().flat_map(RelPath::parts) {
            let wanted = match RelPath::in_folder(reached.as_ref(), part) {
                Ok(wanted) => wanted,
                Err(error) => return Ok(Err(InTheWay::Name(error))),
            };
            if !files_at_key(self.connection, self.root, &wanted.match_key())?.is_empty() {
                return Ok(Err(InTheWay::File(wanted)));
            }
            let there = folder_like(self.connection, self.root, &wanted)?
                .or_else(|| self.made.get(&wanted.match_key()).cloned());
            reached = Some(match there {
                Some(there) if there != wanted && self.exact => return Ok(Err(InTheWay::Nearly(there))),
                Some(there) => there,
                None => {
                    self.made.insert(wanted.match_key(), wanted.clone());
                    wanted
                }
            });
        }
        Ok(Ok(reached))
    }
}
