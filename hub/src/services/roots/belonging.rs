//! Whose index is shown: an index belongs to a folder, known by its marker or the path at which it was last seen,
//! never to whatever path is configured now. A mistyped path shows nothing, and loses nothing.

use shared_protocol::ids::RootId;

use super::adopt;
use crate::config::{Config, DEMO_FOLDER};
use crate::domain::root::Root;
use crate::fs::RootDir;
use crate::storage::roots::{self as rows, RootRow};
use crate::storage::{Connection, Database, StorageError};

/// The folder that was last seen at the configured path.
#[derive(Debug, Default)]
pub(super) struct Belonging {
    /// Its row; none if the path was never used.
    pub(super) row: Option<RootRow>,
    /// The folder whose index is kept meanwhile, if that is another one.
    pub(super) kept: Option<RootRow>,
}

impl Belonging {
    /// Finds the folder last seen at the configured path.
    pub(super) fn find(connection: &Connection, root: Root, dir: Option<&RootDir>) -> Result<Self, StorageError> {
        let path = dir.map(RootDir::display);
        let row = path.as_deref().map(|path| rows::at_path(connection, root, path)).transpose()?.flatten();
        let kept = rows::indexed(connection, root)?.filter(|kept| row.as_ref().is_none_or(|row| row.id != kept.id));
        Ok(Self { row, kept })
    }

    /// What the index shows while the root can't be worked on, for people; none if nothing was ever indexed.
    pub(super) fn note(&self, can_adopt: bool) -> Option<String> {
        match (&self.row, &self.kept) {
            (Some(_), _) if can_adopt => Some("Its last index is shown.".to_owned()),
            (Some(_), _) => Some("Its last index is shown, and it comes back by itself.".to_owned()),
            (None, Some(kept)) => {
                Some(format!("Nothing is shown: the index of {} is kept and comes back with that folder.", kept.path))
            }
            (None, None) => None,
        }
    }

    /// What a person is asked before a folder takes the place of the one whose index is kept. None if there is
    /// nothing to ask: the path was used before, its folder is known by its marker, or one of both is the demo's.
    pub(super) fn question(
        &self,
        connection: &Connection,
        root: Root,
        found: Option<RootId>,
        config: &Config,
    ) -> Result<Option<String>, StorageError> {
        let (None, Some(kept)) = (&self.row, &self.kept) else { return Ok(None) };
        let dir = config.roots.get(root).dir.as_ref().map(RootDir::display).unwrap_or_default();
        if is_of_demo(config, &dir) || is_of_demo(config, &kept.path) {
            return Ok(None);
        }
        if let Some(id) = found {
            let identity = adopt::identity_of(id);
            if rows::of_identity(connection, root, &identity)?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "this folder was not used as {} before, and its index would begin empty. If the path is mistyped, put it \
             right in the settings; if it is meant, take this folder",
            root.label()
        )))
    }
}

/// Finds the folder last seen at the configured path, and shows its index or none. It is done before the disk is
/// asked, which may take its time.
pub(super) fn show(database: &Database, root: Root, dir: Option<&RootDir>) -> Result<Belonging, StorageError> {
    let (belonging, shown) = database
        .read_blocking(|connection| Ok((Belonging::find(connection, root, dir)?, rows::active(connection, root)?)))?;
    let belongs = belonging.row.as_ref().map(|row| row.id);
    if shown.map(|shown| shown.id) != belongs {
        database.write_blocking(|tx| rows::show(tx, root, belongs))?;
    }
    Ok(belonging)
}

/// What is hidden is no duplicate of anything.
pub(super) fn drop_hidden_duplicates(database: &Database, root: Root) -> Result<(), StorageError> {
    if database.read_blocking(|connection| rows::has_hidden_duplicates(connection, root))? {
        database.write_blocking(|tx| rows::drop_hidden_duplicates(tx, root))?;
    }
    Ok(())
}

fn is_of_demo(config: &Config, path: &str) -> bool {
    std::path::Path::new(path).starts_with(config.app_data_dir.join(DEMO_FOLDER))
}
