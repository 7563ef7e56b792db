//! The files of one root that are still to be read, page by page, as its readers take them.

use std::sync::Arc;

use super::LiveRoot;
use crate::storage::StorageError;
use crate::storage::index::FileRow;

/// The next files, with the root as it was when they were looked up.
pub(in crate::services) struct FilePage {
    pub(in crate::services) live: LiveRoot,
    pub(in crate::services) files: Vec<FileRow>,
    /// Whether none come behind them.
    pub(in crate::services) is_last: bool,
    /// How many readers there should be now.
    pub(in crate::services) n_readers: usize,
}

/// Looks up the next files; none at the end, or if the job is to stop.
type NextPage<'a> = Box<dyn FnMut() -> Result<Option<FilePage>, StorageError> + Send + 'a>;

/// What is left to be read of a root.
pub(in crate::services) struct Supply<'a> {
    next_page: NextPage<'a>,
    page: Option<(Arc<LiveRoot>, std::vec::IntoIter<FileRow>)>,
    has_more: bool,
    n_wanted: usize,
}

impl<'a> Supply<'a> {
    /// What these pages hold, in their order.
    pub(in crate::services) fn of_pages(
        next_page: impl FnMut() -> Result<Option<FilePage>, StorageError> + Send + 'a,
    ) -> Self {
        Self { next_page: Box::new(next_page), page: None, has_more: true, n_wanted: 0 }
    }

    /// These files. Where several are read at once the large ones come first, the largest before all others: none is
    /// read alone at the end.
    pub(in crate::services) fn of_files(live: LiveRoot, mut files: Vec<FileRow>, n_readers: usize) -> Self {
        if n_readers > 1 {
            // The sort is stable: the small ones stay in the order of their paths.
            files.sort_by_key(|file| std::cmp::Reverse(if file.is_large() { file.size_bytes } else { 0 }));
        }
        let mut page = Some(FilePage { live, files, is_last: true, n_readers });
        Self::of_pages(move || Ok(page.take()))
    }

    /// How many readers there should be now; none at the end, or if the job is to stop.
    pub(super) fn n_readers(&mut self) -> Result<Option<usize>, StorageError> {
        Ok(self.fill()?.then_some(self.n_wanted))
    }

    /// The next file for one of so many readers, and how many are left behind it as far as is known; none at the end,
    /// if the job is to stop, or if another number of readers is to go on.
    pub(super) fn next(&mut self, n_readers: usize) -> Result<Option<(Arc<LiveRoot>, FileRow, usize)>, StorageError> {
        if !self.fill()? || self.n_wanted != n_readers {
            return Ok(None);
        }
        let Some((live, files)) = &mut self.page else { return Ok(None) };
        let Some(file) = files.next() else { return Ok(None) };
        let n_left = if self.has_more { usize::MAX - 1 } else { files.len() };
        Ok(Some((Arc::clone(live), file, n_left)))
    }

    /// Looks up the next page if this one has been taken; `false` at the end.
    fn fill(&mut self) -> Result<bool, StorageError> {
        while self.page.as_ref().is_none_or(|(_, files)| files.len() == 0) {
            let next = if self.has_more { (self.next_page)()? } else { None };
            let Some(FilePage { live, files, is_last, n_readers }) = next else {
                self.has_more = false;
                return Ok(false);
            };
            self.has_more = !is_last;
            self.n_wanted = n_readers.max(1);
            self.page = Some((Arc::new(live), files.into_iter()));
        }
        Ok(true)
    }
}

#[cfg(test)]
#[path = "supply_tests.rs"]
mod tests;
