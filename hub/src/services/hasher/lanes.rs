//! What a job still has to read, as its readers take it.
//!
//! Where several readers share a root, some begin with the large files and the others with the small ones, and all
//! help with what is left. So a reader is not left alone with one large file at the end, and the writer, who has as
//! much to do for a small file as for a large one, is busy all the time instead of behind everyone at the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use shared_protocol::RelPath;

use crate::storage::StorageError;
use crate::storage::index::{After, FileRow, Portion};

/// Files of one order: as many as a reader hashes in a moment. Handing over each small file by itself costs more
/// than hashing it.
const ORDER_FILES: usize = 32;
const ORDER_BYTES: u64 = 4 << 20;

/// Files for one reader, with the root as it was when they were looked up.
pub(super) struct Order<R> {
    pub(super) root: Arc<R>,
    pub(super) files: Vec<FileRow>,
}

/// The next files of a place, with the root as it is.
pub(super) struct Page<R> {
    pub(super) root: R,
    pub(super) files: Vec<FileRow>,
    /// Where those behind them begin, if there may be some.
    pub(super) more: Option<After>,
    /// How many readers there should be now.
    pub(super) n_readers: usize,
}

/// Looks up the next files of a place; none if the job is to stop.
pub(super) type LookUp<'a, R> =
    dyn Fn(Portion, Option<&RelPath>, &After) -> Result<Option<Page<R>>, StorageError> + Sync + 'a;

/// The files of a job that have no hash yet, in one lane for each portion.
pub(super) struct Lanes<'a, R> {
    look_up: &'a LookUp<'a, R>,
    portions: Vec<Mutex<Lane<R>>>,
    /// Another number of readers is wanted.
    is_resized: AtomicBool,
}

struct Lane<R> {
    portion: Portion,
    /// Places that were not begun.
    places: VecDeque<Option<RelPath>>,
    /// Where the next page comes from.
    open: Option<Way>,
    orders: VecDeque<Order<R>>,
}

/// A place of the job, and behind which file it goes on.
struct Way {
    place: Option<RelPath>,
    after: After,
}

impl<'a, R> Lanes<'a, R> {
    /// All of these places, for so many readers.
    pub(super) fn new(places: &[Option<RelPath>], n_readers: usize, look_up: &'a LookUp<'a, R>) -> Self {
        let lane = |portion: &Portion| {
            let places = places.to_vec();
            Mutex::new(Lane { portion: *portion, places: places.into(), open: None, orders: VecDeque::new() })
        };
        let portions = Portion::of_readers(n_readers).iter().map(lane).collect();
        Self { look_up, portions, is_resized: AtomicBool::new(false) }
    }

    /// The next files for one of so many readers; none at the end, if the job is to stop, or if another number of
    /// readers is to go on.
    pub(super) fn next(&self, reader: usize, n: usize) -> Result<Option<Order<R>>, StorageError> {
        for at in 0..self.portions.len() {
            let Some(lane) = self.portions.get((reader + at) % self.portions.len()) else { continue };
            let mut lane = lane.lock();
            self.fill(&mut lane, n)?;
            if self.is_resized.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some(order) = lane.orders.pop_front() {
                return Ok(Some(order));
            }
        }
        Ok(None)
    }

    /// Whether all has been taken, as far as is known without looking.
    pub(super) fn are_empty(&self) -> bool {
        self.portions.iter().all(|lane| lane.try_lock().is_some_and(|lane| lane.is_empty()))
    }

    /// Whether the readers left because there should be more or fewer of them.
    pub(super) fn were_resized(&self) -> bool {
        self.is_resized.swap(false, Ordering::Relaxed)
    }

    /// Looks up files until there is an order.
    fn fill(&self, lane: &mut Lane<R>, n: usize) -> Result<(), StorageError> {
        while lane.orders.is_empty() {
            let next = || lane.places.pop_front().map(|place| Way { place, after: After::default() });
            let Some(Way { place, after }) = lane.open.take().or_else(next) else { break };
            let Some(page) = (self.look_up)(lane.portion, place.as_ref(), &after)? else { break };
            lane.open = page.more.map(|after| Way { place, after });
            if page.n_readers != n {
                self.is_resized.store(true, Ordering::Relaxed);
            }
            let root = Arc::new(page.root);
            lane.orders.extend(split(page.files).into_iter().map(|files| Order { root: Arc::clone(&root), files }));
        }
        Ok(())
    }
}

impl<R> Lane<R> {
    fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.open.is_none() && self.places.is_empty()
    }
}

/// Cuts a page into orders.
fn split(files: Vec<FileRow>) -> Vec<Vec<FileRow>> {
    let mut orders: Vec<Vec<FileRow>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        let order =
            orders.last_mut().filter(|order| bytes + file.size_bytes <= ORDER_BYTES && order.len() < ORDER_FILES);
        if let Some(order) = order {
            bytes += file.size_bytes;
            order.push(file);
        } else {
            bytes = file.size_bytes;
            orders.push(vec![file]);
        }
    }
    orders
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
