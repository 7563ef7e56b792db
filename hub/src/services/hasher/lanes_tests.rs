//! Who gets which files, and that none is lost or comes twice.

use std::sync::atomic::AtomicUsize;

use anyhow::Result;

use super::*;
use crate::domain::ids::{FileId, FolderId};
use crate::domain::ticks::Ticks;

/// Files of one page.
const PAGE: usize = 50;

fn file(n: usize, size_bytes: u64) -> Result<FileRow> {
    Ok(FileRow {
        id: FileId(i64::try_from(n)?),
        folder_id: FolderId(1),
        path: RelPath::parse(&format!("vae/{n}"))?,
        size_bytes,
        modified: Ticks(1),
        placeholder: false,
        conflict: false,
        hash: None,
        identity: None,
        rotted: None,
    })
}

/// An index of two places with so many large and small files in each, of which every page is looked up once.
struct Index {
    n_large: usize,
    n_small: usize,
    n_readers: AtomicUsize,
    begun: Mutex<Vec<(Portion, Option<RelPath>, usize)>>,
}

impl Index {
    fn new(n_large: usize, n_small: usize, n_readers: usize) -> Self {
        Self { n_large, n_small, n_readers: AtomicUsize::new(n_readers), begun: Mutex::default() }
    }

    fn look_up(&self, portion: Portion, place: Option<&RelPath>) -> Option<Page<()>> {
        let mut begun = self.begun.lock();
        let at = begun.iter().position(|(of, at, _)| *of == portion && at.as_ref() == place).unwrap_or(begun.len());
        if at == begun.len() {
            begun.push((portion, place.cloned(), 0));
        }
        let from = &mut begun.get_mut(at)?.2;
        let (first, n, size_bytes) = match portion {
            Portion::Large => (0, self.n_large, 1 << 30),
            _ => (self.n_large, self.n_small, 1_000),
        };
        let here = if place.is_some() { 1_000_000 } else { 0 };
        let page = *from..n.min(*from + PAGE);
        *from = page.end;
        let files = page.clone().filter_map(|i| file(here + first + i, size_bytes).ok()).collect();
        let more = (page.end < n).then(After::default);
        Some(Page { root: (), files, more, n_readers: self.n_readers.load(Ordering::Relaxed) })
    }
}

fn places() -> Result<Vec<Option<RelPath>>> {
    Ok(vec![None, Some(RelPath::parse("loras")?)])
}

fn ids(order: &Order<()>) -> Vec<i64> {
    order.files.iter().map(|file| file.id.0).collect()
}

#[test]
fn many_readers_get_each_file_once() -> Result<()> {
    for n in [2, 3, 8] {
        let index = Index::new(70, 330, n);
        let look_up = |portion: Portion, place: Option<&RelPath>, _: &After| Ok(index.look_up(portion, place));
        let lanes = Lanes::new(&places()?, n, &look_up);
        let take = |reader| {
            let mut taken = Vec::new();
            while let Ok(Some(order)) = lanes.next(reader, n) {
                taken.extend(ids(&order));
            }
            taken
        };
        let mut taken: Vec<i64> = std::thread::scope(|scope| {
            let take = &take;
            let readers: Vec<_> = (0..n).map(|reader| scope.spawn(move || take(reader))).collect();
            readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default()).collect()
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..400).chain(1_000_000..1_000_400).collect::<Vec<_>>(), "{n} readers");
        assert!(lanes.are_empty() && !lanes.were_resized());
    }
    Ok(())
}

#[test]
fn one_begins_with_the_large_ones_the_other_with_the_small_ones_and_each_helps_with_the_rest() -> Result<()> {
    let index = Index::new(2, 40, 2);
    let look_up = |portion: Portion, place: Option<&RelPath>, _: &After| Ok(index.look_up(portion, place));
    let lanes = Lanes::new(&[None], 2, &look_up);
    assert!(!lanes.are_empty(), "nothing was looked up yet");
    let next = |reader| Ok::<_, StorageError>(lanes.next(reader, 2)?.map(|order| ids(&order)));
    assert_eq!(next(0)?, Some(vec![0]));
    assert_eq!(next(1)?, Some((2..34).collect()));
    assert_eq!(next(0)?, Some(vec![1]));
    assert!(!lanes.are_empty());
    assert_eq!(next(0)?, Some((34..42).collect()));
    assert!(lanes.are_empty());
    assert_eq!(next(1)?, None);
    Ok(())
}

#[test]
fn another_number_of_readers_goes_on_where_the_others_left() -> Result<()> {
    let index = Index::new(3, 90, 2);
    let look_up = |portion: Portion, place: Option<&RelPath>, _: &After| Ok(index.look_up(portion, place));
    let lanes = Lanes::new(&[None], 2, &look_up);
    let mut taken = Vec::new();
    for reader in [0, 1, 1] {
        taken.extend(lanes.next(reader, 2)?.iter().flat_map(ids));
    }
    index.n_readers.store(1, Ordering::Relaxed);
    assert!(lanes.next(1, 2)?.is_none() && lanes.next(0, 2)?.is_none(), "both leave when the next page tells them");
    assert!(lanes.were_resized() && !lanes.were_resized());
    while let Some(order) = lanes.next(0, 1)? {
        taken.extend(ids(&order));
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..93).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn an_order_is_a_moment_of_work() -> Result<()> {
    let sizes = [ORDER_BYTES - 1, 1, 1, 5 * ORDER_BYTES, 0].into_iter().chain(std::iter::repeat_n(0, ORDER_FILES));
    let files = sizes.enumerate().map(|(n, size)| file(n, size)).collect::<Result<Vec<_>>>()?;
    let lengths: Vec<_> = split(files).iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1, 1, ORDER_FILES, 1]);
    Ok(())
}

/// What can't be looked up is said to the one who asked for it, and a job that is to stop just ends.
#[test]
fn an_error_reaches_the_reader() -> Result<()> {
    let fails = |_: Portion, _: Option<&RelPath>, _: &After| Err(StorageError::Closed);
    assert!(Lanes::<()>::new(&places()?, 2, &fails).next(1, 2).is_err());
    let stops = |_: Portion, _: Option<&RelPath>, _: &After| Ok(None);
    assert!(Lanes::<()>::new(&places()?, 2, &stops).next(0, 2)?.is_none());
    Ok(())
}
