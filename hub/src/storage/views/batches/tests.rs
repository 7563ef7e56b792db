//! Batches with their progress.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::views::test_library::TestLibrary;

#[test]
fn progress_is_the_sum_of_the_transfers() {
    let library = TestLibrary::new();
    library.write(|tx| {
        tx.execute_batch(
            r#"INSERT INTO batches (id, operation, from_root, to_root, skipped, created_at)
                   VALUES (1, 'delete', 'lake', NULL, '[{"path": "a", "why": "gone"}]', 5);
               INSERT INTO batches (id, operation, from_root, undo_of, created_at) VALUES (2, 'restore', 'lake', 1, 6);"#,
        )?;
        for (state, size) in
            [("completed", 1), ("completed", 10), ("failed", 100), ("cancelled", 1_000), ("paused", 5), ("waiting", 7)]
        {
            tx.execute(
                "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, path, state, position,
                                        size_bytes, modified, created_at)
                 VALUES (1, 'delete', 'lake', 2, 'a', ?1, 1, ?2, 0, 5)",
                (state, size),
            )?;
        }
        Ok(())
    });
    let first = library.read(|c| show(c, BatchId(1))).unwrap();
    assert_eq!((first.n_transfers, first.n_open, first.n_paused), (6, 2, 1));
    assert_eq!((first.n_completed, first.n_failed, first.n_cancelled), (2, 1, 1));
    assert_eq!((first.size_bytes, first.completed_bytes), (1_123, 11));
    assert_eq!(first.undone_by, Some(BatchId(2)));
    assert_eq!(first.skipped, serde_json::json!([{"path": "a", "why": "gone"}]));

    let page = library.read(|c| list(c, &PageRequest::new(1, None).unwrap()));
    assert_eq!((page.total, page.items.iter().map(|batch| batch.id.0).collect::<Vec<_>>()), (2, vec![2]));
    let page = library.read(|c| list(c, &PageRequest::new(1, page.next_cursor).unwrap()));
    let shown = BatchView { skipped: serde_json::json!([]), ..first };
    assert_eq!((shown.n_skipped, page.items), (1, vec![shown]));
    assert_eq!(page.next_cursor, None);
}
