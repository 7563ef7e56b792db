//! What a look at a root's folder comes to, given whose index is kept.

use shared_protocol::ids::RootId;

use super::adopt;
use super::belonging::Belonging;
use crate::config::Config;
use crate::domain::root::Root;
use crate::fs::RootDir;
use crate::fs::probe::{RootStatus as Found, probe};
use crate::fs::volume::Space;
use crate::storage::{Connection, StorageError};

/// A folder that can be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// Room on its volume; none where the system does not know.
    pub space: Option<Space>,
    /// Whether files can be made in it.
    pub writable: bool,
    /// Its identity, if it was adopted.
    pub id: Option<RootId>,
}

/// Why a folder can't be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For people.
    pub why: String,
    /// Whether a person may decide that it is meant.
    pub can_adopt: bool,
}

/// Looks at a folder; `ask` finds what is to be asked before a folder with this mark is taken.
pub(super) fn judge(
    dir: &RootDir,
    belonging: &Belonging,
    ask: impl FnOnce(Option<RootId>) -> Result<Option<String>, StorageError>,
) -> Result<Result<Usable, Refusal>, StorageError> {
    let refused = |why, can_adopt| Ok(Err(Refusal { why, can_adopt }));
    match probe(dir, belonging.row.as_ref().and_then(adopt::marker_of)) {
        Found::Online { space, writable, id } => match ask(id)? {
            Some(question) => refused(question, true),
            None => Ok(Ok(Usable { space, writable, id })),
        },
        Found::MarkerDamaged { why } => match adopt::told_of_damage(belonging.row.as_ref(), dir, &why) {
            Some(told) => refused(told, true),
            None => refused(why, false),
        },
        other => refused(reason(&other), matches!(other, Found::Swapped { .. } | Found::MarkerMissing { .. })),
    }
}

/// Looks at the folder of a root as a hub would; without a database, as one that knows nothing yet. Nothing is changed.
pub fn examine(
    connection: Option<&Connection>,
    config: &Config,
    root: Root,
    dir: &RootDir,
) -> Result<Result<Usable, Refusal>, StorageError> {
    let belonging = connection.map(|connection| Belonging::find(connection, root, Some(dir))).transpose()?;
    let belonging = belonging.unwrap_or_default();
    judge(dir, &belonging, |found| {
        connection.map_or(Ok(None), |connection| belonging.question(connection, root, found, config))
    })
}

/// Why a folder is not the one that is meant, or not there.
pub(super) fn reason(found: &Found) -> String {
    match found {
        Found::Online { .. } => String::new(),
        Found::Offline { why } | Found::MarkerDamaged { why } => why.clone(),
        Found::Swapped { .. } => {
            "another models folder is in its place: is the right disk mounted? To use this folder instead, adopt it"
                .to_owned()
        }
        Found::MarkerMissing { .. } => {
            "the folder is there without the mark of the indexed one: is its disk mounted? To use it anyway, with an index \
             that is begun anew, adopt it"
                .to_owned()
        }
    }
}
