//! Results on their way from readers to a writer, several at a time: a writer that is woken for every small file
//! takes more of the processor than the file does. And when the writer commits them, many at a time.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

/// Most results sent together.
const MOST: usize = 64;

/// The longest that a result waits for others while more come.
const LONGEST: Duration = Duration::from_millis(50);

/// Reading a file from this size on may take longer than that: what waits is sent before.
const LONG_BYTES: u64 = 16 << 20;

/// Most and fewest results committed together, and the longest that one waits for it.
const MOST_COMMITTED: usize = 8_192;
const FEWEST_COMMITTED: usize = 256;
pub(super) const COMMIT_TIME: Duration = Duration::from_secs(1);

/// Whether so many results, of which the first has waited for so long, are to be committed while so many files are
/// still to come. Many together wait for the disk once; but what is left when the readers have ended is written while
/// everyone waits, so towards the end it becomes less.
pub(super) fn is_due(n_received: usize, waited: Duration, n_to_come: usize) -> bool {
    n_received >= n_to_come.clamp(FEWEST_COMMITTED, MOST_COMMITTED) || waited >= COMMIT_TIME
}

/// The writer has gone.
#[derive(Debug)]
pub(super) struct Gone;

/// Collects one reader's results. What is left is sent when it is dropped.
pub(super) struct Bundle<T> {
    sender: Sender<Vec<T>>,
    waiting: Vec<T>,
    since: Instant,
    longest: Duration,
}

impl<T> Bundle<T> {
    /// An empty one.
    pub(super) fn new(sender: Sender<Vec<T>>) -> Self {
        Self { sender, waiting: Vec::new(), since: Instant::now(), longest: LONGEST }
    }

    /// Says that a file of this size is read next.
    pub(super) fn before(&mut self, size_bytes: u64) -> Result<(), Gone> {
        if size_bytes >= LONG_BYTES { self.send() } else { Ok(()) }
    }

    /// Adds a result.
    pub(super) fn add(&mut self, result: T) -> Result<(), Gone> {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push(result);
        if self.waiting.len() >= MOST || self.since.elapsed() >= self.longest { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Gone> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.sender.send(std::mem::take(&mut self.waiting)).map_err(|_| Gone)
    }
}

impl<T> Drop for Bundle<T> {
    fn drop(&mut self) {
        // Nobody is left to be told if the writer has gone.
        self.send().ok();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_for_a_long_file_or_is_lost_at_the_end() {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut bundle = Bundle::new(sender);
        bundle.longest = Duration::MAX;
        bundle.add(1).unwrap();
        bundle.before(LONG_BYTES - 1).unwrap();
        assert!(receiver.is_empty(), "one alone waits");
        bundle.before(LONG_BYTES).unwrap();
        assert_eq!(receiver.try_recv(), Ok(vec![1]));
        bundle.add(2).unwrap();
        bundle.longest = Duration::ZERO;
        bundle.add(3).unwrap();
        assert_eq!(receiver.try_recv(), Ok(vec![2, 3]), "long enough");
        bundle.add(4).unwrap();
        drop(bundle);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [[4]]);
    }

    #[test]
    fn commits_become_smaller_towards_the_end_and_wait_no_longer_than_their_time() {
        let (mut n_received, mut commits) = (0, Vec::new());
        for n_to_come in (0..20_000).rev() {
            n_received += 1;
            if is_due(n_received, Duration::ZERO, n_to_come) {
                commits.push(std::mem::take(&mut n_received));
            }
        }
        assert_eq!(commits, [8192, 5904, 2952, 1476, 738, 369, 256]);
        assert_eq!(n_received, 113, "all that everyone waits for");
        assert!(is_due(1, COMMIT_TIME, 100_000));
    }

    #[test]
    fn many_go_together_and_a_writer_that_has_gone_is_noticed() {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut bundle = Bundle::new(sender);
        // However slow this machine is: they come in order, none twice.
        (0..10 * MOST).try_for_each(|i| bundle.add(i)).unwrap();
        let bundles: Vec<Vec<usize>> = receiver.try_iter().collect();
        assert!(bundles.iter().all(|bundle| bundle.len() <= MOST));
        assert_eq!(bundles.concat(), (0..10 * MOST).collect::<Vec<_>>());
        drop(receiver);
        assert!((0..MOST).any(|i| bundle.add(i).is_err()));
    }
}
