//! Lines of the history.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::history::{NewLine, add};
use crate::storage::views::test_library::TestLibrary;

#[test]
fn filters_and_pages() {
    let library = TestLibrary::new();
    library.write(|tx| {
        for n in 0..5 {
            add(tx, &NewLine::new("scan", Level::Info, format!("Scan {n}")).root(Root::Lake))?;
            add(tx, &NewLine::new("batch", Level::Error, "Copied").detail(format!("Full Disk {n}")).batch(BatchId(n)))?;
        }
        Ok(())
    });
    let read = |filter: HistoryFilter, limit, cursor| {
        library.read(|c| list(c, &filter, &PageRequest::new(limit, cursor).unwrap()))
    };
    let page = read(HistoryFilter::default(), 4, None);
    assert_eq!((page.total, page.items.len()), (10, 4));
    assert_eq!(page.items.first().unwrap().batch_id, Some(BatchId(4)));
    let page = read(HistoryFilter::default(), 6, page.next_cursor);
    assert_eq!((page.items.len(), page.next_cursor), (6, None));
    assert_eq!(page.items.last().unwrap().summary, "Scan 0");

    let found = |filter: HistoryFilter| read(filter, 100, None).total;
    assert_eq!(found(HistoryFilter { kind: Some("scan".into()), ..Default::default() }), 5);
    assert_eq!(found(HistoryFilter { level: Some(Level::Error), ..Default::default() }), 5);
    assert_eq!(found(HistoryFilter { root: Some(Root::Lake), ..Default::default() }), 5);
    assert_eq!(found(HistoryFilter { search: Some("full disk 3".into()), ..Default::default() }), 1);
    assert_eq!(found(HistoryFilter { search: Some(" ".into()), ..Default::default() }), 10);
}
