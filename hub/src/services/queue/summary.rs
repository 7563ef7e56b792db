//! What history tells of a batch: one line, whatever becomes of it and however many of its files failed.
//! Which ones, and why each did, stands on the batch's page.

use std::collections::BTreeSet;

use crate::domain::batch_summary::{BatchKind, BatchSummary};
use crate::domain::ids::BatchId;
use crate::domain::transfer::TransferState;
use crate::storage::history::{Level, NewLine};
use crate::storage::queue::downloads;
use crate::storage::queue::failures::{self, Failures};
use crate::storage::queue::outcome::Stepped;
use crate::storage::queue::summary;
use crate::storage::{Connection, StorageError};

/// Reasons that a line names.
const NAMED: usize = 3;

/// What a batch brings back that was evicted.
pub(in crate::services) const BRING_BACK: &str = "bring_back";

/// Begins the line of a new batch, in the transaction that makes it.
pub(in crate::services) fn begin(
    connection: &Connection,
    batch: BatchId,
    told_as: Option<&str>,
    n: u64,
    n_skipped: u64,
) -> Result<(), StorageError> {
    summary::note(connection, batch, told_as, n, n_skipped)?;
    write(connection, batch, |line| line)
}

/// Goes on with the line of a batch of which some are tried again.
pub(super) fn again(connection: &Connection, batch: BatchId, what: &str) -> Result<(), StorageError> {
    summary::note_again(connection, batch)?;
    write(connection, batch, |line| NewLine { summary: format!("Trying {what} again: {}", line.summary), ..line })
}

/// Writes the lines of all batches that ended now, or of which something failed now, in the transaction
/// that stores it. Tells whether there was anything to tell.
pub(super) fn tell(connection: &Connection, stepped: &[Stepped]) -> Result<bool, StorageError> {
    let of = |is_it: fn(TransferState) -> bool| -> BTreeSet<BatchId> {
        let found = stepped.iter().filter(|one| is_it(one.transfer.progress.state));
        found.map(|one| one.transfer.batch_id).collect()
    };
    let (ended, failed) = (of(TransferState::is_final), of(|state| state == TransferState::Failed));
    let mut is_told = false;
    for batch in ended {
        let is_open = crate::storage::queue::batches::is_open(connection, batch)?;
        if !is_open || failed.contains(&batch) {
            write(connection, batch, |line| line)?;
            is_told = true;
        }
    }
    Ok(is_told)
}

fn write(connection: &Connection, batch: BatchId, change: impl FnOnce(NewLine) -> NewLine) -> Result<(), StorageError> {
    let Some((told, has_ended)) = summary::read(connection, batch)? else { return Ok(()) };
    let summary = if has_ended { told.ended() } else { told.running() };
    let level = if told.n_failed > 0 { Level::Error } else { Level::Info };
    let detail = if told.n_failed > 0 {
        reasons(&failures::of_batch(connection, batch)?)
    } else if has_ended {
        other_times(summary::n_other_times(connection, batch)?)
            .or(not_verified(downloads::n_not_verified(connection, batch)?))
    } else {
        None
    };
    let line = NewLine { detail, ..NewLine::new("batch", level, summary) }.root(root(&told)).batch(batch);
    summary::tell(connection, &change(line), batch, has_ended)
}

/// The root whose files a line is about.
fn root(told: &BatchSummary) -> crate::domain::root::Root {
    match told.kind {
        BatchKind::Mirror | BatchKind::BringBack => told.to.unwrap_or(told.from),
        _ => told.from,
    }
}

/// What a disk makes of times that it does not keep.
fn other_times(n: u64) -> Option<String> {
    let files = if n == 1 { "1 file has".to_owned() } else { format!("{n} files have") };
    (n > 0).then(|| {
        format!(
            "{files} another time than the source, because the disk does not keep it: they are compared by content."
        )
    })
}

/// Of what came from a site that tells no digest it is only known that it came.
fn not_verified(n: u64) -> Option<String> {
    let files = if n == 1 { "1 file is".to_owned() } else { format!("{n} files are") };
    (n > 0).then(|| format!("{files} not verified: no hash was known beforehand."))
}

/// Why files failed.
fn reasons(found: &[Failures]) -> Option<String> {
    let mut reasons: Vec<String> = found.iter().take(NAMED).map(reason).collect();
    if found.len() > NAMED {
        reasons.push(format!("and {} other reasons", found.len() - NAMED));
    }
    (!reasons.is_empty()).then(|| reasons.join(" · "))
}

fn reason(failures: &Failures) -> String {
    let Failures { code, n, example } = failures;
    match example {
        Some(example) if *n == 1 => format!("{}: {}", example.path, example.detail),
        Some(example) => format!("{n} × {code}, as {}: {}", example.path, example.detail),
        None => format!("{n} × {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::queue::failures::Example;

    fn failures(code: &str, n: u64, path: &str) -> Failures {
        let example = Example { operation: "copy".into(), path: path.into(), detail: format!("Because of {code}.") };
        Failures { code: code.into(), n, example: Some(example) }
    }

    #[test]
    fn times_that_were_not_kept_are_told() {
        assert_eq!(other_times(0), None);
        assert!(other_times(1).is_some_and(|text| text.starts_with("1 file has another time")));
        assert!(other_times(30).is_some_and(|text| text.starts_with("30 files have another time")));
    }

    #[test]
    fn what_nothing_was_known_of_is_told() {
        assert_eq!(not_verified(0), None);
        assert_eq!(not_verified(1).as_deref(), Some("1 file is not verified: no hash was known beforehand."));
        assert!(not_verified(2).is_some_and(|text| text.starts_with("2 files are not verified")));
    }

    #[test]
    fn failures_are_told_by_their_reasons() {
        assert_eq!(reasons(&[]), None);
        assert_eq!(reasons(&[failures("changed", 1, "vae/a.pt")]).as_deref(), Some("vae/a.pt: Because of changed."));
        let detail = reasons(&[failures("exists", 1_200, "loras/b.pt"), failures("changed", 1, "vae/a.pt")]);
        assert_eq!(
            detail.as_deref(),
            Some("1200 × exists, as loras/b.pt: Because of exists. · vae/a.pt: Because of changed.")
        );
        let many: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(|code| failures(code, 2, "x")).collect();
        assert!(reasons(&many).is_some_and(|detail| detail.ends_with(" · and 2 other reasons")));
    }
}
