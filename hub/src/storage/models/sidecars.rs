//! What the files beside models say of them.
//!
//! Facts are kept for each file and each model that it belongs to. A model is told by its header first: files beside it
//! fill what that does not say.

use model_header::Description;
use model_header::sidecar::{MAX_SIDECAR_BYTES, SidecarFacts, source_of};
use rusqlite::{Connection, OptionalExtension};

use super::set_search_key;
use crate::domain::ids::{FileId, ModelId, RootRowId};
use crate::domain::kind::FileKind;
use crate::storage::columns::Json;
use crate::storage::index::beside::beside;
use crate::storage::index::{self, FileRow};
use crate::storage::{StorageError, execute, first, from_db, one, to_db};

/// Trigger words of a model, from all that name some.
const MOST_WORDS: usize = 500;

/// A file `f` beside a model that was not read as it is now.
fn unread() -> String {
    format!(
        "f.kind = {} AND f.placeholder = 0 AND NOT EXISTS (
             SELECT 1 FROM sidecar_facts s
             WHERE s.file_id = f.id AND s.size_bytes = f.size_bytes AND s.modified = f.modified)",
        FileKind::Metadata.code()
    )
}

/// How many files beside models of these roots wait to be read.
pub fn count_unread_sidecars(connection: &Connection, roots: &[RootRowId]) -> Result<u64, StorageError> {
    let [row, other] = [roots.first(), roots.get(1)].map(|row| row.map_or(0, |row| row.0));
    let sql = format!(
        "SELECT count(*) FROM files f INDEXED BY files_beside_models
         WHERE f.root_id IN (?1, ?2) AND f.size_bytes <= ?3 AND {}",
        unread()
    );
    let most = to_db(MAX_SIDECAR_BYTES as u64);
    one(connection, &sql, (row, other, most), |row| row.get(0).map(from_db))
}

/// The next files beside models of a root to read, behind this file.
pub fn unread_sidecars(
    connection: &Connection,
    root: RootRowId,
    after: FileId,
    limit: u32,
) -> Result<(Vec<FileRow>, Option<FileId>), StorageError> {
    let sql = format!(
        "SELECT {} FROM files f INDEXED BY files_beside_models
         WHERE f.root_id = ?1 AND f.id > ?2 AND f.size_bytes <= ?3 AND {} ORDER BY f.id LIMIT ?4",
        index::columns_of("f"),
        unread()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let most = to_db(MAX_SIDECAR_BYTES as u64);
    let files: Vec<FileRow> = statement.query_map((root, after, most, limit), index::row)?.collect::<Result<_, _>>()?;
    let more = files.last().filter(|_| files.len() == limit as usize).map(|file| file.id);
    Ok((files, more))
}

/// The model files that a file beside them belongs to: their names, by which it is read.
pub fn owners(connection: &Connection, root: RootRowId, file: &FileRow) -> Result<Vec<FileRow>, StorageError> {
    let folder = file.path.parent().map(|folder| format!("{}/", folder.match_key())).unwrap_or_default();
    let key = shared_protocol::rel_path::match_key(file.path.name());
    let sql = format!(
        "SELECT {} FROM files f WHERE f.root_id = ?1 AND f.match_key >= ?2 AND f.match_key < ?3 AND f.kind = {}",
        index::columns_of("f"),
        FileKind::Model.code()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    // The longest name that some weights have is meant, as bundles have it.
    for (at, _) in key.char_indices().rev().filter(|(_, letter)| *letter == '.') {
        let prefix = format!("{folder}{}", key.get(..at).unwrap_or_default());
        let near = statement.query_map((root, &prefix, format!("{prefix}/")), index::row)?;
        let near: Vec<FileRow> = near.collect::<Result<_, _>>()?;
        let of: Vec<FileRow> =
            near.into_iter().filter(|of| source_of(of.path.name(), file.path.name()).is_some()).collect();
        if !of.is_empty() {
            return Ok(of);
        }
    }
    Ok(Vec::new())
}

/// Stores what a file says of the model files that it belongs to.
pub fn note_sidecar(
    connection: &Connection,
    file: &FileRow,
    said: &[(FileId, Option<SidecarFacts>)],
) -> Result<(), StorageError> {
    let model_of = |weights: &FileId| {
        let sql = "SELECT model_id FROM files WHERE id = ?1";
        connection.prepare_cached(sql)?.query_row([weights], |row| row.get::<_, Option<ModelId>>(0)).optional()
    };
    let found = said.iter().map(|(weights, facts)| Ok((model_of(weights)?, facts)));
    let found: Vec<_> = found.collect::<Result<_, StorageError>>()?;
    // Weights that came just now have their model soon; until then the file counts as not read.
    if found.iter().any(|(model, _)| *model == Some(None)) {
        return Ok(());
    }
    execute(connection, "DELETE FROM sidecar_facts WHERE file_id = ?1", [file.id])?;
    // A file that went meanwhile leaves nothing.
    let mut insert = connection
        .prepare_cached("INSERT OR REPLACE INTO sidecar_facts SELECT id, ?2, ?3, ?4, ?5 FROM files WHERE id = ?1")?;
    let mut note = |model: ModelId, facts: Option<&SidecarFacts>| {
        insert.execute((file.id, model, to_db(file.size_bytes), file.modified, facts.map(Json)))
    };
    let mut models = Vec::new();
    for (model, facts) in found {
        if let Some(model) = model.flatten() {
            note(model, facts.as_ref())?;
            models.push(model);
        }
    }
    if models.is_empty() {
        note(ModelId(0), None)?;
    }
    models.into_iter().try_for_each(|model| settle(connection, model))
}

/// Has the files beside weights read again that were not read for this model: whose they are was not known then.
pub(super) fn read_again(
    connection: &Connection,
    root: RootRowId,
    weights: &FileRow,
    model: ModelId,
) -> Result<(), StorageError> {
    let near = beside(connection, root, &weights.path)?;
    let is_one = |file: &&FileRow| source_of(weights.path.name(), file.path.name()).is_some();
    for file in near.iter().filter(is_one) {
        let sql = "DELETE FROM sidecar_facts WHERE file_id = ?1 AND NOT EXISTS (
                       SELECT 1 FROM sidecar_facts WHERE file_id = ?1 AND model_id = ?2)";
        execute(connection, sql, (file.id, model))?;
    }
    Ok(())
}

/// What the files beside a model's copies say, each once.
pub fn facts_of(connection: &Connection, model: ModelId) -> Result<Vec<SidecarFacts>, StorageError> {
    let sql = "SELECT DISTINCT facts FROM sidecar_facts WHERE model_id = ?1 AND facts IS NOT NULL ORDER BY file_id";
    let mut statement = connection.prepare_cached(sql)?;
    let facts = statement.query_map([model], |row| Ok(row.get::<_, Json<SidecarFacts>>(0)?.0))?;
    let mut facts: Vec<SidecarFacts> = facts.collect::<Result<_, _>>()?;
    facts.sort_by_key(|facts| facts.source);
    Ok(facts)
}

/// Writes down what a model is by its header and by the files beside it.
pub(super) fn settle(connection: &Connection, model: ModelId) -> Result<(), StorageError> {
    let facts = facts_of(connection, model)?;
    let sql = "SELECT has_facts_beside FROM models WHERE id = ?1";
    let had_facts: bool = one(connection, sql, [model], |row| row.get(0))?;
    if facts.is_empty() && !had_facts {
        // Its row is as its header has it.
        return set_search_key(connection, model);
    }
    let sql = "SELECT description FROM model_descriptions WHERE model_id = ?1";
    let Some(Json(header)) = first(connection, sql, [model], |row| row.get::<_, Json<Description>>(0))? else {
        return set_search_key(connection, model);
    };
    let title = header.title.clone().or_else(|| facts.iter().find_map(|facts| facts.title.clone()));
    let author = header.author.clone().or_else(|| facts.iter().find_map(|facts| facts.author.clone()));
    let lineage = header.lineage.or_else(|| facts.iter().find_map(|facts| facts.lineage));
    let beside = facts.iter().find_map(|facts| facts.base).filter(|_| header.base.is_none());
    let how = if beside.is_some() { Some(model_header::BaseHow::Sidecar) } else { header.base_how };
    let base = header.base.or(beside);
    let mut words: Vec<&String> = Vec::new();
    for word in header.trigger_words.iter().chain(facts.iter().flat_map(|facts| &facts.trigger_words)) {
        if words.len() < MOST_WORDS && !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            words.push(word);
        }
    }
    let sql = "UPDATE models SET title = ?2, author = ?3, base = ?4, base_how = ?5, lineage = ?6, trigger_words = ?7,
                 has_facts_beside = ?8
             WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        model,
        title,
        author,
        base.map(model_header::Base::id),
        how.map(model_header::BaseHow::id),
        lineage.map(model_header::Lineage::id),
        Json(&words),
        !facts.is_empty(),
    ))?;
    set_search_key(connection, model)
}
