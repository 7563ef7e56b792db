//! Bringing the models in line with the files.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::sidecars::settle;
use crate::domain::ids::{FileId, ModelId};
use crate::domain::root::Root;
use crate::storage::{StorageError, facts, roots};

/// Whether the models are not in line with the shown indexes.
pub fn is_stale(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM models_stale)";
    let is_marked: bool = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(is_marked || facts::get(connection, facts::MODELS_AT)?.unwrap_or_default() != stamp(connection)?)
}

/// The shown indexes with their generations.
fn stamp(connection: &Connection) -> Result<String, StorageError> {
    let of_root = |root| {
        let row = roots::active(connection, root)?;
        Ok(row.map(|row| format!("{root:?} {} {};", row.id.0, row.generation)).unwrap_or_default())
    };
    Root::ALL.into_iter().map(of_root).collect()
}

/// Gives each model file of the shown roots its model, joins those that turned out to be one content, and writes down
/// anew where copies are.
pub fn refresh(tx: &Transaction<'_>) -> Result<(), StorageError> {
    let stamp = stamp(tx)?;
    let before = facts::get(tx, facts::MODELS_AT)?;
    let shown = |stamp: &str| {
        stamp.split(';').map(|root| root.rsplit_once(' ').map(|(root, _)| root.to_owned())).collect::<Vec<_>>()
    };
    if before.as_deref().map(shown) != Some(shown(&stamp)) {
        // Another index is shown: what is in the old one counts for nothing.
        tx.execute("INSERT OR IGNORE INTO models_stale SELECT id FROM models", [])?;
    }
    give_models(tx)?;
    join_hashed(tx)?;
    tx.execute(EVICTED_CHANGED, [])?;
    let stale: Vec<ModelId> =
        tx.prepare("SELECT model_id FROM models_stale")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for model in stale {
        place(tx, model)?;
    }
    tx.execute("DELETE FROM models_stale", [])?;
    facts::set(tx, facts::MODELS_AT, &stamp)
}

/// Models that were evicted, or came back, since this was written down.
const EVICTED_CHANGED: &str = "
    INSERT OR IGNORE INTO models_stale
    SELECT m.id FROM evictions e JOIN roots r ON r.id = e.root_id AND r.active = 1 JOIN models m ON m.blake3 = e.blake3
    WHERE m.is_evicted = 0
    UNION ALL
    SELECT m.id FROM models m INDEXED BY models_evicted WHERE m.is_evicted = 1 AND NOT EXISTS (
        SELECT 1 FROM evictions e JOIN roots r ON r.id = e.root_id AND r.active = 1 WHERE e.blake3 = m.blake3)";

/// A model for each model file that has none: that of its content, if it is known, else a new one.
fn give_models(tx: &Transaction<'_>) -> Result<(), StorageError> {
    let sql = "SELECT f.id, f.size_bytes, f.blake3 FROM files f INDEXED BY files_without_model
               JOIN roots r ON r.id = f.root_id AND r.active = 1
               WHERE f.kind = 0 AND f.model_id IS NULL";
    let files: Vec<(FileId, i64, Option<Vec<u8>>)> =
        tx.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (file, size_bytes, blake3) in files {
        let known = match &blake3 {
            Some(blake3) => of_content(tx, blake3)?,
            None => None,
        };
        let model = if let Some(model) = known {
            model
        } else {
            tx.prepare_cached("INSERT INTO models (blake3, size_bytes) VALUES (?1, ?2)")?
                .execute((blake3, size_bytes))?;
            ModelId(tx.last_insert_rowid())
        };
        lead_to(tx, file, model)?;
    }
    Ok(())
}

/// A file that was hashed meanwhile is a copy of the model of that content, or its model has a content now.
fn join_hashed(tx: &Transaction<'_>) -> Result<(), StorageError> {
    let sql = "SELECT m.id, f.id, f.blake3 FROM models m INDEXED BY models_unhashed
               CROSS JOIN files f ON f.model_id = m.id WHERE m.blake3 IS NULL AND f.blake3 IS NOT NULL";
    let hashed: Vec<(ModelId, FileId, Vec<u8>)> =
        tx.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (model, file, blake3) in hashed {
        match of_content(tx, &blake3)? {
            Some(other) if other != model => {
                mark(tx, model)?;
                tx.prepare_cached("UPDATE OR IGNORE sidecar_facts SET model_id = ?2 WHERE model_id = ?1")?
                    .execute((model, other))?;
                lead_to(tx, file, other)?;
            }
            Some(_) => {}
            None => {
                tx.prepare_cached("UPDATE models SET blake3 = ?2 WHERE id = ?1")?.execute((model, blake3))?;
                mark(tx, model)?;
            }
        }
    }
    Ok(())
}

fn of_content(tx: &Transaction<'_>, blake3: &[u8]) -> Result<Option<ModelId>, StorageError> {
    let sql = "SELECT id FROM models WHERE blake3 = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([blake3], |row| row.get(0)).optional()?)
}

fn lead_to(tx: &Transaction<'_>, file: FileId, model: ModelId) -> Result<(), StorageError> {
    tx.prepare_cached("UPDATE files SET model_id = ?2 WHERE id = ?1")?.execute((file, model))?;
    mark(tx, model)
}

fn mark(tx: &Transaction<'_>, model: ModelId) -> Result<(), StorageError> {
    tx.prepare_cached("INSERT OR IGNORE INTO models_stale VALUES (?1)")?.execute([model])?;
    Ok(())
}

/// Writes down where the copies of a model are. One without any goes, unless it was evicted or a hidden index has it.
fn place(tx: &Transaction<'_>, model: ModelId) -> Result<(), StorageError> {
    let sql = "SELECT r.root = 'lake', f.path, f.match_key, f.modified, r.active FROM files f JOIN roots r ON r.id = f.root_id
               WHERE f.model_id = ?1 ORDER BY r.active DESC, r.root = 'lake', f.match_key";
    let mut copies = [0_i64; 2];
    let (mut first, mut any) = (None, false);
    {
        let mut statement = tx.prepare_cached(sql)?;
        let mut rows = statement.query([model])?;
        while let Some(row) = rows.next()? {
            any = true;
            if !row.get::<_, bool>(4)? {
                break;
            }
            let [local, lake] = &mut copies;
            *(if row.get::<_, bool>(0)? { lake } else { local }) += 1;
            if first.is_none() {
                first = Some((row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?));
            }
        }
    }
    let evicted: Option<String> = tx
        .prepare_cached(
            "SELECT e.path FROM models m JOIN evictions e ON e.blake3 = m.blake3
             JOIN roots r ON r.id = e.root_id AND r.active = 1 WHERE m.id = ?1 LIMIT 1",
        )?
        .query_row([model], |row| row.get(0))
        .optional()?;
    if !any && evicted.is_none() {
        tx.prepare_cached("DELETE FROM models WHERE id = ?1")?.execute([model])?;
        return Ok(());
    }
    let is_evicted = evicted.is_some();
    let (path, key, modified) = first.unwrap_or_else(|| {
        let path = evicted.unwrap_or_default();
        let key = shared_protocol::rel_path::match_key(&path);
        (path, key, 0)
    });
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let [n_local, n_lake] = copies;
    tx.prepare_cached(
        "UPDATE models SET name = ?2, name_key = ?3, modified = ?4, n_local = ?5, n_lake = ?6, is_evicted = ?7
         WHERE id = ?1",
    )?
    .execute((model, name(&path), name(&key), modified, n_local, n_lake, is_evicted))?;
    settle(tx, model)
}
