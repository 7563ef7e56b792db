//! The comparison of the two roots, kept as rows so that every page of it is one short range read.
//!
//! Whoever changes a file of the index marks its key as stale; [`refresh`] then writes the rows of
//! the stale keys anew. The rule itself is [`crate::domain::diff::compare`], which the statements
//! call as the SQL function `diff_status`. What lies at or below an unknown place of either root is
//! `unknown`, whatever is known of its files.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Transaction};

pub use super::stale::{is_stale, mark_all_stale, mark_stale};

use super::skipped::is_below;
use super::stale::ALL;
use super::{StorageError, digest, execute, from_db, roots};
use crate::domain::diff::{Content, DiffStatus, compare};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;

/// Stale keys beyond which all rows are written anew: cheaper than so many single look-ups. Tests take both ways with
/// fewer.
const MANY: u64 = if cfg!(test) { 100 } else { 20_000 };

/// Adds what the statements here call.
pub(super) fn add_functions(connection: &Connection) -> Result<(), StorageError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("diff_status", 6, flags, |context| {
        Ok(compare(&content(context, 0)?, &content(context, 3)?).code())
    })?;
    Ok(())
}

fn content(context: &Context<'_>, first: usize) -> rusqlite::Result<Content> {
    let hash =
        digest(context.get_raw(first + 2)).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))?;
    Ok(Content { size_bytes: from_db(context.get(first)?), modified: Ticks(context.get(first + 1)?), hash })
}

/// Brings every stale row up to date.
pub fn refresh(transaction: &Transaction<'_>) -> Result<(), StorageError> {
    if !is_stale(transaction)? {
        return Ok(());
    }
    let sides = Sides::read(transaction)?;
    let all: bool =
        transaction
            .query_row("SELECT EXISTS (SELECT 1 FROM pairs_stale WHERE match_key = ?1)", [ALL], |row| row.get(0))?;
    let everything = all || n_stale(transaction)? > MANY;
    if everything {
        transaction.execute("DELETE FROM pairs", [])?;
    } else {
        dissolve(transaction)?;
    }
    let is_unknown = format!("({} OR {})", is_below(":local", "f.match_key"), is_below(":lake", "f.match_key"));
    for sql in [CONFLICTS, LOCAL_WITH_LAKE, LAKE_ALONE] {
        let filter = if everything { "" } else { "AND f.match_key IN (SELECT match_key FROM pairs_stale)" };
        sides.execute(transaction, &sql.replace("{filter}", filter).replace("{is_unknown}", &is_unknown))?;
    }
    pair_moved(transaction, everything)?;
    transaction.execute("DELETE FROM pairs_stale", [])?;
    Ok(())
}

fn n_stale(connection: &Connection) -> Result<u64, StorageError> {
    Ok(connection.query_row("SELECT count(*) FROM pairs_stale", [], |row| row.get(0).map(from_db))?)
}

struct Sides {
    local: i64,
    lake: i64,
    /// Both sides tell `A` from `a`: then so does the comparison.
    exact: bool,
}

impl Sides {
    fn read(connection: &Connection) -> Result<Self, StorageError> {
        let local = roots::active(connection, Root::Local)?;
        let lake = roots::active(connection, Root::Lake)?;
        Ok(Self {
            exact: local.as_ref().is_none_or(|r| r.case_sensitive) && lake.as_ref().is_none_or(|r| r.case_sensitive),
            local: local.map_or(-1, |r| r.id.0),
            lake: lake.map_or(-1, |r| r.id.0),
        })
    }

    /// Executes a statement that asks for some of this.
    fn execute(&self, transaction: &Transaction<'_>, sql: &str) -> Result<(), StorageError> {
        let mut statement = transaction.prepare_cached(sql)?;
        for (name, value) in [(":local", self.local), (":lake", self.lake), (":exact", i64::from(self.exact))] {
            if let Some(index) = statement.parameter_index(name)? {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        statement.raw_execute()?;
        Ok(())
    }
}

/// Removes the rows of stale keys. A row that pairs two paths goes as a whole, so its other key
/// becomes stale with it.
fn dissolve(transaction: &Transaction<'_>) -> Result<(), StorageError> {
    transaction.execute_batch(
        "INSERT OR IGNORE INTO pairs_stale
             SELECT moved_from FROM pairs
             WHERE moved_from IS NOT NULL AND match_key IN (SELECT match_key FROM pairs_stale);
         INSERT OR IGNORE INTO pairs_stale
             SELECT match_key FROM pairs WHERE moved_from IN (SELECT match_key FROM pairs_stale);
         DELETE FROM pairs WHERE match_key IN (SELECT match_key FROM pairs_stale);",
    )?;
    Ok(())
}

/// Several names of one side that another system would take for one: shown as one row.
const CONFLICTS: &str = "
    INSERT OR IGNORE INTO pairs (match_key, path, status, local_id, lake_id, size_bytes)
    SELECT f.match_key, min(f.path), CASE WHEN {is_unknown} THEN 7 ELSE 5 END,
           min(CASE WHEN f.root_id = :local THEN f.id END), min(CASE WHEN f.root_id = :lake THEN f.id END),
           max(f.size_bytes)
    FROM files f
    WHERE f.match_key IN (SELECT c.match_key FROM files c WHERE c.root_id IN (:local, :lake) AND c.conflict = 1)
          AND f.root_id IN (:local, :lake) {filter}
    GROUP BY f.match_key";

/// Each file of Local with the one of the Lake, or alone.
const LOCAL_WITH_LAKE: &str = "
    INSERT INTO pairs (match_key, path, status, local_id, lake_id, size_bytes)
    SELECT f.match_key, coalesce(k.path, f.path),
           CASE WHEN {is_unknown} THEN 7
                WHEN k.id IS NULL THEN 0
                ELSE diff_status(f.size_bytes, f.modified, f.blake3, k.size_bytes, k.modified, k.blake3) END,
           f.id, k.id, max(f.size_bytes, coalesce(k.size_bytes, 0))
    FROM files f
    LEFT JOIN files k ON k.root_id = :lake AND k.match_key = f.match_key
                         AND (k.conflict = 1 OR NOT :exact OR k.path = f.path)
    WHERE f.root_id = :local AND f.conflict = 0 AND (k.id IS NULL OR k.conflict = 0) {filter}
    ORDER BY f.match_key";

/// Each file that only the Lake has.
const LAKE_ALONE: &str = "
    INSERT INTO pairs (match_key, path, status, local_id, lake_id, size_bytes)
    SELECT f.match_key, f.path, CASE WHEN {is_unknown} THEN 7 ELSE 1 END, NULL, f.id, f.size_bytes
    FROM files f
    WHERE f.root_id = :lake AND f.conflict = 0 {filter}
          AND NOT EXISTS (SELECT 1 FROM files l
                          WHERE l.root_id = :local AND l.match_key = f.match_key
                                AND (l.conflict = 1 OR NOT :exact OR l.path = f.path))
    ORDER BY f.match_key";

/// Pairs what stands alone on each side with the same content, in the order of the paths where a
/// content stands alone several times. Empty files are all alike and pair with nothing.
fn pair_moved(transaction: &Transaction<'_>, everything: bool) -> Result<(), StorageError> {
    let alone = |status: DiffStatus, id: &str| {
        format!(
            "SELECT p.match_key, p.path, f.id, f.blake3,
                    row_number() OVER (PARTITION BY f.blake3 ORDER BY p.match_key, p.path) AS n
             FROM files f INDEXED BY files_by_content JOIN pairs p ON p.{id} = f.id
             WHERE f.blake3 IS NOT NULL AND f.size_bytes > 0 AND p.status = {} {}",
            status.code(),
            if everything {
                ""
            } else {
                "AND f.blake3 IN (SELECT g.blake3 FROM files g
                                  WHERE g.blake3 IS NOT NULL AND g.match_key IN (SELECT match_key FROM pairs_stale)
                                        AND g.root_id IN (SELECT id FROM roots WHERE active = 1))"
            }
        )
    };
    let sql = format!(
        "SELECT k.match_key, k.path, l.id, l.match_key, l.path
         FROM ({}) k JOIN ({}) l ON l.blake3 = k.blake3 AND l.n = k.n",
        alone(DiffStatus::LakeOnly, "lake_id"),
        alone(DiffStatus::LocalOnly, "local_id"),
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    let found: Vec<(String, String, i64, String, String)> =
        statement.query_map([], |row| row.try_into())?.collect::<Result<_, _>>()?;
    for (lake_key, lake_path, local_id, local_key, local_path) in found {
        execute(transaction, "DELETE FROM pairs WHERE match_key = ?1 AND path = ?2", [&local_key, &local_path])?;
        let sql = "UPDATE pairs SET status = ?3, local_id = ?4, moved_from = ?5 WHERE match_key = ?1 AND path = ?2";
        execute(transaction, sql, (&lake_key, &lake_path, DiffStatus::Moved.code(), local_id, &local_key))?;
    }
    Ok(())
}
