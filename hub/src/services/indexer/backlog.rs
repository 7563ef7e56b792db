//! What the walk is ahead of the writer, bounded by files: a few hundred listings of large folders would be a whole
//! library in memory.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::{Condvar, Mutex};

use super::seen::{Seen, What};

/// Listings that may wait, as those of empty and unchanged folders take room, too.
const MOST_LISTINGS: usize = 512;

/// Files that may wait: what the writer takes at once, so that neither waits long for the other.
const MOST_FILES: usize = 16_000;

/// The walk's end.
pub(super) struct Walked {
    listings: Sender<Seen>,
    files: Arc<BacklogFiles>,
}

/// The writer's end. Nobody waits for one that is dropped.
pub(super) struct ToWrite {
    listings: Receiver<Seen>,
    files: Arc<BacklogFiles>,
}

/// What comes next.
pub(super) enum Next {
    Seen(Seen),
    NothingYet,
    Ended,
}

/// Files that wait; none when nobody will take them.
struct BacklogFiles {
    n: Mutex<Option<usize>>,
    fewer: Condvar,
}

/// Both ends.
pub(super) fn new() -> (Walked, ToWrite) {
    let files = Arc::new(BacklogFiles { n: Mutex::new(Some(0)), fewer: Condvar::new() });
    let (sender, receiver) = crossbeam_channel::bounded(MOST_LISTINGS);
    (Walked { listings: sender, files: Arc::clone(&files) }, ToWrite { listings: receiver, files })
}

impl Walked {
    /// Waits for room. `false` if the writer is gone.
    pub(super) fn send(&self, seen: Seen) -> bool {
        let n_files = n_files(&seen);
        let mut n = self.files.n.lock();
        while n.is_some_and(|n| !has_room(n, n_files)) {
            self.files.fewer.wait(&mut n);
        }
        let Some(waiting) = n.as_mut() else { return false };
        *waiting += n_files;
        drop(n);
        self.listings.send(seen).is_ok()
    }
}

impl ToWrite {
    /// The next listing, if it comes in time.
    pub(super) fn next(&self, within: Duration) -> Next {
        let seen = match self.listings.recv_timeout(within) {
            Ok(seen) => seen,
            Err(RecvTimeoutError::Timeout) => return Next::NothingYet,
            Err(RecvTimeoutError::Disconnected) => return Next::Ended,
        };
        if let Some(waiting) = self.files.n.lock().as_mut() {
            *waiting -= n_files(&seen);
        }
        self.files.fewer.notify_all();
        Next::Seen(seen)
    }
}

impl Drop for ToWrite {
    fn drop(&mut self) {
        *self.files.n.lock() = None;
        self.files.fewer.notify_all();
    }
}

/// Whether so many files may join those that wait. One folder that is larger than all room comes alone.
const fn has_room(waiting: usize, n_files: usize) -> bool {
    waiting == 0 || waiting + n_files <= MOST_FILES
}

fn n_files(seen: &Seen) -> usize {
    match &seen.what {
        What::Unchanged => 0,
        What::Changed(listing) | What::Broken(listing, _) => listing.files.len(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::ticks::Ticks;
    use crate::storage::index::{ListedFile, Listing};

    fn seen(n_files: usize) -> Seen {
        let file =
            ListedFile { name: "x".into(), size_bytes: 1, modified: Ticks(0), placeholder: false, identity: None };
        let (files, folder) = (vec![file; n_files], String::new());
        let listing = Listing { folder, files, skipped: Vec::new(), digest: None, is_cut: false };
        Seen { path: String::new(), mount: None, is_empty: false, what: What::Changed(listing) }
    }

    #[test]
    fn the_bound_is_kept_but_for_a_folder_that_is_larger() {
        assert!(has_room(0, 1) && has_room(0, MOST_FILES + 1) && has_room(MOST_FILES - 1, 1));
        assert!(!has_room(MOST_FILES, 1) && !has_room(1, MOST_FILES));
    }

    #[test]
    fn the_walk_goes_on_with_what_is_taken_and_never_beyond_the_bound() {
        let (walked, to_write) = new();
        std::thread::scope(|scope| {
            let walk = scope.spawn(|| (0..40).all(|_| walked.send(seen(MOST_FILES / 2))));
            for _ in 0..40 {
                assert!(matches!(to_write.next(Duration::from_secs(10)), Next::Seen(_)));
                assert!(to_write.files.n.lock().is_some_and(|n| n <= MOST_FILES));
            }
            assert!(walk.join().unwrap());
        });
        assert!(matches!(to_write.next(Duration::ZERO), Next::NothingYet));
        drop(walked);
        assert!(matches!(to_write.next(Duration::from_secs(10)), Next::Ended));
    }

    #[test]
    fn a_walk_that_waits_hears_that_the_writer_is_gone() {
        let (walked, to_write) = new();
        assert!(walked.send(seen(MOST_FILES)));
        std::thread::scope(|scope| {
            let walk = scope.spawn(|| walked.send(seen(1)));
            drop(to_write);
            assert!(!walk.join().unwrap());
        });
    }
}
