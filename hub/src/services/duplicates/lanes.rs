//! Which reader of a root takes which name.
//!
//! Where a root has several readers, some begin with the big files and the others with the small ones, and each helps
//! with the rest: so the writer, who has as much to do for a small file as for a big one, is busy all the time instead
//! of behind everyone at the end, and nobody is left alone with one big file.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files from this size on are read the biggest first, the others as they lie.
const BIG_BYTES: u64 = 16 << 20;

/// The names of one root that are to be read.
pub(super) struct Lanes {
    n_readers: usize,
    lanes: Vec<Lane>,
}

struct Lane {
    names: Vec<usize>,
    next: AtomicUsize,
}

impl Lanes {
    /// For at most so many readers.
    pub(super) fn new(names: Vec<usize>, size_bytes: &dyn Fn(usize) -> u64, n_readers: usize) -> Self {
        let n_readers = n_readers.min(names.len());
        let lanes = if n_readers > 1 {
            let (mut big, small): (Vec<_>, Vec<_>) = names.into_iter().partition(|at| size_bytes(*at) >= BIG_BYTES);
            big.sort_by_key(|at| Reverse(size_bytes(*at)));
            vec![big, small]
        } else {
            vec![names]
        };
        let lanes = lanes.into_iter().map(|names| Lane { names, next: AtomicUsize::new(0) }).collect();
        Self { n_readers, lanes }
    }

    /// How many readers have something to do.
    pub(super) const fn n_readers(&self) -> usize {
        self.n_readers
    }

    /// The next name for one of them.
    pub(super) fn next(&self, reader: usize) -> Option<usize> {
        let n = self.lanes.len();
        let own_first = (0..n).filter_map(|at| self.lanes.get((reader + at) % n));
        own_first.into_iter().find_map(|lane| lane.names.get(lane.next.fetch_add(1, Ordering::Relaxed)).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names whose number says their size.
    fn size(at: usize) -> u64 {
        if at < 10 { BIG_BYTES + at as u64 } else { BIG_BYTES - 1 }
    }

    #[test]
    fn one_begins_with_the_big_ones_the_other_with_the_small_ones_and_each_helps_with_the_rest() {
        let lanes = Lanes::new(vec![20, 3, 21, 5, 22], &size, 2);
        let order = [0, 1, 0, 0, 1, 0, 1].map(|reader| lanes.next(reader));
        assert_eq!(order, [Some(5), Some(20), Some(3), Some(21), Some(22), None, None]);
    }

    #[test]
    fn one_alone_goes_through_the_folders_once() {
        let lanes = Lanes::new(vec![20, 3, 21, 5], &size, 1);
        assert_eq!([0; 5].map(|reader| lanes.next(reader)), [Some(20), Some(3), Some(21), Some(5), None]);
    }

    #[test]
    fn nobody_reads_what_is_not_there() {
        assert_eq!(Lanes::new(Vec::new(), &size, 2).n_readers(), 0);
        assert_eq!(Lanes::new(vec![1], &size, 4).n_readers(), 1);
    }
}
