//! Reading files of the roots for a background job: each root by as many readers as its disk likes, what they found
//! committed by one writer while they go on.
//!
//! Readers wait while transfers use the disk, and until a root that went away is back. A file that fails is counted and
//! left.

mod file;
mod supply;

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::Mutex;
use shared_protocol::RelPath;

pub(super) use file::OpenFile;
pub(super) use supply::{FilePage, Supply};

use super::Settings;
use super::background::{Progress, UNTIL_NEXT_LOOK};
use super::backlog::{Ahead, Behind, Bounds, backlog};
use super::context::ServiceContext;
use super::roots::LiveRoot;
use crate::fs::hash::HashError;
use crate::fs::volume::{self, VolumeKind};
use crate::fs::{Buffers, CancelFlag, ensure_no_links};
use crate::storage::StorageError;
use crate::storage::index::FileRow;

/// How often the writer takes what was found: one that is woken for every small file takes more of the processor than
/// the file does.
const TAKE_EVERY: Duration = Duration::from_millis(50);

/// Results, and their bytes beyond what all have, that may wait for the writer; readers wait when there are more.
const AHEAD: Bounds = Bounds { n: 16_384, weight: 512 << 10 };

/// Results and their bytes that are committed together, and the longest that one waits for others.
const COMMIT_FILES: usize = 2_048;
const COMMIT_BYTES: usize = 1 << 20;
const COMMIT_TIME: Duration = Duration::from_secs(1);

/// What became of a file.
pub(super) struct ReadResult<T> {
    /// The root as it was when the file was read.
    pub(super) live: Arc<LiveRoot>,
    /// The file as the index had it.
    pub(super) file: FileRow,
    pub(super) result: Result<T, HashError>,
}

/// What one reader keeps from file to file.
#[derive(Default)]
pub(super) struct Kit {
    /// For whole files.
    pub(super) buffers: Buffers,
    /// For parts of files.
    pub(super) bytes: Vec<u8>,
    /// The file whose way was looked at last, without links on it. Files come folder by folder: one look at the way to
    /// each is enough.
    checked: Option<RelPath>,
}

/// What is done with each file.
pub(super) type Work<'a, T> = dyn Fn(&mut Kit, &mut OpenFile<'_>) -> Result<T, HashError> + Sync + 'a;

/// Bytes that a result takes in memory beyond what all do.
pub(super) type Weigh<T> = fn(&ReadResult<T>) -> usize;

/// Stores what came together.
pub(super) type Store<'a, T> = dyn FnMut(Vec<ReadResult<T>>) -> Result<(), StorageError> + 'a;

/// Who reads, and for which job.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) context: &'a ServiceContext,
    pub(super) progress: &'a Progress,
}

impl Reading<'_> {
    /// Reads what the supplies hold, one supply for each root, and hands what came of it to `store`, many files at a
    /// time. Returns when all is done or the job is to stop.
    ///
    /// # Errors
    /// The database failed, or a supply.
    pub(super) fn read<T: Send>(
        self,
        supplies: Vec<Supply<'_>>,
        work: &Work<'_, T>,
        store: &mut Store<'_, T>,
    ) -> Result<(), StorageError> {
        self.read_weighed(supplies, work, store, |_| 0)
    }

    /// The same for results of which some are large.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_weighed<T: Send>(
        self,
        supplies: Vec<Supply<'_>>,
        work: &Work<'_, T>,
        store: &mut Store<'_, T>,
        weigh: Weigh<T>,
    ) -> Result<(), StorageError> {
        let cancel = &self.progress.cancel;
        let supplies: Vec<_> = supplies.into_iter().map(Mutex::new).collect();
        let (results, found) = backlog(AHEAD, weigh);
        // Nothing is ever sent: it closes when the last reader leaves.
        let (open, all_left) = crossbeam_channel::bounded::<Infallible>(0);
        thread::scope(|scope| {
            let readers: Vec<_> = supplies
                .iter()
                .map(|supply| {
                    let (results, open) = (results.clone(), open.clone());
                    scope.spawn(move || {
                        let _open = open;
                        or_cancel(cancel, self.read_root(supply, &results, work))
                    })
                })
                .collect();
            drop((results, open));
            let written = or_cancel(cancel, write(&all_left, &found, store, weigh));
            // Readers must not wait for a writer that has gone.
            drop(found);
            for reader in readers {
                joined(reader.join())?;
            }
            written
        })
    }

    /// Reads one root, with as many readers as are wanted at the time.
    fn read_root<T: Send>(
        self,
        supply: &Mutex<Supply<'_>>,
        results: &Ahead<ReadResult<T>>,
        work: &Work<'_, T>,
    ) -> Result<(), StorageError> {
        loop {
            let wanted = supply.lock().n_readers()?;
            let Some(n) = wanted else { return Ok(()) };
            thread::scope(|scope| {
                let others: Vec<_> =
                    (1..n).map(|_| scope.spawn(|| self.read_files(supply, n, results, work))).collect();
                let own = self.read_files(supply, n, results, work);
                others.into_iter().try_for_each(|reader| joined(reader.join()))?;
                own
            })?;
            if self.progress.cancel.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// One of so many readers.
    fn read_files<T>(
        self,
        supply: &Mutex<Supply<'_>>,
        n_readers: usize,
        results: &Ahead<ReadResult<T>>,
        work: &Work<'_, T>,
    ) -> Result<(), StorageError> {
        let mut kit = Kit::default();
        loop {
            // A binding of its own: the others must not wait for this file.
            let next = supply.lock().next(n_readers)?;
            let Some((live, file, n_left)) = next else { return Ok(()) };
            self.progress.wait_for_transfers(&self.context.busy, live.root);
            if self.progress.cancel.is_cancelled() {
                return Ok(());
            }
            let result = self.until_read(&mut kit, &live, &file, n_readers.min(n_left + 1), work);
            if !results.send(ReadResult { live, file, result }) {
                return Ok(());
            }
        }
    }

    /// Reads one file. What can't be read because the whole root has gone is read when it is back.
    fn until_read<T>(
        self,
        kit: &mut Kit,
        live: &LiveRoot,
        file: &FileRow,
        n_at_once: usize,
        work: &Work<'_, T>,
    ) -> Result<T, HashError> {
        let Self { context, progress } = self;
        let path = file.path.as_str();
        loop {
            let result = {
                let _open = context.reading.begin(live.root);
                let n_at_once = n_at_once + context.reading.n(live.root.other());
                check_way(kit, live, file).and_then(|()| work(kit, &mut OpenFile::new(self, live, file, n_at_once)))
            };
            progress.close(path, result.is_ok());
            let error = match &result {
                Ok(_) | Err(HashError::Stopped) => return result,
                Err(error) => error.to_string(),
            };
            if context.roots.check_blocking(live).is_ok() {
                progress.fail(file.id, path, &error);
                return result;
            }
            // The watch over the roots needs a moment to find out, too.
            progress.cancel.pause(UNTIL_NEXT_LOOK);
            match progress.wait_until_online(&context.roots, live.root) {
                None => return Err(HashError::Stopped),
                Some(now) if now.row != live.row => {
                    progress.fail(file.id, path, &error);
                    return result;
                }
                Some(_) => kit.checked = None,
            }
        }
    }
}

/// Refuses links on the way to a file, unless the way is that of the last one.
fn check_way(kit: &mut Kit, live: &LiveRoot, file: &FileRow) -> Result<(), HashError> {
    if kit.checked.as_ref().is_some_and(|last| last.is_beside(&file.path)) {
        return Ok(());
    }
    kit.checked = None;
    if let Some(folder) = file.path.parent() {
        ensure_no_links(&live.dir, &folder).map_err(HashError::Fs)?;
    }
    kit.checked = Some(file.path.clone());
    Ok(())
}

fn write<T>(
    all_left: &Receiver<Infallible>,
    found: &Behind<ReadResult<T>>,
    store: &mut Store<'_, T>,
    weigh: Weigh<T>,
) -> Result<(), StorageError> {
    let (mut batch, mut n_bytes): (Vec<ReadResult<T>>, usize) = (Vec::new(), 0);
    let mut since = Instant::now();
    loop {
        let ended = matches!(all_left.recv_timeout(TAKE_EVERY), Err(RecvTimeoutError::Disconnected));
        if batch.is_empty() {
            since = Instant::now();
        }
        while let Some(result) = found.at_once() {
            n_bytes += weigh(&result);
            batch.push(result);
            if batch.len() >= COMMIT_FILES || n_bytes >= COMMIT_BYTES {
                n_bytes = 0;
                store(std::mem::take(&mut batch))?;
            }
        }
        if (ended || since.elapsed() >= COMMIT_TIME) && !batch.is_empty() {
            n_bytes = 0;
            store(std::mem::take(&mut batch))?;
        }
        if ended {
            return Ok(());
        }
    }
}

/// What can't go on stops the others, too.
fn or_cancel<T, E>(cancel: &CancelFlag, result: Result<T, E>) -> Result<T, E> {
    if result.is_err() {
        cancel.cancel();
    }
    result
}

/// A panic of a reader is the job's.
fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Files of a root that are read at once. One head can only be in one place, and a server
/// gets no faster by asking twice.
pub(super) fn n_readers(settings: &Settings, live: &LiveRoot) -> usize {
    let configured = settings.current().roots.get(live.root).hash_readers;
    configured.map_or_else(
        || match volume::kind(live.dir.path()) {
            VolumeKind::Rotating | VolumeKind::Network => 1,
            _ => 2,
        },
        |n| usize::from(n.get()),
    )
}
