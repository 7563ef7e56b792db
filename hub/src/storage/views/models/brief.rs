//! What lists of files say of the models among them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use shared_protocol::{Blake3, RelPath};

use crate::domain::ids::ModelId;
use crate::domain::root::Root;
use crate::storage::views::entry::FileView;
use crate::storage::views::picked;
use crate::storage::{StorageError, digest_column};

/// A model in a list of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBrief {
    pub id: ModelId,
    /// Its content, once that is known.
    pub hash: Option<Blake3>,
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
    let sql = "SELECT m.id, m.blake3, m.kind, m.base, m.has_thumbnail FROM files f JOIN models m ON m.id = f.model_id
               WHERE f.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = BTreeMap::new();
    for (root, path) in files {
        let Some(file) = picked::files_at(connection, root, std::iter::once(path))?.pop() else { continue };
        let read = |row: &rusqlite::Row<'_>| {
            let hash = digest_column(row, "blake3")?;
            Ok((row.get("id")?, hash, row.get("kind")?, row.get("base")?, row.get::<_, bool>("has_thumbnail")?))
        };
        let Some((id, hash, kind, base, has_thumbnail)) = statement.query_row([file.id], read).optional()? else {
            continue;
        };
        let beside = picked::picture_beside(connection, root, path)?;
        let picture = beside.or_else(|| (has_thumbnail && !file.placeholder).then_some(file));
        found.insert(format!("{}/{path}", root.as_str()), ModelBrief { id, hash, kind, base, picture });
    }
    Ok(found)
}
