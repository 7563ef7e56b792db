//! Which roots transfers are working on. Hashing waits meanwhile: one head can't be in two places,
//! and the network is what a copy needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::root::{PerRoot, Root};

/// Counts transfers per root; clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Busy {
    counts: Arc<PerRoot<AtomicUsize>>,
}

impl Busy {
    /// Nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that a transfer works on a root until the answer is dropped.
    pub fn begin(&self, root: Root) -> BusyGuard {
        self.counts.get(root).fetch_add(1, Ordering::Relaxed);
        BusyGuard { busy: self.clone(), root }
    }

    /// Whether a transfer works on a root.
    pub fn is_busy(&self, root: Root) -> bool {
        self.counts.get(root).load(Ordering::Relaxed) > 0
    }
}

/// Ends a [`Busy::begin`].
#[derive(Debug)]
pub struct BusyGuard {
    busy: Busy,
    root: Root,
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.busy.counts.get(self.root).fetch_sub(1, Ordering::Relaxed);
    }
}
