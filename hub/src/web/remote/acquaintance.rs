//! Whether whoever is at the other end of a connection has shown a key that is good.
//!
//! The listener gives each connection one of these; the guard notes the key on it. Who has shown none can be put out to
//! make room for others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Of one connection; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Acquaintance(Arc<AtomicBool>);

impl Acquaintance {
    /// It has shown a good key.
    pub(super) fn has_shown_key(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it ever has.
    pub fn is_friend(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
