//! From the comparison to a plan's rows.
//!
//! What both sides agree on is never looked at: rows of the comparison are read by their status.
//! Only a plan that compares by hash also looks for pairs that were taken for the same without one.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement, Transaction};
use shared_protocol::RelPath;

use super::{NewPlan, holds, last_copies, renames, rows};
use crate::domain::diff::{Content, DiffStatus};
use crate::domain::ids::{FileId, PlanId, RootRowId};
use crate::domain::mirror::totals::{Count, PlanTotals};
use crate::domain::mirror::{Compare, PairVerdict, PlanAction, PlanFile, PlanRow, Why, judge_sides};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::index::destination::{DestinationFolders, InTheWay};
use crate::storage::index::{self, FileRow};
use crate::storage::{
    StorageError, columns, digest_column, execute, folder_range, from_db, now_ms, pairs, path_column, roots, skipped,
};

/// Builds and stores a plan from the indexes as they are now.
/// `damaged` are sources that are not whole.
pub fn build(transaction: &Transaction<'_>, new: &NewPlan, damaged: &BTreeSet<FileId>) -> Result<PlanId, StorageError> {
    pairs::refresh(transaction)?;
    let id = insert(transaction, new)?;
    let mut draft = Draft::new(transaction, id, new, damaged)?;
    draft.collect()?;
    let mut totals = draft.totals;
    if new.rules.deletes {
        renames::find(transaction, id, new, &mut totals)?;
        totals.last_copies = last_copies::mark(transaction, id, new)?;
    }
    let (n, bytes) = holds(transaction, new.to.1, new.folder.as_ref())?.unwrap_or_default();
    totals.dest = Count { n, bytes };
    let stored = serde_json::to_string(&totals).map_err(|error| StorageError::damaged("totals", error))?;
    transaction.execute("UPDATE plans SET totals = ?2 WHERE id = ?1", (id.0, stored))?;
    Ok(id)
}

fn insert(connection: &Connection, new: &NewPlan) -> Result<PlanId, StorageError> {
    let generation = |(root, row): (Root, RootRowId)| -> Result<i64, StorageError> {
        let now = roots::active(connection, root)?.filter(|now| now.id == row);
        Ok(now.ok_or(StorageError::Missing("root"))?.generation)
    };
    let sql = "INSERT INTO plans (from_root, from_root_id, from_generation, to_root, to_root_id, to_generation, folder,
                                compare, with_deletes, with_overwrites, include_damaged, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    execute(
        connection,
        sql,
        rusqlite::params![
            new.from.0.as_str(),
            new.from.1.0,
            generation(new.from)?,
            new.to.0.as_str(),
            new.to.1.0,
            generation(new.to)?,
            new.folder.as_ref().map_or("", RelPath::as_str),
            new.rules.compare.as_str(),
            new.rules.deletes,
            new.rules.overwrites,
            new.rules.damaged,
            now_ms(),
        ],
    )?;
    Ok(PlanId(connection.last_insert_rowid()))
}

const fn content(file: &FileRow) -> Content {
    Content { size_bytes: file.size_bytes, modified: file.modified, hash: file.hash }
}

// Columns of a [`PlanFile`].
columns!(mod at { id, path, size_bytes, modified, blake3, placeholder, rotted });

fn file(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<PlanFile>> {
    let Some(id) = row.get::<_, Option<i64>>(first + at::id)? else { return Ok(None) };
    Ok(Some(PlanFile {
        id: FileId(id),
        path: path_column(row, first + at::path)?,
        content: Content {
            size_bytes: from_db(row.get(first + at::size_bytes)?),
            modified: Ticks(row.get(first + at::modified)?),
            hash: digest_column(row, first + at::blake3)?,
        },
        placeholder: row.get(first + at::placeholder)?,
        damaged: false,
        rotted: row.get_ref(first + at::rotted)? != ValueRef::Null,
    }))
}

/// A plan whose rows are being written.
struct Draft<'a> {
    connection: &'a Connection,
    id: PlanId,
    new: &'a NewPlan,
    /// Sources that are not whole.
    damaged: &'a BTreeSet<FileId>,
    /// Both sides tell `A` from `a`, and so does the folder that the plan is about.
    exact: bool,
    totals: PlanTotals,
    n_rows: i64,
    /// The destination's folders, as they will be.
    folders: DestinationFolders<'a>,
}

impl<'a> Draft<'a> {
    fn new(
        connection: &'a Connection,
        id: PlanId,
        new: &'a NewPlan,
        damaged: &'a BTreeSet<FileId>,
    ) -> Result<Self, StorageError> {
        let mut exact = true;
        for root in Root::ALL {
            exact &= roots::active(connection, root)?.is_none_or(|row| row.case_sensitive);
        }
        let folders = DestinationFolders::new(connection, new.to.1, exact);
        Ok(Self { connection, id, new, damaged, exact, totals: PlanTotals::default(), n_rows: 0, folders })
    }

    fn collect(&mut self) -> Result<(), StorageError> {
        let by_hash = self.new.rules.compare == Compare::Hash;
        for status in DiffStatus::ALL {
            let conditions = match status {
                DiffStatus::Same if by_hash => "WHERE l.blake3 IS NULL OR k.blake3 IS NULL",
                DiffStatus::Same => continue,
                _ => "",
            };
            let columns = |table: &str| {
                at::ALL.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
            };
            // Cut first and joined then, so that only these rows are looked up.
            let sql = format!(
                "SELECT {}, {} FROM (
                     SELECT local_id, lake_id, match_key, path FROM pairs INDEXED BY pairs_by_status
                     WHERE status = ?1 AND match_key >= ?2 AND match_key < ?3) p
                 LEFT JOIN files l ON l.id = p.local_id LEFT JOIN files k ON k.id = p.lake_id {conditions}",
                columns("l"),
                columns("k")
            );
            self.collect_status(self.connection.prepare(&sql)?, status)?;
        }
        Ok(())
    }

    fn collect_status(&mut self, mut statement: Statement<'_>, status: DiffStatus) -> Result<(), StorageError> {
        // A row of two paths stands under one of them, which may lie outside.
        let folder = self.new.folder.as_ref().filter(|_| status != DiffStatus::Moved);
        let (from, to) = folder_range(&folder.map(RelPath::match_key).unwrap_or_default());
        let mut found = statement.query((status.code(), from, to))?;
        while let Some(row) = found.next()? {
            let (local, lake) = (file(row, 0)?, file(row, at::N)?);
            let (source, dest) = if self.new.from.0 == Root::Local { (local, lake) } else { (lake, local) };
            let (source, dest) = (source.filter(|file| self.is_meant(file)), dest.filter(|file| self.is_meant(file)));
            match status {
                DiffStatus::Conflict => {
                    let verdict = PairVerdict::Leave(Why::CaseConflict);
                    self.write(PlanRow::of(source.as_ref(), dest.as_ref(), verdict))?;
                }
                DiffStatus::Unknown => self.unknown(source.as_ref(), dest.as_ref())?,
                DiffStatus::Moved | DiffStatus::LocalOnly | DiffStatus::LakeOnly => {
                    self.alone(source.as_ref())?;
                    self.too_many(dest.as_ref())?;
                }
                DiffStatus::Same | DiffStatus::Different | DiffStatus::Unverified => {
                    let damaged = source.as_ref().is_some_and(|file| self.damaged.contains(&file.id));
                    let source = source.map(|file| PlanFile { damaged, ..file });
                    let verdict = judge_sides(source.as_ref(), dest.as_ref(), self.new.rules);
                    self.write(PlanRow::of(source.as_ref(), dest.as_ref(), verdict))?;
                }
            }
        }
        Ok(())
    }

    /// A file at or below a place that one side was not seen at: it stays as it is.
    fn unknown(&mut self, source: Option<&PlanFile>, dest: Option<&PlanFile>) -> Result<(), StorageError> {
        let Some(key) = source.or(dest).map(|file| file.path.match_key()) else { return Ok(()) };
        let at_dest = skipped::cover(self.connection, self.new.to.1, &key)?;
        let at_source = skipped::cover(self.connection, self.new.from.1, &key)?;
        let why = if at_dest.is_some() { Why::DestUnknown } else { Why::SourceUnknown };
        let place = at_dest.or(at_source).map(|cover| cover.text());
        self.write(PlanRow::of(source, dest, PairVerdict::Leave(why)).map(|row| PlanRow { place, ..row }))
    }

    /// A file that only the source has.
    fn alone(&mut self, source: Option<&PlanFile>) -> Result<(), StorageError> {
        let Some(file) = source else { return Ok(()) };
        let (mut verdict, mut place) = (judge_sides(source, None, self.new.rules), None);
        if verdict == PairVerdict::Do(PlanAction::Copy)
            && let Some((why, there)) = self.in_the_way(file)?
        {
            (verdict, place) = (PairVerdict::Leave(why), there);
        }
        self.write(PlanRow::of(source, None, verdict).map(|row| PlanRow { place, ..row }))
    }

    /// A file that only the destination has. Where the source has nearly its name and can't be copied for that,
    /// it stays, too: else neither would be left.
    fn too_many(&mut self, dest: Option<&PlanFile>) -> Result<(), StorageError> {
        let Some(file) = dest else { return Ok(()) };
        let (mut verdict, mut place) = (judge_sides(None, dest, self.new.rules), None);
        if verdict == PairVerdict::Do(PlanAction::Delete)
            && let Some(twin) = self.twin(self.new.from.1, &file.path)?
            && !self.is_renamed(&content(&twin), &twin.path, &file.content, &file.path)?
        {
            (verdict, place) = (PairVerdict::Leave(Why::CaseTwin), Some(twin.path.to_string()));
        }
        self.write(PlanRow::of(None, dest, verdict).map(|row| PlanRow { place, ..row }))
    }

    /// What keeps the destination from getting a file, and where that is.
    fn in_the_way(&mut self, file: &PlanFile) -> Result<Option<(Why, Option<String>)>, StorageError> {
        match self.folders.spelled(file.path.parent())? {
            Err(InTheWay::Nearly(there)) => return Ok(Some((Why::CaseTwin, Some(there.to_string())))),
            Err(InTheWay::File(_) | InTheWay::Name(_)) => return Ok(Some((Why::InTheWay, None))),
            Ok(_) => {}
        }
        if index::folder_like(self.connection, self.new.to.1, &file.path)?.is_some() {
            return Ok(Some((Why::InTheWay, None)));
        }
        let Some(twin) = self.twin(self.new.to.1, &file.path)? else { return Ok(None) };
        let renamed = self.is_renamed(&file.content, &file.path, &content(&twin), &twin.path)?;
        Ok((!renamed).then(|| (Why::CaseTwin, Some(twin.path.to_string()))))
    }

    /// A file of a root whose name differs from this one only in case, where that makes it another file.
    fn twin(&self, root: RootRowId, path: &RelPath) -> Result<Option<FileRow>, StorageError> {
        if !self.exact {
            return Ok(None);
        }
        let found = index::files_at_key(self.connection, root, &path.match_key())?;
        Ok(found.into_iter().find(|found| found.path != *path))
    }

    /// Whether the destination's file gets the name of the source's in place of a copy and a delete.
    fn is_renamed(
        &mut self,
        source: &Content,
        path: &RelPath,
        dest: &Content,
        dest_path: &RelPath,
    ) -> Result<bool, StorageError> {
        let is_same = source.size_bytes > 0 && source.hash.is_some() && source.hash == dest.hash;
        Ok(self.new.rules.deletes
            && is_same
            && path.is_beside(dest_path)
            && self.folders.spelled(path.parent())? == Ok(path.parent()))
    }

    fn is_meant(&self, file: &PlanFile) -> bool {
        match &self.new.folder {
            None => true,
            Some(folder) if self.exact => file.path.is_within(folder),
            Some(folder) => {
                let (from, to) = folder_range(&folder.match_key());
                (from..to).contains(&file.path.match_key())
            }
        }
    }

    fn write(&mut self, row: Option<PlanRow>) -> Result<(), StorageError> {
        let Some(row) = row else { return Ok(()) };
        self.n_rows += 1;
        self.totals.of(row.action).add(row.stamp.size_bytes);
        rows::insert(self.connection, self.id, self.n_rows, &row)
    }
}
