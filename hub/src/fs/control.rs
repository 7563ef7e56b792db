//! How long work is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What work does next, as answered by whoever watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop here; what is done so far stays for a later start.
    Stop,
}

/// A flag that many threads read and anyone raises, once.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The same as an answer.
    pub fn flow(&self) -> Flow {
        if self.is_cancelled() { Flow::Stop } else { Flow::Continue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_flag() {
        let flag = CancelFlag::new();
        let other = flag.clone();
        assert_eq!(other.flow(), Flow::Continue);
        flag.cancel();
        assert_eq!(other.flow(), Flow::Stop);
    }
}
