//! Orders of the queue's lists.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::views::test_library::TestLibrary;

/// Transfers 1 to `n` of two batches; the later ones stand further in front.
fn queue(library: &TestLibrary, n: i64) {
    library.write(|tx| {
        for batch in [1, 2] {
            tx.execute(
                "INSERT INTO batches (id, operation, from_root, to_root, created_at) VALUES (?1, 'copy', 'lake', 'local', 5)",
                [batch],
            )?;
        }
        for id in 1..=n {
            let state = ["queued", "running", "completed", "failed"].into_iter().cycle().nth(usize::try_from(id).unwrap());
            tx.execute(
                "INSERT INTO transfers (id, batch_id, operation, from_root, from_root_id, to_root, path, state,
                                        position, size_bytes, modified, created_at, error_code)
                 VALUES (?1, ?2, 'copy', 'lake', 2, 'local', 'loras/' || ?1, ?3, ?4, 10, 0, 5, 'changed')",
                (id, 1 + id % 2, state, f64::from(-i32::try_from(id).unwrap())),
            )?;
        }
        Ok(())
    });
}

/// All that run.
const RUNNING: [TransferId; 6] =
    [TransferId(1), TransferId(5), TransferId(9), TransferId(13), TransferId(17), TransferId(21)];

fn walk(library: &TestLibrary, filter: TransferFilter) -> (Vec<i64>, u64) {
    walk_at(library, filter, &RUNNING)
}

fn walk_at(library: &TestLibrary, filter: TransferFilter, at_work: &[TransferId]) -> (Vec<i64>, u64) {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = library.read(|c| list(c, &filter, &PageRequest::new(3, cursor).unwrap(), at_work));
        let is_asked = |transfer: &TransferView| filter.state.is_none_or(|state| state == transfer.state);
        assert!(page.items.iter().all(is_asked), "{:?}", page.items);
        all.extend(page.items.iter().map(|transfer| transfer.id.0));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return (all, page.total);
        }
    }
}

#[test]
fn each_filter_has_its_order() {
    let library = TestLibrary::new();
    queue(&library, 24);
    let state = |state| TransferFilter { state: Some(state), batch: None };
    assert_eq!(walk(&library, TransferFilter::default()), ((1..=24).rev().collect(), 24));
    assert_eq!(walk(&library, state(TransferState::Queued)), (vec![24, 20, 16, 12, 8, 4], 6), "whose turn is next");
    assert_eq!(walk(&library, state(TransferState::Completed)), (vec![2, 6, 10, 14, 18, 22], 6), "queued last first");
    assert_eq!(walk(&library, state(TransferState::Waiting)), (vec![], 0));
    let batch = TransferFilter { state: None, batch: Some(BatchId(1)) };
    assert_eq!(walk(&library, batch), ((1..=12).map(|n| n * 2).collect(), 12));
    let both = TransferFilter { state: Some(TransferState::Queued), batch: Some(BatchId(1)) };
    assert_eq!(walk(&library, both), (vec![4, 8, 12, 16, 20, 24], 6));
}

#[test]
fn what_was_claimed_and_is_not_worked_on_is_queued() {
    let library = TestLibrary::new();
    queue(&library, 24);
    let of = |state, batch| TransferFilter { state: Some(state), batch };
    let one = [TransferId(9)];
    assert_eq!(walk_at(&library, of(TransferState::Running, None), &one), (vec![9], 1));
    let queued = walk_at(&library, of(TransferState::Queued, None), &one);
    assert_eq!(queued, (vec![24, 21, 20, 17, 16, 13, 12, 8, 5, 4, 1], 11), "in the order of the queue, over pages");
    let batch = Some(BatchId(2));
    assert_eq!(walk_at(&library, of(TransferState::Running, batch), &one), (vec![9], 1));
    assert_eq!(walk_at(&library, of(TransferState::Queued, batch), &one), (vec![1, 5, 13, 17, 21], 5));
    let states = |at_work: &[TransferId]| {
        let all = library.read(|c| list(c, &TransferFilter::default(), &PageRequest::first(), at_work)).items;
        all.iter().filter(|transfer| transfer.state == TransferState::Running).count()
    };
    assert_eq!((states(&one), states(&[])), (1, 0));
    assert_eq!(library.read(|c| show(c, TransferId(5), &one)).unwrap().state, TransferState::Queued);
}

#[test]
fn a_transfer_is_told_whole() {
    let library = TestLibrary::new();
    queue(&library, 4);
    let transfer = library.read(|c| show(c, TransferId(3), &[])).unwrap();
    assert_eq!((transfer.from, transfer.to), (Root::Lake, Some(Root::Local)));
    assert_eq!((transfer.state, transfer.error.unwrap().code.as_str()), (TransferState::Failed, "changed"));
    assert_eq!(transfer.path.as_str(), "loras/3");
    assert_eq!(library.read(|c| show(c, TransferId(99), &[])), None);
}

#[test]
fn no_list_walks_the_table() {
    let library = TestLibrary::new();
    for (filter, index) in [
        (TransferFilter { state: Some(TransferState::Queued), batch: None }, "transfers_by_order"),
        (TransferFilter { state: Some(TransferState::Failed), batch: None }, "transfers_by_order"),
        (TransferFilter { state: None, batch: Some(BatchId(1)) }, "transfers_by_batch"),
        (TransferFilter { state: Some(TransferState::Failed), batch: Some(BatchId(1)) }, "transfers_failed"),
        (TransferFilter { state: Some(TransferState::Completed), batch: Some(BatchId(1)) }, "transfers_by_batch"),
        (TransferFilter::default(), "INTEGER PRIMARY KEY"),
    ] {
        let after = TransferKey { sorting: filter.sorting(), position: 4.0, id: TransferId(9) };
        let plan = library.read(|c| {
            Ok(list_statement(&filter, TransferPart::Stored, &[], Some(after), &PageRequest::first()).plan(c))
        });
        // What is a download's stands under its own key.
        let is_of_download = |step: &String| {
            step.starts_with("CORRELATED") || step.starts_with("SEARCH downloads USING INTEGER PRIMARY KEY")
        };
        let plan: Vec<String> = plan.into_iter().filter(|step| !is_of_download(step)).collect();
        assert_eq!(plan.len(), 1, "no sorting: {plan:?}");
        assert!(plan.iter().all(|step| step.starts_with("SEARCH transfers") && step.contains(index)), "{plan:?}");
    }
}
