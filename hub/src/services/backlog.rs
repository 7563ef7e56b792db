//! What some threads are ahead of the one that takes it, bounded by how much there is and by what it weighs: a few
//! hundred listings of large folders would be a whole library in memory.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::{Condvar, Mutex};

/// What may wait at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) n: usize,
    /// In whichever unit it is weighed.
    pub(super) weight: usize,
}

/// The end of those who are ahead; clones share it.
pub(super) struct Ahead<T> {
    things: Sender<T>,
    waiting: Arc<Waiting<T>>,
}

/// The end of the one who takes. Nobody waits for one that is dropped.
pub(super) struct Behind<T> {
    things: Receiver<T>,
    waiting: Arc<Waiting<T>>,
}

/// What comes next.
pub(super) enum Next<T> {
    Is(T),
    NothingYet,
    Ended,
}

struct Waiting<T> {
    most: usize,
    weigh: fn(&T) -> usize,
    /// The weight of what waits; none when nobody will take it.
    weight: Mutex<Option<usize>>,
    less: Condvar,
}

/// Both ends.
pub(super) fn backlog<T>(bounds: Bounds, weigh: fn(&T) -> usize) -> (Ahead<T>, Behind<T>) {
    let weight = Mutex::new(Some(0));
    let waiting = Arc::new(Waiting { most: bounds.weight, weigh, weight, less: Condvar::new() });
    let (sender, receiver) = crossbeam_channel::bounded(bounds.n);
    (Ahead { things: sender, waiting: Arc::clone(&waiting) }, Behind { things: receiver, waiting })
}

impl<T> Clone for Ahead<T> {
    fn clone(&self) -> Self {
        Self { things: self.things.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

impl<T> Ahead<T> {
    /// Waits for room. `false` if nobody takes it any more.
    pub(super) fn send(&self, thing: T) -> bool {
        let weight = (self.waiting.weigh)(&thing);
        let mut all = self.waiting.weight.lock();
        while all.is_some_and(|all| !has_room(all, weight, self.waiting.most)) {
            self.waiting.less.wait(&mut all);
        }
        let Some(sum) = all.as_mut() else { return false };
        *sum += weight;
        drop(all);
        self.things.send(thing).is_ok()
    }
}

impl<T> Behind<T> {
    /// What comes next, if it comes in time.
    pub(super) fn next(&self, within: Duration) -> Next<T> {
        match self.things.recv_timeout(within) {
            Ok(thing) => Next::Is(self.taken(thing)),
            Err(RecvTimeoutError::Timeout) => Next::NothingYet,
            Err(RecvTimeoutError::Disconnected) => Next::Ended,
        }
    }

    /// What waits already.
    pub(super) fn at_once(&self) -> Option<T> {
        self.things.try_recv().ok().map(|thing| self.taken(thing))
    }

    fn taken(&self, thing: T) -> T {
        let weight = (self.waiting.weigh)(&thing);
        if weight > 0 {
            if let Some(sum) = self.waiting.weight.lock().as_mut() {
                *sum -= weight;
            }
            self.waiting.less.notify_all();
        }
        thing
    }
}

impl<T> Drop for Behind<T> {
    fn drop(&mut self) {
        *self.waiting.weight.lock() = None;
        self.waiting.less.notify_all();
    }
}

/// Whether so much may join what waits. A thing that is heavier than all room comes alone.
const fn has_room(waiting: usize, weight: usize, most: usize) -> bool {
    waiting == 0 || waiting + weight <= most
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    const MOST: usize = 1_000;

    fn new() -> (Ahead<usize>, Behind<usize>) {
        backlog(Bounds { n: 64, weight: MOST }, |weight| *weight)
    }

    #[test]
    fn the_bound_is_kept_but_for_a_thing_that_is_heavier() {
        assert!(has_room(0, 1, MOST) && has_room(0, MOST + 1, MOST) && has_room(MOST - 1, 1, MOST));
        assert!(!has_room(MOST, 1, MOST) && !has_room(1, MOST, MOST));
    }

    #[test]
    fn those_ahead_go_on_with_what_is_taken_and_never_beyond_the_bound() {
        let (ahead, behind) = new();
        std::thread::scope(|scope| {
            let others =
                [ahead.clone(), ahead.clone()].map(|ahead| scope.spawn(move || (0..40).all(|_| ahead.send(MOST / 2))));
            for _ in 0..80 {
                assert!(matches!(behind.next(Duration::from_secs(10)), Next::Is(_)));
                assert!(behind.waiting.weight.lock().is_some_and(|all| all <= MOST));
            }
            assert!(others.into_iter().all(|other| other.join().unwrap()));
        });
        assert!(matches!(behind.next(Duration::ZERO), Next::NothingYet) && behind.at_once().is_none());
        drop(ahead);
        assert!(matches!(behind.next(Duration::from_secs(10)), Next::Ended));
    }

    #[test]
    fn who_waits_hears_that_nobody_takes_it_any_more() {
        let (ahead, behind) = new();
        assert!(ahead.send(MOST));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| ahead.send(1));
            drop(behind);
            assert!(!waits.join().unwrap());
        });
    }
}
