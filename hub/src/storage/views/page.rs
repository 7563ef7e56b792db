//! Pages of a list and the cursors between them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::storage::StorageError;

/// Most rows on one page.
pub const MAX_LIMIT: u32 = 1_000;

/// Rows on a page when nothing else is asked for.
pub const DEFAULT_LIMIT: u32 = 200;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows on it, 1 to [`MAX_LIMIT`].
    limit: u32,
    /// The cursor of the page before, `None` for the first.
    cursor: Option<String>,
}

/// A limit that no page can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit is {0}; expected 1 to {MAX_LIMIT}")]
pub struct LimitError(pub u32);

/// One page of a list. Every list of the API has this shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ListView)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Asks for the next page; `null` on the last one.
    pub next_cursor: Option<String>,
    /// Rows of the whole list.
    pub total: u64,
}

impl PageRequest {
    /// A page of at most `limit` rows that follows `cursor`.
    pub fn new(limit: u32, cursor: Option<String>) -> Result<Self, LimitError> {
        if (1..=MAX_LIMIT).contains(&limit) { Ok(Self { limit, cursor }) } else { Err(LimitError(limit)) }
    }

    /// The first page of the usual length.
    pub const fn first() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }

    /// The first page, of so many rows; within what a page may have.
    pub const fn latest(rows: u32) -> Self {
        let limit = if rows == 0 {
            1
        } else if rows > MAX_LIMIT {
            MAX_LIMIT
        } else {
            rows
        };
        Self { limit, cursor: None }
    }

    /// Rows to read: one more than shown, to know whether another page follows.
    pub(in crate::storage) fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The key after which the page begins.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, StorageError> {
        self.cursor.as_deref().map(decode).transpose()
    }

    /// Cuts a page out of rows that are all in memory, in the ascending order of their keys.
    pub fn cut<T, K>(&self, rows: Vec<T>, key: impl Fn(&T) -> K) -> Result<Page<T>, StorageError>
    where
        K: Serialize + DeserializeOwned + Ord,
    {
        let after = self.after::<K>()?;
        let total = rows.len() as u64;
        let rest = rows.into_iter().skip_while(|row| after.as_ref().is_some_and(|after| key(row) <= *after));
        let rest = rest.take(self.limit as usize + 1).collect();
        Ok(self.page(rest, total, key))
    }

    /// Cuts the extra row off and makes the cursor from the last row shown.
    pub fn page<T, K: Serialize>(&self, mut rows: Vec<T>, total: u64, key: impl Fn(&T) -> K) -> Page<T> {
        let shown = self.limit as usize;
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next_cursor = rows.last().filter(|_| more).map(|row| encode(&key(row)));
        Page { items: rows, next_cursor, total }
    }
}

impl<T> Page<T> {
    /// A list without rows.
    pub const fn empty() -> Self {
        Self { items: Vec::new(), next_cursor: None, total: 0 }
    }

    /// The same page with other rows, if each can be made.
    pub fn try_map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor: self.next_cursor, total: self.total })
    }

    /// The same page with other rows.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next_cursor: self.next_cursor, total: self.total }
    }
}

/// Two hexadecimal digits a byte: safe in an address as it is.
fn encode<K: Serialize>(key: &K) -> String {
    let bytes = serde_json::to_vec(key).unwrap_or_default();
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|n| char::from_digit(u32::from(n), 16)).collect()
}

fn decode<K: DeserializeOwned>(cursor: &str) -> Result<K, StorageError> {
    let digits: Option<Vec<u8>> = cursor
        .chars()
        .map(|c| c.to_digit(16).filter(|_| !c.is_ascii_uppercase()).and_then(|n| u8::try_from(n).ok()))
        .collect();
    let digits = digits.filter(|digits| !digits.is_empty()).ok_or(StorageError::MalformedCursor)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(StorageError::MalformedCursor);
    }
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    serde_json::from_slice(&bytes).map_err(|_| StorageError::Cursor)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_key(text in "\\PC{0,12}", id in any::<i64>()) {
            let cursor = encode(&("name", &text, id));
            prop_assert!(cursor.chars().all(|c| c.is_ascii_hexdigit()));
            prop_assert_eq!(decode::<(String, String, i64)>(&cursor).unwrap(), ("name".to_owned(), text, id));
        }

        #[test]
        fn what_is_no_cursor_is_refused(text in "\\PC{1,40}") {
            prop_assert!(decode::<(String, i64)>(&text).is_err());
        }
    }

    #[test]
    fn the_extra_row_tells_of_another_page() {
        let request = PageRequest::new(2, None).unwrap();
        let page = request.page(vec![1, 2, 3], 9, |row| *row);
        assert_eq!((page.items, page.total), (vec![1, 2], 9));
        let next = PageRequest::new(2, page.next_cursor).unwrap();
        assert_eq!(next.after::<i32>().unwrap(), Some(2));
        assert_eq!(next.page(vec![3], 9, |row| *row).next_cursor, None);
    }

    #[test]
    fn rows_in_memory_are_cut_behind_the_cursor() {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = PageRequest::new(2, cursor).unwrap().cut(vec![1, 3, 5, 7, 9], |row| *row).unwrap();
            assert_eq!(page.total, 5);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [1, 3, 5, 7, 9]);
    }

    #[test]
    fn limits_have_limits() {
        assert!(PageRequest::new(0, None).is_err());
        assert!(PageRequest::new(1_001, None).is_err());
        assert!(PageRequest::new(1_000, None).is_ok());
    }
}
