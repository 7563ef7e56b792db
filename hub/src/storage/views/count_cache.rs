//! Counts that are dear to take and stay true until the index changes.
//!
//! The total of a search has to look at every name. A list asks for it with each page, so the last
//! few are kept together with the generation of the index they were taken at.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::filter::{FileFilter, PairFilter};
use crate::domain::root::Root;
use crate::storage::{StorageError, roots};

/// Totals remembered. Each costs a few hundred bytes.
const KEPT: usize = 64;

/// The last few totals; clones share them.
#[derive(Debug, Clone, Default)]
pub struct CountCache {
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counted {
    Files(FileFilter),
    Pairs(PairFilter),
}

/// Both roots' rows and generations: whatever changes the index or the comparison changes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([(i64, i64); 2]);

#[derive(Debug)]
struct Kept {
    counted: Counted,
    stamp: Stamp,
    total: u64,
}

impl Stamp {
    pub(super) fn read(connection: &Connection) -> Result<Self, StorageError> {
        let mut stamp = Self([(-1, -1); 2]);
        for (slot, root) in stamp.0.iter_mut().zip(Root::ALL) {
            if let Some(row) = roots::active(connection, root)? {
                *slot = (row.id.0, row.generation);
            }
        }
        Ok(stamp)
    }
}

impl CountCache {
    /// A total at this stamp, taken only if it is not known.
    pub(super) fn total<E>(
        &self,
        counted: &Counted,
        stamp: Stamp,
        take: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, E> {
        let known = |kept: &&Kept| kept.stamp == stamp && kept.counted == *counted;
        if let Some(kept) = self.kept.lock().iter().find(known) {
            return Ok(kept.total);
        }
        let total = take()?;
        let mut all = self.kept.lock();
        all.retain(|kept| kept.counted != *counted);
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(Kept { counted: counted.clone(), stamp, total });
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp([(1, 1), (2, 1)]);

    #[test]
    fn a_total_is_taken_once_per_generation() {
        let cache = CountCache::default();
        let files = Counted::Files(FileFilter::whole(Root::Lake));
        let take = |total| move || Ok::<_, ()>(total);
        assert_eq!(cache.total(&files, STAMP, take(5)), Ok(5));
        assert_eq!(cache.total(&files, STAMP, take(6)), Ok(5), "known");
        assert_eq!(cache.total(&files, Stamp([(1, 1), (2, 2)]), take(7)), Ok(7), "the index has changed");
        assert_eq!(cache.total(&Counted::Pairs(PairFilter::default()), STAMP, take(8)), Ok(8));
    }

    #[test]
    fn only_the_last_few_stay() {
        let cache = CountCache::default();
        for n in 0..200 {
            let filter = FileFilter { search: Some(n.to_string()), ..FileFilter::whole(Root::Lake) };
            assert_eq!(cache.total(&Counted::Files(filter), STAMP, || Ok::<_, ()>(n)), Ok(n));
        }
        assert_eq!(cache.kept.lock().len(), KEPT);
    }
}
