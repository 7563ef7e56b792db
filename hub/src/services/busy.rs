//! What works on each root. Reading waits while transfers do: one head can't be in two places, and the network is what a
//! copy needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::root::{PerRoot, Root};

/// Counts one kind of work per root; clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy {
    counts: Arc<PerRoot<AtomicUsize>>,
}

impl Busy {
    /// Nothing under way.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Says that something works on a root until the answer is dropped.
    pub(super) fn begin(&self, root: Root) -> BusyGuard {
        self.counts.get(root).fetch_add(1, Ordering::Relaxed);
        BusyGuard { busy: self.clone(), root }
    }

    /// Whether something works on a root.
    pub(super) fn is_busy(&self, root: Root) -> bool {
        self.n(root) > 0
    }

    /// How much works on a root.
    pub(super) fn n(&self, root: Root) -> usize {
        self.counts.get(root).load(Ordering::Relaxed)
    }
}

/// Ends a [`Busy::begin`].
#[derive(Debug)]
pub(super) struct BusyGuard {
    busy: Busy,
    root: Root,
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.busy.counts.get(self.root).fetch_sub(1, Ordering::Relaxed);
    }
}
