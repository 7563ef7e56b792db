//! What history tells of failures: one line for a batch, however many of its files failed. Which ones,
//! and why each did, stands on the batch's page.

use std::collections::BTreeMap;

use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::storage::history::{self, Level, NewLine};
use crate::storage::queue::failures::{self, Failures};
use crate::storage::queue::outcome::Stepped;
use crate::storage::{Connection, StorageError};

/// Reasons that a line names.
const NAMED: usize = 3;

/// Writes the lines of all batches of which something failed now, in the transaction that stores it.
/// Tells whether there was anything to tell.
pub(super) fn tell(connection: &Connection, stepped: &[Stepped]) -> Result<bool, StorageError> {
    let failed = stepped.iter().filter(|one| one.transfer.progress.state == TransferState::Failed);
    let batches: BTreeMap<BatchId, Root> = failed.map(|one| (one.transfer.batch_id, one.transfer.from)).collect();
    for (batch, from) in &batches {
        let (summary, detail) = words(&failures::of_batch(connection, *batch)?);
        let line = NewLine { detail, ..NewLine::new("batch", Level::Error, summary) }.root(*from).batch(*batch);
        history::add_failures(connection, &line, *batch)?;
    }
    Ok(!batches.is_empty())
}

/// The sentence and the reasons behind it.
fn words(found: &[Failures]) -> (String, Option<String>) {
    if let [Failures { n: 1, example: Some(only), .. }] = found {
        return (format!("{} of {} failed: {}", only.operation, only.path, only.detail), None);
    }
    let n: u64 = found.iter().map(|failures| failures.n).sum();
    let mut reasons: Vec<String> = found.iter().take(NAMED).map(reason).collect();
    if found.len() > NAMED {
        reasons.push(format!("and {} other reasons", found.len() - NAMED));
    }
    (format!("{n} files failed"), Some(reasons.join(" · ")))
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
    fn one_failure_is_told_whole_and_many_by_their_reasons() {
        let (summary, detail) = words(&[failures("changed", 1, "vae/a.pt")]);
        assert_eq!((summary.as_str(), detail), ("copy of vae/a.pt failed: Because of changed.", None));
        let (summary, detail) = words(&[failures("exists", 1_200, "loras/b.pt"), failures("changed", 1, "vae/a.pt")]);
        assert_eq!(summary, "1201 files failed");
        assert_eq!(
            detail.as_deref(),
            Some("1200 × exists, as loras/b.pt: Because of exists. · vae/a.pt: Because of changed.")
        );
        let many: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(|code| failures(code, 2, "x")).collect();
        assert!(words(&many).1.is_some_and(|detail| detail.ends_with(" · and 2 other reasons")));
    }
}
