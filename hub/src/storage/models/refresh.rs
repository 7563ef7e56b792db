//! Bringing the models in line with the files.

use rusqlite::{Connection, Row, Transaction};

use super::sidecars::settle;
use crate::domain::ids::{FileId, ModelId};
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::storage::{StorageError, execute, facts, first, one, roots, rows};

/// Whether the models are not in line with the shown indexes.
pub fn is_stale(connection: &Connection) -> Result<bool, StorageError> {
    Ok(is_marked(connection)? || facts::get(connection, facts::MODELS_AT)?.unwrap_or_default() != stamp(connection)?)
}

/// Whether the copies of a model changed.
fn is_marked(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM models_stale)";
    one(connection, sql, [], |row| row.get(0))
}

/// The shown indexes with their generations.
fn stamp(connection: &Connection) -> Result<String, StorageError> {
    let of_root = |root| {
        let row = roots::active(connection, root)?;
        Ok(row.map(|row| format!("{root:?} {} {};", row.id.0, row.generation)).unwrap_or_default())
    };
    Root::ALL.into_iter().map(of_root).collect()
}

/// Files and models that are brought in line in one transaction: others get their turn between two.
const PORTION: u32 = 2_000;

/// Gives each model file of the shown roots its model, joins those that turned out to be one content, and writes down
/// anew where copies are: a portion of that. Tells whether more is left.
pub fn refresh(tx: &Transaction<'_>) -> Result<bool, StorageError> {
    let stamp = stamp(tx)?;
    let before = facts::get(tx, facts::MODELS_AT)?;
    if before.as_deref().map(shown) != Some(shown(&stamp)) {
        // Another index is shown: what is in the old one counts for nothing.
        tx.execute("INSERT OR IGNORE INTO models_stale SELECT id FROM models", [])?;
        let unfinished: Vec<String> = shown(&stamp).iter().map(|root| format!("{root} -;")).collect();
        facts::set(tx, facts::MODELS_AT, &unfinished.concat())?;
    }
    let mut is_more = give_models(tx)?;
    if !is_more {
        tx.execute(EVICTED_CHANGED, [])?;
    }
    place_stale(tx)?;
    is_more |= is_marked(tx)?;
    if !is_more {
        facts::set(tx, facts::MODELS_AT, &stamp)?;
    }
    Ok(is_more)
}

/// The indexes of a stamp without their generations.
fn shown(stamp: &str) -> Vec<&str> {
    stamp.split_terminator(';').map(|root| root.rsplit_once(' ').map_or(root, |(shown, _)| shown)).collect()
}

/// Brings a portion of the models in line whose copies changed.
fn place_stale(tx: &Transaction<'_>) -> Result<(), StorageError> {
    let sql = "SELECT model_id FROM models_stale LIMIT ?1";
    let stale: Vec<ModelId> = rows(tx, sql, [PORTION], |row| row.get(0))?;
    let mut unmark = tx.prepare_cached("DELETE FROM models_stale WHERE model_id = ?1")?;
    for model in stale {
        unmark.execute([model])?;
        join_hashed(tx, model)?;
        place(tx, model)?;
    }
    Ok(())
}

/// Models that were evicted, or came back, since this was written down.
const EVICTED_CHANGED: &str = "
    INSERT OR IGNORE INTO models_stale
    SELECT m.id FROM evictions e JOIN roots r ON r.id = e.root_id AND r.active = 1 JOIN models m ON m.blake3 = e.blake3
    WHERE m.is_evicted = 0
    UNION ALL
    SELECT m.id FROM models m INDEXED BY models_evicted WHERE m.is_evicted = 1 AND NOT EXISTS (
        SELECT 1 FROM evictions e JOIN roots r ON r.id = e.root_id AND r.active = 1 WHERE e.blake3 = m.blake3)";

/// A model for each model file that has none: that of its content, if it is known, else a new one. Tells whether there
/// may be more.
fn give_models(tx: &Transaction<'_>) -> Result<bool, StorageError> {
    let sql = format!(
        "SELECT f.id, f.size_bytes, f.blake3
         FROM roots r CROSS JOIN files f INDEXED BY files_without_model ON f.root_id = r.id
         WHERE r.active = 1 AND f.kind = {} AND f.model_id IS NULL LIMIT ?1",
        FileKind::Model.code()
    );
    let read = |row: &Row<'_>| row.try_into();
    let files: Vec<(FileId, i64, Option<Vec<u8>>)> = rows(tx, &sql, [PORTION], read)?;
    for (file, size_bytes, blake3) in &files {
        let known = match blake3 {
            Some(blake3) => of_content(tx, blake3)?,
            None => None,
        };
        let model = if let Some(model) = known {
            model
        } else {
            let sql = "INSERT INTO models (blake3, is_hashed, size_bytes) VALUES (?1, ?1 IS NOT NULL, ?2)";
            execute(tx, sql, (blake3, size_bytes))?;
            ModelId(tx.last_insert_rowid())
        };
        lead_to(tx, *file, model)?;
    }
    Ok(files.len() == PORTION as usize)
}

/// A file that was hashed meanwhile is a copy of the model of that content, or its model has a content now.
fn join_hashed(tx: &Transaction<'_>, model: ModelId) -> Result<(), StorageError> {
    let sql = "SELECT f.id, f.blake3 FROM models m JOIN files f ON f.model_id = m.id
               WHERE m.id = ?1 AND m.blake3 IS NULL AND f.blake3 IS NOT NULL";
    let hashed: Vec<(FileId, Vec<u8>)> = rows(tx, sql, [model], |row| row.try_into())?;
    for (file, blake3) in hashed {
        match of_content(tx, &blake3)? {
            Some(other) if other != model => {
                execute(tx, "UPDATE OR IGNORE sidecar_facts SET model_id = ?2 WHERE model_id = ?1", (model, other))?;
                execute(tx, NOTES_JOINED, (model, other))?;
                lead_to(tx, file, other)?;
            }
            Some(_) => {}
            None => {
                execute(tx, "UPDATE models SET blake3 = ?2, is_hashed = 1 WHERE id = ?1", (model, blake3))?;
            }
        }
    }
    Ok(())
}

/// What people wrote about a model, to that of the other.
const NOTES_JOINED: &str = "
    UPDATE models SET notes = trim(models.notes || char(10) || o.notes, char(10)) FROM models o
    WHERE models.id = ?2 AND o.id = ?1 AND o.notes <> '' AND o.notes <> models.notes";

fn of_content(tx: &Transaction<'_>, blake3: &[u8]) -> Result<Option<ModelId>, StorageError> {
    let sql = "SELECT id FROM models WHERE blake3 = ?1";
    first(tx, sql, [blake3], |row| row.get(0))
}

fn lead_to(tx: &Transaction<'_>, file: FileId, model: ModelId) -> Result<(), StorageError> {
    execute(tx, "UPDATE files SET model_id = ?2 WHERE id = ?1", (file, model))?;
    mark(tx, model)
}

fn mark(tx: &Transaction<'_>, model: ModelId) -> Result<(), StorageError> {
    execute(tx, "INSERT OR IGNORE INTO models_stale VALUES (?1)", [model]).map(drop)
}

/// Writes down where the copies of a model are. One without any goes, unless it was
/// evicted, a hidden index has it, or someone wrote about this content: it may come back.
fn place(tx: &Transaction<'_>, model: ModelId) -> Result<(), StorageError> {
    let sql = "SELECT r.root, f.path, f.match_key, f.modified, r.active FROM files f JOIN roots r ON r.id = f.root_id
               WHERE f.model_id = ?1 ORDER BY r.active DESC, r.root = 'lake', f.match_key";
    let mut copies = [0_i64; 2];
    let (mut shown, mut any) = (None, false);
    {
        let mut statement = tx.prepare_cached(sql)?;
        let mut rows = statement.query([model])?;
        while let Some(row) = rows.next()? {
            any = true;
            if !row.get::<_, bool>("active")? {
                break;
            }
            let [local, lake] = &mut copies;
            *(if row.get::<_, Root>("root")? == Root::Lake { lake } else { local }) += 1;
            if shown.is_none() {
                shown = Some((
                    row.get::<_, String>("path")?,
                    row.get::<_, String>("match_key")?,
                    row.get::<_, i64>("modified")?,
                ));
            }
        }
    }
    let sql = "SELECT e.path FROM models m JOIN evictions e ON e.blake3 = m.blake3
             JOIN roots r ON r.id = e.root_id AND r.active = 1 WHERE m.id = ?1 LIMIT 1";
    let evicted: Option<String> = first(tx, sql, [model], |row| row.get(0))?;
    if !any && evicted.is_none() {
        let sql = "DELETE FROM models WHERE id = ?1 AND (notes = '' OR blake3 IS NULL)";
        execute(tx, sql, [model])?;
        // It keeps its name until it is back.
        let sql = "UPDATE models SET n_local = 0, n_lake = 0, is_evicted = 0 WHERE id = ?1";
        execute(tx, sql, [model])?;
        return Ok(());
    }
    let is_evicted = evicted.is_some();
    let (path, key, modified) = shown.unwrap_or_else(|| {
        let path = evicted.unwrap_or_default();
        let key = shared_protocol::rel_path::match_key(&path);
        (path, key, 0)
    });
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let [n_local, n_lake] = copies;
    let sql = "UPDATE models SET name = ?2, name_key = ?3, modified = ?4, n_local = ?5, n_lake = ?6, is_evicted = ?7,
             n_agents = (SELECT count(*) FROM agent_contents a WHERE a.blake3 = models.blake3)
         WHERE id = ?1";
    execute(tx, sql, (model, name(&path), name(&key), modified, n_local, n_lake, is_evicted))?;
    settle(tx, model)
}
