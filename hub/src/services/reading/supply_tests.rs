//! Who gets which files, and that none is lost or comes twice.

use anyhow::Result;
use parking_lot::Mutex;
use shared_protocol::RelPath;

use super::*;
use crate::domain::ids::{FileId, FolderId, RootRowId};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::fs::RootDir;

fn live() -> Result<LiveRoot> {
    // Nothing is looked for in it.
    let dir = RootDir::open(tempfile::tempdir()?.path())?;
    Ok(LiveRoot { root: Root::Local, row: RootRowId(1), dir, marker: None, writable: true, case_sensitive: true })
}

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

/// Pages of so many files each, with the number of readers that each asks for.
fn pages(pages: &[(usize, usize)]) -> Result<Supply<'static>> {
    let (mut made, mut n) = (Vec::new(), 0);
    for (at, (n_files, n_readers)) in pages.iter().enumerate() {
        let files = (n..n + n_files).map(|n| file(n, 1)).collect::<Result<_>>()?;
        n += n_files;
        made.push(FilePage { live: live()?, files, is_last: at + 1 == pages.len(), n_readers: *n_readers });
    }
    let mut made = made.into_iter();
    Ok(Supply::of_pages(move || Ok(made.next())))
}

/// What so many readers take until they are to leave.
fn take(supply: &Mutex<Supply<'_>>, n: usize) -> Vec<i64> {
    let one = || {
        let mut taken = Vec::new();
        while let Ok(Some((_, file, _))) = supply.lock().next(n) {
            taken.push(file.id.0);
        }
        taken
    };
    let mut taken: Vec<i64> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..n).map(|_| scope.spawn(one)).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default()).collect()
    });
    taken.sort_unstable();
    taken
}

#[test]
fn many_readers_get_each_file_once() -> Result<()> {
    for n in [1, 2, 8] {
        let supply = Mutex::new(pages(&[(70, n), (0, n), (330, n), (0, n)])?);
        assert_eq!(supply.lock().n_readers()?, Some(n));
        assert_eq!(take(&supply, n), (0..400).collect::<Vec<_>>(), "{n} readers");
        assert_eq!(supply.lock().n_readers()?, None);
    }
    Ok(())
}

#[test]
fn another_number_of_readers_goes_on_where_the_others_left() -> Result<()> {
    let supply = Mutex::new(pages(&[(10, 2), (10, 2), (10, 1), (10, 3)])?);
    let mut taken = Vec::new();
    for n in [2, 1, 3] {
        assert_eq!(supply.lock().n_readers()?, Some(n));
        taken.extend(take(&supply, n));
    }
    assert_eq!(taken, (0..40).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn what_is_left_is_known_on_the_last_page() -> Result<()> {
    let mut supply = pages(&[(1, 1), (2, 1)])?;
    let mut left = Vec::new();
    while let Some((_, _, n_left)) = supply.next(1)? {
        left.push(n_left);
    }
    assert!(matches!(left.as_slice(), [many, 1, 0] if *many > 1_000), "{left:?}");
    Ok(())
}

#[test]
fn several_readers_begin_with_the_large_files_and_one_goes_through_the_folders() -> Result<()> {
    let large = 1 << 30;
    for (n_readers, expected) in [(1, [0, 1, 2, 3, 4]), (2, [3, 1, 0, 2, 4])] {
        let sizes = [1, large, 7, large + 1, 3];
        let files = sizes.into_iter().enumerate().map(|(n, size)| file(n, size)).collect::<Result<_>>()?;
        let mut supply = Supply::of_files(live()?, files, n_readers);
        let mut order = Vec::new();
        while let Some((_, file, _)) = supply.next(n_readers)? {
            order.push(file.id.0);
        }
        assert_eq!(order, expected, "{n_readers} readers");
    }
    Ok(())
}

/// What can't be looked up is said to the one who asked for it, and a job that is to stop just ends.
#[test]
fn an_error_reaches_the_reader() -> Result<()> {
    assert!(Supply::of_pages(|| Err(StorageError::Closed)).next(1).is_err());
    assert!(Supply::of_pages(|| Ok(None)).next(1)?.is_none());
    Ok(())
}
