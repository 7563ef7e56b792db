//! Scans and their reports.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::views::newest::newest;
use super::views::page::{Page, PageRequest};
use super::{StorageError, now_ms, timestamp};
use crate::domain::ids::{RootRowId, ScanId};
use crate::domain::root::Root;
use crate::domain::scan::{RootScan, ScanError, ScanReport, WorkState};

const COLUMNS: &str = "id, state, started_at, finished_at, report";

/// What of a report has no column of its own.
#[derive(Serialize, Deserialize)]
struct Stored {
    roots: BTreeMap<Root, RootScan>,
    errors: Vec<ScanError>,
}

/// Notes that a scan begins.
pub fn begin(connection: &Connection, roots: &[Root]) -> Result<ScanReport, StorageError> {
    let started = now_ms();
    let mut report = ScanReport::new(ScanId(0), roots, timestamp(started));
    connection.prepare_cached("INSERT INTO scans (state, started_at, report) VALUES (?1, ?2, ?3)")?.execute((
        report.state.as_str(),
        started,
        body(&report)?,
    ))?;
    report.id = ScanId(connection.last_insert_rowid());
    Ok(report)
}

/// Stores a report as it is now.
pub fn save(connection: &Connection, report: &ScanReport) -> Result<(), StorageError> {
    connection.prepare_cached("UPDATE scans SET state = ?2, finished_at = ?3, report = ?4 WHERE id = ?1")?.execute(
        (report.id.0, report.state.as_str(), report.finished_at.map(jiff::Timestamp::as_millisecond), body(report)?),
    )?;
    Ok(())
}

/// One scan.
pub fn show(connection: &Connection, id: ScanId) -> Result<Option<ScanReport>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM scans WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id.0], read).optional()?.transpose()
}

/// One page of scans, the newest first.
pub fn list(connection: &Connection, request: &PageRequest) -> Result<Page<ScanReport>, StorageError> {
    newest(connection, ("scans", COLUMNS), request, read)?.try_map(|row| row)
}

/// Ends what a killed hub left running, and keeps only the latest scans.
pub fn close_interrupted(connection: &Connection) -> Result<(), StorageError> {
    for report in list(connection, &PageRequest::latest(50))?.items {
        close(connection, report, WorkState::Failed, "The hub was stopped before the scan had ended.")?;
    }
    connection.execute("DELETE FROM scans WHERE id <= (SELECT max(id) FROM scans) - 500", [])?;
    Ok(())
}

/// Ends a scan that was cancelled before its turn came.
pub fn close_waiting(connection: &Connection, id: ScanId) -> Result<(), StorageError> {
    match show(connection, id)? {
        Some(report) => close(connection, report, WorkState::Cancelled, "Cancelled before it began."),
        None => Ok(()),
    }
}

fn close(connection: &Connection, mut report: ScanReport, state: WorkState, why: &str) -> Result<(), StorageError> {
    if report.state.is_final() {
        return Ok(());
    }
    for root in report.roots.values_mut().filter(|root| !root.state.is_final()) {
        root.state = state;
        root.detail = Some(why.to_owned());
    }
    report.state = state;
    report.finished_at = Some(timestamp(now_ms()));
    save(connection, &report)
}

/// Notes for a root that this was its last scan.
pub fn note_for_root(
    connection: &Connection,
    root: RootRowId,
    scan: ScanId,
    state: WorkState,
) -> Result<(), StorageError> {
    super::roots::set_scanned(connection, root, scan, state)
}

fn body(report: &ScanReport) -> Result<String, StorageError> {
    let stored = Stored { roots: report.roots.clone(), errors: report.errors.clone() };
    serde_json::to_string(&stored).map_err(|e| StorageError::damaged("a scan's report", e))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<ScanReport, StorageError>> {
    let (state, body): (String, String) = (row.get(1)?, row.get(4)?);
    let (id, started, finished) = (ScanId(row.get(0)?), row.get(2)?, row.get::<_, Option<i64>>(3)?);
    Ok(serde_json::from_str::<Stored>(&body).map_err(|e| StorageError::damaged("a scan's report", e)).map(|stored| {
        ScanReport {
            id,
            state: state.parse().unwrap_or(WorkState::Failed),
            roots: stored.roots,
            errors: stored.errors,
            started_at: timestamp(started),
            finished_at: finished.map(timestamp),
        }
    }))
}
