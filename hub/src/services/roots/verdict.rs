//! What a look at a root's folder comes to, given whose index is kept.

use shared_protocol::ids::RootId;

use super::adopt;
use super::belonging::Belonging;
use crate::config::Config;
use crate::domain::root::Root;
use crate::fs::RootDir;
use crate::fs::probe::{ProbedRoot, probe};
use crate::fs::volume::VolumeSpace;
use crate::storage::{Connection, StorageError};

/// A folder that can be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// Room on its volume; none where the system does not know.
    pub space: Option<VolumeSpace>,
    /// Whether files can be made in it.
    pub writable: bool,
    /// Its identity, if it was adopted.
    pub id: Option<RootId>,
}

/// Why a folder can't be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRefusal {
    pub why: String,
    /// Whether a person may decide that it is meant.
    pub can_adopt: bool,
}

/// Looks at a folder; `ask` finds what is to be asked before a folder with this mark is taken.
pub(super) fn judge_folder(
    dir: &RootDir,
    belonging: &Belonging,
    ask: impl FnOnce(Option<RootId>) -> Result<Option<String>, StorageError>,
) -> Result<Result<Usable, RootRefusal>, StorageError> {
    let refused = |why, can_adopt| Ok(Err(RootRefusal { why, can_adopt }));
    match probe(dir, belonging.row.as_ref().and_then(adopt::marker_of)) {
        ProbedRoot::Online { space, writable, id } => match ask(id)? {
            Some(question) => refused(question, true),
            None => Ok(Ok(Usable { space, writable, id })),
        },
        ProbedRoot::MarkerDamaged { why } => match adopt::told_of_damage(belonging.row.as_ref(), dir, &why) {
            Some(told) => refused(told, true),
            None => refused(why, false),
        },
        other => {
            refused(reason(&other), matches!(other, ProbedRoot::Swapped { .. } | ProbedRoot::MarkerMissing { .. }))
        }
    }
}

/// Looks at the folder of a root as a hub would; without a database, as one that knows nothing yet. Nothing is changed.
pub fn examine(
    connection: Option<&Connection>,
    config: &Config,
    root: Root,
    dir: &RootDir,
) -> Result<Result<Usable, RootRefusal>, StorageError> {
    let belonging = connection.map(|connection| Belonging::find(connection, root, Some(dir))).transpose()?;
    let belonging = belonging.unwrap_or_default();
    judge_folder(dir, &belonging, |found| {
        connection.map_or(Ok(None), |connection| belonging.question(connection, root, found, config))
    })
}

/// Why a folder is not the one that is meant, or not there.
pub(super) fn reason(found: &ProbedRoot) -> String {
    match found {
        ProbedRoot::Online { .. } => String::new(),
        ProbedRoot::Offline { why } | ProbedRoot::MarkerDamaged { why } => why.clone(),
        ProbedRoot::Swapped { .. } => {
            "another models folder is in its place: is the right disk mounted? To use this folder instead, adopt it"
                .to_owned()
        }
        ProbedRoot::MarkerMissing { .. } => {
            "the folder is there without the mark of the indexed one: is its disk mounted? To use it anyway, with an index \
             that is begun anew, adopt it"
                .to_owned()
        }
    }
}
