//! Everything that is known of one model.

use std::collections::{BTreeMap, HashSet};

use model_header::sidecar::SidecarFacts;
use model_header::{Description, TensorSum};
use rusqlite::Connection;
use shared_protocol::AgentId;

use super::{COLUMNS, CopyView, ModelView, copies, read};
use crate::domain::ids::ModelId;
use crate::storage::columns::Json;
use crate::storage::models::facts_of;
use crate::storage::views::detail;
use crate::storage::views::entry::FileView;
use crate::storage::{StorageError, agents, first, one, roots};

/// A model with what its header says and what lies beside its copies.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDetail {
    pub model: ModelView,
    /// None until its header was read.
    pub description: Option<Description>,
    /// Why its header could not be read.
    pub unread_because: Option<String>,
    /// Files that belong to its copies.
    pub sidecars: Vec<FileView>,
    /// What those say of it.
    pub said: Vec<SidecarFacts>,
    /// What people wrote about it.
    pub notes: String,
    /// Machines outside that have it, as far as they were asked or sent it.
    pub agents: Vec<AgentId>,
}

impl ModelDetail {
    /// What the maker wrote, by name.
    pub fn metadata(&self) -> BTreeMap<&str, &str> {
        self.description.as_ref().map(metadata_of).unwrap_or_default()
    }

    /// The tensors summed up, the largest first.
    pub fn tensors(&self) -> &[TensorSum] {
        self.description.as_ref().map_or(&[], |description| &description.tensors)
    }
}

/// What the maker of a model wrote, by name.
pub fn metadata_of(description: &Description) -> BTreeMap<&str, &str> {
    description.metadata.iter().map(|entry| (entry.key.as_str(), entry.value.trim())).collect()
}

/// One model.
///
/// # Errors
/// The database failed.
pub fn show(connection: &Connection, id: ModelId) -> Result<Option<ModelDetail>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM models m WHERE m.id = ?1");
    let Some(mut model) = first(connection, &sql, [id], read)? else { return Ok(None) };
    model.note_copies(copies(connection, id)?);
    let sql = "SELECT description FROM model_descriptions WHERE model_id = ?1";
    let description: Option<Json<Description>> = first(connection, sql, [id], |row| row.get(0))?;
    let sql = "SELECT notes FROM models WHERE id = ?1";
    let notes = one(connection, sql, [id], |row| row.get(0))?;
    let agents = match &model.hash {
        Some(content) => agents::with_content(connection, content)?,
        None => Vec::new(),
    };
    let sql = "SELECT damage_detail FROM models WHERE id = ?1 AND state = 'unread'";
    let unread_because = first(connection, sql, [id], |row| row.get(0))?.flatten();
    let (files, sidecars) = files_of(connection, &model.copies)?;
    model.note_files(&files, &sidecars);
    Ok(Some(ModelDetail {
        model,
        description: description.map(|Json(found)| found),
        unread_because,
        sidecars,
        said: facts_of(connection, id)?,
        notes,
        agents,
    }))
}

/// The files of copies, and what belongs to them, each file once.
pub(super) fn files_of(
    connection: &Connection,
    copies: &[CopyView],
) -> Result<(Vec<FileView>, Vec<FileView>), StorageError> {
    let (mut files, mut found, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for copy in copies {
        let Some(row) = roots::active(connection, copy.root)? else { continue };
        let Some(file) = detail::by_id(connection, copy.file, copy.root)? else { continue };
        found.extend(detail::sidecars(connection, &row, &file)?.into_iter().filter(|file| seen.insert(file.id)));
        files.push(file);
    }
    Ok((files, found))
}
