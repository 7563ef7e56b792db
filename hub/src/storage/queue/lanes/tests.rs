//! Who is next, and what it costs to ask.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]

use rusqlite::StatementStatus;
use shared_protocol::RelPath;

use super::*;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::retry::RetryPolicy;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::domain::transfer::{Failure, TransferEvent};
use crate::storage::Database;
use crate::storage::queue::batches::{BatchPlace, GrowingBatch, NewBatch, NewTransfer, place};
use crate::storage::queue::claim::{ClaimLimits, Work, next};
use crate::storage::queue::outcome::{self, Reason};

const LOCAL: RootRowId = RootRowId(1);
const LAKE: RootRowId = RootRowId(2);
const CLAIM_LIMITS: ClaimLimits =
    ClaimLimits { work: Work::Files, small_bytes: 1_000, n_most: 512, bytes_most: 1 << 20 };

struct Queue {
    database: Database,
    _folder: tempfile::TempDir,
}

fn copy(path: &str, phase: u32) -> NewTransfer {
    NewTransfer {
        operation: Operation::Copy,
        from: (Root::Lake, LAKE),
        to: Some((Root::Local, LOCAL)),
        path: RelPath::parse(path).unwrap(),
        to_path: None,
        on_conflict: OnConflict::Skip,
        size_bytes: 1,
        modified: Ticks(5),
        trash_path: None,
        occupant: None,
        phase,
    }
}

fn delete(path: &str, phase: u32) -> NewTransfer {
    NewTransfer { operation: Operation::Delete, from: (Root::Local, LOCAL), to: None, ..copy(path, phase) }
}

impl Queue {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { database: Database::open(&folder.path().join("hub.db")).unwrap().0, _folder: folder }
    }

    fn add(&self, transfers: impl IntoIterator<Item = NewTransfer>) {
        let batch = NewBatch {
            operation: Operation::Copy,
            from: Root::Lake,
            to: Some(Root::Local),
            on_conflict: OnConflict::Skip,
            skipped: "[]".into(),
            undo_of: None,
        };
        let add = |tx: &Connection| {
            let mut growing = GrowingBatch::begin(tx, &batch)?;
            transfers.into_iter().try_for_each(|new| growing.add(&new).map(drop))
        };
        self.database.write_blocking(|tx| add(tx)).unwrap();
    }

    fn claim(&self, live: &[RootRowId]) -> Vec<TransferRow> {
        self.database.write_blocking(|tx| next(tx, live, CLAIM_LIMITS, &RetryPolicy::with_tries(0))).unwrap()
    }

    /// Claims and tells the paths.
    fn paths(&self, live: &[RootRowId]) -> Vec<String> {
        self.claim(live).into_iter().map(|row| row.path.to_string()).collect()
    }

    fn end(&self, rows: &[TransferRow], event: TransferEvent) {
        let policy = RetryPolicy::with_tries(0);
        let reason = Reason { code: "changed", detail: "It changed.".into() };
        self.database
            .write_blocking(|tx| {
                rows.iter().try_for_each(|row| outcome::apply(tx, row.id, event, Some(&reason), &policy).map(drop))
            })
            .unwrap();
    }

    /// Steps of `SQLite`'s machine that a claim takes to find its transfers.
    fn steps(&self, live: &[RootRowId]) -> i32 {
        self.database
            .write_blocking(|tx| {
                let all = [BEHIND.to_owned(), OPEN_PHASE.to_owned(), head_sql(), rows_sql()];
                for sql in &all {
                    tx.prepare_cached(sql)?.reset_status(StatementStatus::VmStep);
                }
                first_alike(tx, live, Work::Files, 512, |_| true)?;
                all.iter().map(|sql| Ok(tx.prepare_cached(sql)?.get_status(StatementStatus::VmStep))).sum()
            })
            .unwrap()
    }
}

const BOTH: [RootRowId; 2] = [LOCAL, LAKE];

#[test]
fn phases_begin_one_after_the_other_whatever_became_of_those_before() {
    let queue = Queue::new();
    queue.add([copy("a", 1), copy("b", 1), copy("c", 7), delete("d", 9)]);
    queue.add([copy("e", 3)]);
    let first = queue.claim(&BOTH);
    assert_eq!(first.len(), 2);
    queue.end(&first[..1], TransferEvent::Succeeded);
    assert_eq!(queue.paths(&BOTH), ["e"], "the first batch waits, the other does not");
    queue.end(&first[1..], TransferEvent::Failed(Failure::Final));
    let second = queue.claim(&BOTH);
    assert_eq!((second.len(), second[0].phase), (1, 7));
    queue.end(&second, TransferEvent::Failed(Failure::Offline));
    assert!(queue.claim(&BOTH).is_empty(), "one that will be tried again has not ended");
    queue.end(&second, TransferEvent::Cancel);
    assert_eq!(queue.paths(&BOTH), ["d"]);
}

#[test]
fn downloads_and_work_on_files_are_claimed_apart() {
    let queue = Queue::new();
    let download = |path| NewTransfer { operation: Operation::Download, from: (Root::Local, LOCAL), ..copy(path, 0) };
    queue.add([download("a"), copy("b", 0), download("c")]);
    let limits = ClaimLimits { work: Work::Downloads, n_most: 1, ..CLAIM_LIMITS };
    let claim = |live: &[RootRowId]| {
        let claimed = |tx: &Connection| next(tx, live, limits, &RetryPolicy::with_tries(0));
        let rows = queue.database.write_blocking(|tx| claimed(tx)).unwrap();
        rows.into_iter().map(|row| row.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(claim(&[LAKE]), [""; 0], "its root is away");
    assert_eq!(claim(&[LOCAL]), ["a"]);
    assert_eq!(queue.paths(&BOTH), ["b"]);
    assert_eq!((claim(&BOTH), claim(&BOTH)), (vec!["c".to_owned()], Vec::new()));
}

#[test]
fn the_order_holds_across_lanes() {
    let queue = Queue::new();
    queue.add([copy("a", 0), delete("b", 0), copy("c", 0)]);
    queue.add([copy("d", 1)]);
    queue.add([copy("e", 0), copy("f", 0)]);
    assert_eq!(queue.paths(&BOTH), ["a"], "what comes between is not passed");
    assert_eq!(queue.paths(&BOTH), ["b"]);
    let last = queue.database.read_blocking(|c| Ok(c.query_row("SELECT max(id) FROM transfers", [], |r| r.get(0))?));
    let last = crate::domain::ids::TransferId(last.unwrap());
    queue.database.write_blocking(|tx| place(tx, last, BatchPlace::First)).unwrap();
    assert_eq!(queue.paths(&BOTH), ["f", "c"], "what was put first is first");
    assert_eq!(queue.paths(&BOTH), ["d"]);
    assert_eq!(queue.paths(&BOTH), ["e"]);
}

#[test]
fn a_path_that_is_worked_on_and_a_root_that_is_away_are_left() {
    let queue = Queue::new();
    queue.add([delete("same", 0), copy("same", 0), copy("other", 0)]);
    let first = queue.claim(&BOTH);
    assert_eq!(first.len(), 1);
    assert_eq!(queue.paths(&BOTH), ["other"]);
    queue.end(&first, TransferEvent::Succeeded);
    assert!(queue.claim(&[LOCAL]).is_empty() && queue.claim(&[]).is_empty(), "the Lake is away");
    assert_eq!(queue.paths(&BOTH), ["same"]);
}

#[test]
fn a_claim_costs_the_same_whatever_waits_behind_it() {
    let steps = |n: usize| {
        let queue = Queue::new();
        // Copies at their end, some of which failed; all deletes of the plan wait for them. Another plan
        // is held up by a Lake that is away, another one by a file that is tried again later.
        let name = |kind: &str, i: usize| format!("{kind}/{i}");
        queue.add((0..n / 10).map(|i| copy(&name("failed", i), 4)));
        queue.end(&queue.claim_all(), TransferEvent::Failed(Failure::Final));
        queue.add((0..5).map(|i| copy(&name("copy", i), 4)).chain((0..n).map(|i| delete(&name("gone", i), 5))));
        let (at_the_end, with_lake) = (queue.steps(&BOTH), queue.claim(&BOTH));
        assert_eq!(with_lake.len(), 5);
        queue.add((0..n).map(|i| copy(&name("later", i), 0)));
        let (held, away) = (queue.steps(&[]), queue.steps(&[LOCAL]));
        queue.end(&with_lake[..4], TransferEvent::Failed(Failure::Final));
        (at_the_end, held, away, queue.steps(&[LOCAL]))
    };
    let (few, many) = (steps(100), steps(20_000));
    assert_eq!(few, many);
}

impl Queue {
    fn claim_all(&self) -> Vec<TransferRow> {
        std::iter::from_fn(|| Some(self.claim(&BOTH)).filter(|rows| !rows.is_empty())).flatten().collect()
    }
}

#[test]
fn every_question_is_a_seek() {
    let queue = Queue::new();
    queue.add([copy("a", 1), delete("b", 2)]);
    let plans = queue
        .database
        .read_blocking(|connection| {
            let all = [BEHIND.to_owned(), OPEN_PHASE.to_owned(), head_sql(), rows_sql()];
            all.iter()
                .map(|sql| {
                    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                    let n = statement.parameter_count();
                    let rows = statement.query_map(rusqlite::params_from_iter(vec![1; n]), |row| row.get(3))?;
                    Ok(rows.collect::<Result<Vec<String>, _>>()?)
                })
                .collect::<Result<Vec<_>, StorageError>>()
        })
        .unwrap();
    assert!(
        plans[0][0].contains("USING INDEX transfers_by_lane ((lane,phase,from_root_id,lane_to,position)>("),
        "{plans:?}"
    );
    assert!(plans[1][0].contains("transfers_open_phases (batch_id=? AND phase>?)"), "{plans:?}");
    for plan in &plans[2..] {
        assert!(
            plan[0].contains("transfers_by_lane (lane=? AND phase=? AND from_root_id=? AND lane_to=?"),
            "{plans:?}"
        );
    }
    assert!(!plans.iter().flatten().any(|step| step.contains("SCAN") || step.contains("TEMP B-TREE")), "{plans:?}");
}
