//! What the model files are: a row for each content, or for each file that is not hashed yet, with what its header
//! says.
//!
//! Files come, go and get their hashes without regard to this; [`refresh()`] brings the models in line, at the latest
//! when someone looks at them.

mod refresh;
mod sidecars;

use model_header::{Damage, Description};
use rusqlite::Connection;
use shared_protocol::rel_path::match_key;

use super::columns::Json;
use super::index::{self, FileRow};
use super::{StorageError, execute, first, one, to_db};
use crate::domain::ids::{FileId, ModelId, RootRowId};

pub use refresh::{is_stale, refresh};
pub use sidecars::{count_unread_sidecars, facts_of, note_sidecar, owners, unread_sidecars};

/// What models wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// That their header is read.
    Header,
    /// That their data, whose hash is known, are compared with the digest in their header.
    Digest,
}

impl Waiting {
    /// The models `m` that wait for it, by an index.
    const fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::Header => ("models_unread", "m.state = 'unread' AND m.tried = 0"),
            Self::Digest => ("models_digest", "m.digest_waits = 1 AND m.is_hashed = 1"),
        }
    }
}

/// Whether a model, or a file beside one, waits to be read on one of these roots.
pub fn any_unread(connection: &Connection, roots: &[RootRowId]) -> Result<bool, StorageError> {
    Ok(count_waiting(connection, Waiting::Header, roots)? > 0
        || count_waiting(connection, Waiting::Digest, roots)? > 0
        || count_unread_sidecars(connection, roots)? > 0)
}

/// The next files of a root to read, behind this model: one copy of each model that waits, and none of what another root
/// has, too, that is read beside it.
pub fn waiting(
    connection: &Connection,
    what: Waiting,
    root: RootRowId,
    read_elsewhere: Option<RootRowId>,
    after: ModelId,
    limit: u32,
) -> Result<(Vec<FileRow>, Option<ModelId>), StorageError> {
    let (index, waits) = what.sql();
    let sql = format!(
        "SELECT {}, m.id AS model FROM models m INDEXED BY {index} CROSS JOIN files f ON f.model_id = m.id
         WHERE {waits} AND m.id > ?1 AND f.root_id = ?2 AND f.placeholder = 0
               AND f.id = (SELECT min(o.id) FROM files o
                           WHERE o.model_id = m.id AND o.root_id = ?2 AND o.placeholder = 0)
               AND NOT EXISTS (SELECT 1 FROM files o
                               WHERE o.model_id = m.id AND o.root_id = ?3 AND o.placeholder = 0)
         ORDER BY m.id LIMIT ?4",
        index::columns_of("f")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((after, root, read_elsewhere, limit), |row| {
        Ok((index::row(row)?, row.get::<_, ModelId>("model")?))
    })?;
    let rows: Vec<(FileRow, ModelId)> = rows.collect::<Result<_, _>>()?;
    let more = rows.last().filter(|_| rows.len() == limit as usize).map(|(_, id)| *id);
    Ok((rows.into_iter().map(|(file, _)| file).collect(), more))
}

/// How many models of these roots wait.
pub fn count_waiting(connection: &Connection, what: Waiting, roots: &[RootRowId]) -> Result<u64, StorageError> {
    let [row, other] = [roots.first(), roots.get(1)].map(|row| row.map_or(0, |row| row.0));
    let (index, waits) = what.sql();
    let sql = format!(
        "SELECT count(*) FROM models m INDEXED BY {index}
         WHERE {waits} AND EXISTS (
             SELECT 1 FROM files f WHERE f.model_id = m.id AND f.root_id IN (?1, ?2) AND f.placeholder = 0)"
    );
    one(connection, &sql, (row, other), |row| row.get(0).map(super::from_db))
}

/// The SHA-256 that the data of a file should have, by its header.
pub fn declared_digest(connection: &Connection, file: FileId) -> Result<Option<String>, StorageError> {
    let sql = "SELECT d.description ->> '$.declared_sha256' FROM files f
               JOIN model_descriptions d ON d.model_id = f.model_id WHERE f.id = ?1";
    Ok(first(connection, sql, [file], |row| row.get(0))?.flatten())
}

/// Stores how the data of a file compare with the digest in its header, if the file is still as it was read. `None`: they
/// could not be read, and are when the file has changed or at a person's wish.
pub fn note_digest(
    connection: &Connection,
    file: &FileRow,
    found: Option<&Result<(), Damage>>,
) -> Result<(), StorageError> {
    let Some(model) = model_of(connection, file)? else { return Ok(()) };
    let damage = found.and_then(|found| found.as_ref().err());
    let sql = "UPDATE models SET digest_waits = ?4, state = CASE WHEN ?2 IS NULL THEN state ELSE 'damaged' END,
                   damage_code = coalesce(?2, damage_code), damage_detail = coalesce(?3, damage_detail) WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute((
        model,
        damage.map(|of| of.code.id()),
        damage.map(|of| of.detail.as_str()),
        if found.is_some() { 0 } else { 2 },
    ))?;
    Ok(())
}

/// Stores what the header of a file says, if the file is still as it was read. Tells whose it is.
pub fn describe(
    connection: &Connection,
    root: RootRowId,
    file: &FileRow,
    description: &Description,
) -> Result<Option<ModelId>, StorageError> {
    let Some(model) = model_of(connection, file)? else { return Ok(None) };
    let Description { format, content, kind, base, base_how, state, damage, .. } = description;
    let sql = "UPDATE models SET state = ?2, tried = 1, format = ?3, kind = ?4, base = ?5, base_how = ?6, variant = ?7,
                 lineage = ?8, precision = ?9, n_parameters = ?10, n_tensors = ?11, comfyui_opens = ?12, title = ?13,
                 author = ?14, trigger_words = ?15, damage_code = ?16, damage_detail = ?17,
                 has_thumbnail = ?18, digest_waits = ?19, has_facts_beside = 0
             WHERE id = ?1";
    execute(
        connection,
        sql,
        rusqlite::params![
            model,
            state.id(),
            content.unwrap_or(*format).id(),
            kind.id(),
            base.map(model_header::Base::id),
            base_how.map(model_header::BaseHow::id),
            description.variant,
            description.lineage.map(model_header::Lineage::id),
            description.precision,
            description.n_parameters.map(to_db),
            description.n_tensors.map(to_db),
            description.comfyui_opens,
            description.title,
            description.author,
            Json(&description.trigger_words),
            damage.as_ref().map(|damage| damage.code.id()),
            damage.as_ref().map(|damage| damage.detail.as_str()),
            description.thumbnail.as_ref().is_some_and(|picture| picture.is_showable),
            description.digest_waits(file.size_bytes),
        ],
    )?;
    execute(connection, "INSERT OR REPLACE INTO model_descriptions VALUES (?1, ?2)", (model, Json(description)))?;
    sidecars::read_again(connection, root, file, model)?;
    sidecars::settle(connection, model)?;
    Ok(Some(model))
}

/// Notes that a file could not be read: it is tried again when it has changed, or at a person's wish.
pub fn tried(connection: &Connection, file: &FileRow, why: &str) -> Result<Option<ModelId>, StorageError> {
    let Some(model) = model_of(connection, file)? else { return Ok(None) };
    let sql = "UPDATE models SET tried = 1, damage_detail = ?2 WHERE id = ?1 AND state = 'unread'";
    execute(connection, sql, (model, why))?;
    Ok(Some(model))
}

/// Lets what could not be read be tried again.
pub fn try_again(connection: &Connection) -> Result<usize, StorageError> {
    connection.execute("UPDATE models SET digest_waits = 1 WHERE digest_waits = 2", [])?;
    let sql = "UPDATE models SET tried = 0, damage_detail = NULL WHERE state = 'unread' AND tried = 1";
    Ok(connection.execute(sql, [])?)
}

/// Keeps what people wrote about a model. `false` if there is none of this id.
pub fn set_notes(connection: &Connection, model: ModelId, notes: &str) -> Result<bool, StorageError> {
    let sql = "UPDATE models SET notes = ?2 WHERE id = ?1";
    let is_there = execute(connection, sql, (model, notes))? > 0;
    if is_there {
        set_search_key(connection, model)?;
    }
    Ok(is_there)
}

fn model_of(connection: &Connection, file: &FileRow) -> Result<Option<ModelId>, StorageError> {
    let sql = "SELECT model_id FROM files
               WHERE id = ?1 AND size_bytes = ?2 AND modified = ?3 AND coalesce(identity = ?4, 1)";
    let identity = file.identity.map(|identity| identity.0);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((file.id, to_db(file.size_bytes), file.modified, identity))?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.flatten())
}

/// Writes down what a search looks through.
fn set_search_key(connection: &Connection, model: ModelId) -> Result<(), StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT id, path FROM files WHERE model_id = ?1 ORDER BY id LIMIT 64")?;
    let names = statement.query_map([model], |row| Ok((row.get::<_, FileId>("id")?, row.get::<_, String>("path")?)))?;
    let mut texts: Vec<String> = names.map(|name| name.map(|(_, path)| path)).collect::<Result<_, _>>()?;
    let sql = "SELECT title, author, notes, trigger_words FROM models WHERE id = ?1";
    let said = one(connection, sql, [model], |row| {
        let said: [Option<String>; 3] = [row.get("title")?, row.get("author")?, row.get("notes")?];
        Ok((said, row.get::<_, Json<Vec<String>>>("trigger_words")?.0))
    })?;
    texts.extend(said.0.into_iter().flatten());
    texts.extend(said.1);
    let key = texts.iter().map(|text| match_key(text)).collect::<Vec<_>>().join("\n");
    execute(connection, "UPDATE models SET search_key = ?2 WHERE id = ?1", (model, key)).map(drop)
}
