//! What lists of files say of the models among them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use shared_protocol::RelPath;

use crate::domain::ids::ModelId;
use crate::domain::root::Root;
use crate::storage::StorageError;
use crate::storage::views::entry::FileView;
use crate::storage::views::picked;

/// A model in a list of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBrief {
    pub id: ModelId,
    pub kind: Option<String>,
    pub base: Option<String>,
    /// Its picture, or the file whose header holds it.
    pub picture: Option<FileView>,
}

/// The models of these files by `root/path`.
///
/// # Errors
/// The database failed.
pub fn of_files<'a>(
    connection: &Connection,
    files: impl Iterator<Item = (Root, &'a RelPath)>,
) -> Result<BTreeMap<String, ModelBrief>, StorageError> {
    let sql = "SELECT m.id, m.kind, m.base, m.has_thumbnail FROM files f JOIN models m ON m.id = f.model_id
               WHERE f.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = BTreeMap::new();
    for (root, path) in files {
        let Some(file) = picked::files_at(connection, root, std::iter::once(path))?.pop() else { continue };
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get("id")?, row.get("kind")?, row.get("base")?, row.get::<_, bool>("has_thumbnail")?))
        };
        let Some((id, kind, base, has_thumbnail)) = statement.query_row([file.id], read).optional()? else { continue };
        let beside = picked::picture_beside(connection, root, path)?;
        let picture = beside.or_else(|| (has_thumbnail && !file.placeholder).then_some(file));
        found.insert(format!("{}/{path}", root.as_str()), ModelBrief { id, kind, base, picture });
    }
    Ok(found)
}
