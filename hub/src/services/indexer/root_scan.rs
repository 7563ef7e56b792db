//! The scan of one root, on blocking threads.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::seen::{Seen, What, Written};
use super::{disks, linked};
use crate::domain::background::WorkState;
use crate::domain::ids::FolderId;
use crate::domain::root::Root;
use crate::domain::scan::{MAX_ERRORS, RootScan, ScanError, ScanReport};
use crate::domain::skipped::SkipReason;
use crate::fs::CancelFlag;
use crate::fs::volume::{self, VolumeKind};
use crate::fs::walk::{WalkEnd, WalkOptions, walk};
use crate::services::background::Progress;
use crate::services::backlog::{Ahead, Behind, Bounds, Next, backlog};
use crate::services::context::ServiceContext;
use crate::services::roots::LiveRoot;
use crate::services::{Event, ServiceError};
use crate::storage::index::{self, KnownFolder, Listing};
use crate::storage::skipped::{self, UnseenFolder};

/// Files written in one transaction, and the longest that a listing waits for it.
const BATCH_FILES: usize = 16_000;

/// What the walk is ahead of the writer, as listings and as their files: what the writer takes at once, so that neither
/// waits long for the other. Listings count, too, as those of empty and unchanged folders take room.
const AHEAD: Bounds = Bounds { n: 512, weight: BATCH_FILES };

const BATCH_TIME: Duration = Duration::from_millis(500);

/// Scans a root and notes in the report how it went.
pub(super) fn run(context: &ServiceContext, root: Root, report: &Mutex<ScanReport>, progress: &Progress) {
    let scan = Scan { context, root, report, progress };
    scan.update(|part| part.state = WorkState::Running);
    match scan.run(&progress.cancel) {
        Ok(state) => scan.update(|part| part.state = state),
        Err(error) => {
            tracing::warn!(root = root.as_str(), %error, "a scan failed");
            scan.update(|part| {
                part.state = WorkState::Failed;
                part.detail = Some(error.to_string());
            });
            scan.note_error("", &error.to_string());
        }
    }
}

struct Scan<'a> {
    context: &'a ServiceContext,
    root: Root,
    report: &'a Mutex<ScanReport>,
    progress: &'a Progress,
}

impl Scan<'_> {
    /// Changes the root's part of the report.
    fn update(&self, change: impl FnOnce(&mut RootScan)) {
        if let Some(part) = self.report.lock().roots.get_mut(&self.root) {
            change(part);
        }
    }

    fn run(&self, cancel: &CancelFlag) -> Result<WorkState, ServiceError> {
        let live = self.context.roots.live(self.root)?;
        self.context.roots.check_blocking(&live)?;
        let known = self.context.database.read_blocking(|connection| index::known_folders(connection, live.row))?;
        let had_files = known.values().any(|folder| folder.n_files > 0);
        if !had_files {
            self.context.database.write_blocking(|tx| index::bulk::begin(tx))?;
        }
        let (walked, to_write) = backlog(AHEAD, Seen::n_files);
        let (end, written) = std::thread::scope(|scope| {
            let (live, known) = (&live, &known);
            let walker = scope.spawn(move || walk_root(live, known, cancel, &walked));
            let written = self.write(live, known, &to_write);
            // A writer that failed has nobody wait for it.
            drop(to_write);
            (walker.join().unwrap_or(WalkEnd::Cancelled), written)
        });
        let mut written = written?;
        let mut gone = gone_folders(&known, &written);
        let mut unseen = linked::unseen(&live.dir);
        linked::tell_once(&unseen, &mut written);
        linked::add_apart(&mut unseen, disks::unseen(&known, &written, &gone));
        let had_files = linked::had_files(&known, &written);
        let verdict = self.judge_scan(&live, end, cancel, had_files, &written, !unseen.is_empty());
        // What a cancelled or failed scan found is true; what it did not find may be there.
        let conclusive = matches!(verdict, Ok(WorkState::Complete | WorkState::Partial));
        if conclusive {
            disks::keep(&unseen, &known, &mut written, &mut gone);
            self.note_unseen(&unseen, &written);
        } else {
            (unseen, gone) = (Vec::new(), Vec::new());
        }
        unseen.append(&mut written.unlisted);
        self.close(&live, &written, conclusive, &gone, &unseen)?;
        verdict
    }

    fn note_unseen(&self, unseen: &[UnseenFolder], written: &Written) {
        // What could not be listed was told already.
        for folder in unseen.iter().filter(|folder| !written.broken.contains(&folder.path)) {
            self.note_error(&folder.path, &folder.reason.why(folder.detail.as_deref()));
            self.update(|part| part.n_errors += 1);
        }
    }

    /// What the scan as a whole is worth.
    fn judge_scan(
        &self,
        live: &LiveRoot,
        end: WalkEnd,
        cancel: &CancelFlag,
        had_files: bool,
        written: &Written,
        has_unseen: bool,
    ) -> Result<WorkState, ServiceError> {
        if end == WalkEnd::Cancelled || cancel.is_cancelled() {
            return Ok(WorkState::Cancelled);
        }
        self.context.roots.check_blocking(live)?;
        let offline = |why: String| ServiceError::Offline { root: self.root, why };
        if written.broken.contains("") {
            return Err(offline(format!("{} can't be listed", live.dir.display())));
        }
        let is_whole = written.broken.is_empty() && !has_unseen;
        let n_files = self.report.lock().roots.get(&self.root).map_or(0, |part| part.n_files);
        if had_files && n_files == 0 && is_whole {
            return Err(offline("it is empty, while the index has files: is its disk mounted?".to_owned()));
        }
        Ok(if is_whole { WorkState::Complete } else { WorkState::Partial })
    }

    /// Writes what the walk sends until it ends.
    fn write(
        &self,
        live: &LiveRoot,
        known: &HashMap<String, KnownFolder>,
        to_write: &Behind<Seen>,
    ) -> Result<Written, ServiceError> {
        let mut written = Written::default();
        let mut batch: Vec<Listing> = Vec::new();
        let mut n_batch = 0;
        let mut since = Instant::now();
        loop {
            let next = to_write.next(BATCH_TIME);
            let ended = matches!(next, Next::Ended);
            if let Next::Is(seen) = next {
                if batch.is_empty() {
                    since = Instant::now();
                }
                if let Some(listing) = self.note(seen, known, &mut written) {
                    n_batch += listing.files.len() + 1;
                    batch.push(listing);
                }
            }
            if !batch.is_empty() && (ended || n_batch >= BATCH_FILES || since.elapsed() >= BATCH_TIME) {
                let changes = &mut written.changes;
                self.context.database.write_blocking(|tx| index::apply_all(tx, live.row, &batch, changes))?;
                written.wrote = true;
                batch.clear();
                n_batch = 0;
            }
            if ended {
                return Ok(written);
            }
        }
    }

    /// Counts what was seen; the listing comes back if it has to be written.
    fn note(&self, seen: Seen, known: &HashMap<String, KnownFolder>, written: &mut Written) -> Option<Listing> {
        written.note(&seen, known);
        let Seen { path, what, .. } = seen;
        let (n_files, size_bytes, listing, error) = match what {
            What::Unchanged => {
                let (n, size) = known.get(&path).map_or((0, 0), |folder| (folder.n_files, folder.size_bytes));
                (n, size, None, None)
            }
            What::Changed(listing) => {
                let (n, size) = counts(&listing);
                (n, size, Some(listing), None)
            }
            What::Broken(listing, error) => {
                let (n, size) = counts(&listing);
                (n, size, Some(listing), Some(error))
            }
        };
        self.update(|part| {
            part.n_files += n_files;
            part.size_bytes += size_bytes;
            part.n_folders += 1;
            part.n_errors += u64::from(error.is_some());
        });
        self.progress.count(|counts| {
            counts.n_done += n_files;
            counts.bytes_done += size_bytes;
        });
        if let Some(error) = error {
            self.note_error(&path, &error);
            if listing.as_ref().is_some_and(|listing| listing.is_cut) && !path.is_empty() {
                let detail = Some(error);
                written.unlisted.push(UnseenFolder { path, reason: SkipReason::Unlisted, detail, mount: None });
            }
        }
        // A folder that can't be listed at all is not made, and an old one not emptied.
        listing.filter(|l| l.digest.is_some() || !l.files.is_empty() || !l.is_cut)
    }

    fn note_error(&self, path: &str, detail: &str) {
        let mut report = self.report.lock();
        if report.errors.len() < MAX_ERRORS {
            report.errors.push(ScanError { root: self.root, path: path.to_owned(), detail: detail.to_owned() });
        }
    }

    /// Removes what is conclusive to be gone, writes down what was not seen, and makes totals right; without a
    /// change nothing is written.
    fn close(
        &self,
        live: &LiveRoot,
        written: &Written,
        conclusive: bool,
        gone: &[(&str, FolderId)],
        unseen: &[UnseenFolder],
    ) -> Result<(), ServiceError> {
        let (n_removed, n_skipped, changed) = self.context.database.write_blocking(|tx| {
            let mut changed = written.wrote || !gone.is_empty();
            if skipped::write_unseen(tx, live.row, unseen, conclusive)? {
                changed = true;
                skipped::reconcile(tx, live.row)?;
            }
            let n = if conclusive {
                index::finish(tx, live.row, &written.changes, gone.iter().map(|(_, folder)| *folder))?
            } else {
                index::leave(tx, &written.changes)?;
                0
            };
            if conclusive {
                index::set_mounts(tx, live.row, &written.mounts)?;
            }
            if changed {
                index::reconcile(tx, live.row)?;
            }
            Ok((n, skipped::count(tx, live.row)?, changed))
        })?;
        self.update(|part| {
            part.n_added = written.changes.n_added;
            part.n_changed = written.changes.n_changed;
            part.n_removed = n_removed;
            part.n_skipped = n_skipped;
        });
        if changed {
            self.context.events.send(Event::IndexChanged(self.root));
        }
        Ok(())
    }
}

fn counts(listing: &Listing) -> (u64, u64) {
    (listing.files.len() as u64, listing.files.iter().map(|file| file.size_bytes).sum())
}

fn walk_root(
    live: &LiveRoot,
    known: &HashMap<String, KnownFolder>,
    cancel: &CancelFlag,
    walked: &Ahead<Seen>,
) -> WalkEnd {
    // A rotating disk is listed by one thread; a server answers several questions at once.
    let threads = match volume::kind(live.dir.path()) {
        VolumeKind::Rotating => 1,
        VolumeKind::Network => 4,
        _ => std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4),
    };
    walk(&live.dir, None, WalkOptions { threads }, cancel, &|listing| {
        // The writer hangs up when it failed: then there is nothing left to walk for.
        if !walked.send(Seen::of(listing, known)) {
            cancel.cancel();
        }
    })
}

/// Folders of the index that no longer exist: the nearest folder above them that was reached was
/// listed whole, and without them.
fn gone_folders<'a>(known: &'a HashMap<String, KnownFolder>, written: &Written) -> Vec<(&'a str, FolderId)> {
    let reached = |path: &str| written.whole.contains(path) || written.broken.contains(path);
    known
        .iter()
        .filter(|(path, _)| !reached(path))
        .filter(|(path, _)| {
            let mut above = path.as_str();
            loop {
                above = above.rsplit_once('/').map_or("", |(parent, _)| parent);
                if reached(above) || above.is_empty() {
                    return written.whole.contains(above);
                }
            }
        })
        .map(|(path, folder)| (path.as_str(), folder.id))
        .collect()
}
