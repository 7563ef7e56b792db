//! Counts that are dear to take and stay true until the index changes.
//!
//! The total of a search has to look at every name, and the comparison's summary at every row. A
//! list asks for them with each page, so the last few are kept together with the generations of the
//! index that they were taken at.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::entry::{StatusTotals, Totals};
use super::filter::{FileFilter, PairFilter};
use super::models::{ModelFilter, ModelGroups};
use super::space;
use crate::domain::root::Root;
use crate::domain::space::Age;
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, pairs, roots};

/// Counts remembered of each kind. One costs a few hundred bytes.
const KEPT: usize = 64;

/// The last few counts; clones share them.
#[derive(Debug, Clone, Default)]
pub struct CountCache {
    files: Recent<FileFilter, u64>,
    pairs: Recent<PairFilter, u64>,
    summaries: Recent<PairFilter, Vec<StatusTotals>>,
    ages: Recent<(Root, i64), Vec<(Age, Totals)>>,
    models: Recent<ModelFilter, Arc<ModelGroups>, i64>,
}

impl CountCache {
    /// How many files a filter means.
    pub(super) fn files(
        &self,
        connection: &Connection,
        filter: &FileFilter,
        take: impl FnOnce() -> Result<u64, StorageError>,
    ) -> Result<u64, StorageError> {
        self.files.get(CountStamp::read(connection)?, filter, take)
    }

    /// How many rows of the comparison a filter means.
    pub(super) fn pairs(
        &self,
        connection: &Connection,
        filter: &PairFilter,
        take: impl FnOnce() -> Result<u64, StorageError>,
    ) -> Result<u64, StorageError> {
        match CountStamp::of_pairs(connection)? {
            Some(stamp) => self.pairs.get(stamp, filter, take),
            None => take(),
        }
    }

    /// Files and bytes of a root by age; taken again when the index changes, and every day.
    pub fn ages(&self, connection: &Connection, root: Root, now: Ticks) -> Result<Vec<(Age, Totals)>, StorageError> {
        const DAY: i64 = 24 * 60 * 60 * 10_000_000;
        let day = now.0.div_euclid(DAY);
        self.ages.get(CountStamp::read(connection)?, &(root, day), || space::ages(connection, root, now))
    }

    /// The models that a filter means, counted.
    pub(super) fn models(
        &self,
        connection: &Connection,
        filter: &ModelFilter,
        take: impl FnOnce() -> Result<Arc<ModelGroups>, StorageError>,
    ) -> Result<Arc<ModelGroups>, StorageError> {
        let sql = "SELECT n FROM models_generation";
        let generation = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        self.models.get(generation, filter, take)
    }

    /// The comparison's summary of what a filter means.
    pub(super) fn summary(
        &self,
        connection: &Connection,
        filter: &PairFilter,
        take: impl FnOnce() -> Result<Vec<StatusTotals>, StorageError>,
    ) -> Result<Vec<StatusTotals>, StorageError> {
        match CountStamp::of_pairs(connection)? {
            Some(stamp) => self.summaries.get(stamp, filter, take),
            None => take(),
        }
    }
}

/// Both roots' rows and generations: whatever changes the index or the comparison changes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CountStamp([(i64, i64); 2]);

impl CountStamp {
    fn read(connection: &Connection) -> Result<Self, StorageError> {
        let mut stamp = Self([(-1, -1); 2]);
        for (slot, root) in stamp.0.iter_mut().zip(Root::ALL) {
            if let Some(row) = roots::active(connection, root)? {
                *slot = (row.id.0, row.generation);
            }
        }
        Ok(stamp)
    }

    /// None while rows of the comparison are out of date: such rows belong to no generation.
    fn of_pairs(connection: &Connection) -> Result<Option<Self>, StorageError> {
        if pairs::is_stale(connection)? { Ok(None) } else { Self::read(connection).map(Some) }
    }
}

/// The last few values by key, each true at its stamp only.
#[derive(Debug, Clone)]
struct Recent<K, V, S = CountStamp> {
    kept: Arc<Mutex<VecDeque<(K, S, V)>>>,
}

impl<K, V, S> Default for Recent<K, V, S> {
    fn default() -> Self {
        Self { kept: Arc::default() }
    }
}

impl<K: Clone + PartialEq, V: Clone, S: PartialEq> Recent<K, V, S> {
    /// The value at this stamp, taken only if it is not known.
    fn get<E>(&self, stamp: S, key: &K, take: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some((_, _, value)) = self.kept.lock().iter().find(|kept| kept.1 == stamp && kept.0 == *key) {
            return Ok(value.clone());
        }
        let value = take()?;
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.0 != *key);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((key.clone(), stamp, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: CountStamp = CountStamp([(1, 1), (2, 1)]);

    #[test]
    fn a_value_is_taken_once_per_generation() {
        let recent = Recent::default();
        let take = |value| move || Ok::<_, ()>(value);
        assert_eq!(recent.get(STAMP, &"a", take(5)), Ok(5));
        assert_eq!(recent.get(STAMP, &"a", take(6)), Ok(5), "known");
        assert_eq!(recent.get(CountStamp([(1, 1), (2, 2)]), &"a", take(7)), Ok(7), "the index has changed");
        assert_eq!(recent.get(STAMP, &"b", take(8)), Ok(8));
        assert_eq!(recent.get(STAMP, &"c", || Err(9)), Err(9));
    }

    #[test]
    fn only_the_last_few_stay() {
        let recent = Recent::default();
        for n in 0..200 {
            assert_eq!(recent.get(STAMP, &n, || Ok::<_, ()>(n)), Ok(n));
        }
        assert_eq!(recent.kept.lock().len(), KEPT);
    }
}
