//! How long work is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

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
pub struct CancelFlag(Arc<Raised>);

#[derive(Debug, Default)]
struct Raised {
    flag: AtomicBool,
    /// Held while the flag is raised, so that nobody who is about to wait misses it.
    turn: Mutex<()>,
    told: Condvar,
}

impl CancelFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it, for good.
    pub fn cancel(&self) {
        let _turn = self.0.turn.lock();
        self.0.flag.store(true, Ordering::Relaxed);
        self.0.told.notify_all();
    }

    /// Whether it is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Relaxed)
    }

    /// Waits for so long, or until it is raised.
    pub fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut turn = self.0.turn.lock();
        while !self.is_cancelled() && !self.0.told.wait_until(&mut turn, end).timed_out() {}
    }

    /// The same as an answer.
    pub fn flow(&self) -> Flow {
        if self.is_cancelled() { Flow::Stop } else { Flow::Continue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_clone_is_the_same_flag() {
        let flag = CancelFlag::new();
        let other = flag.clone();
        assert_eq!(other.flow(), Flow::Continue);
        flag.cancel();
        assert_eq!(other.flow(), Flow::Stop);
    }

    #[test]
    fn a_pause_ends_when_the_flag_is_raised_and_passes_where_it_is_not() {
        let flag = CancelFlag::new();
        flag.pause(Duration::from_millis(1));
        assert!(!flag.is_cancelled());
        std::thread::scope(|scope| {
            // Whoever waits, and whoever comes only after it was raised: a pause of an hour would never end here.
            let waiting = [flag.clone(), flag.clone()].map(|flag| scope.spawn(move || flag.pause(HOUR)));
            // Until they do wait. If they did not yet, less would be verified, but nothing else.
            flag.pause(Duration::from_millis(50));
            flag.cancel();
            flag.pause(HOUR);
            assert!(waiting.into_iter().all(|waiting| waiting.join().is_ok()));
        });
    }
}
