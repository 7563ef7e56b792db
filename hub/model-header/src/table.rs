//! The tensors of a file. Names stand one behind the other in one buffer and shapes in another, so
//! that a header of a million tensors costs no million allocations; names are found by their hash.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::dtype::{Dtype, MAX_OTHER};

/// Most tensors that are read of a file.
pub(crate) const MAX_TENSORS: usize = 2_000_000;

/// Dimensions of a shape that are kept; real ones have at most five.
const MAX_DIMS: usize = 8;

/// Beginnings of names that are kept; a model has a few dozen.
const MAX_TOPS: usize = 64;

/// Longest name that rules look for, with its prefix.
const MAX_SOUGHT: usize = 256;

/// One tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    name: (u32, u32),
    dims: (u32, u8),
    pub(crate) dtype: Dtype,
    pub(crate) elements: u64,
    /// Bytes of its data.
    pub(crate) bytes: u64,
    /// Where its data begin, if the format tells it and it makes sense.
    pub(crate) begin: u64,
}

/// What a reader tells of a tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) dtype: Dtype,
    pub(crate) dims: &'a [u64],
    pub(crate) elements: u64,
    pub(crate) bytes: u64,
    pub(crate) begin: u64,
}

/// The tensors of a file, in the order of its header.
#[derive(Debug, Default)]
pub(crate) struct Table {
    names: Vec<u8>,
    dims: Vec<u64>,
    rows: Vec<Row>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    others: Vec<String>,
    /// What names begin with, as [`top`] has it: each once, as places in `names`.
    tops: Vec<(u32, u32)>,
    /// There are more of them than are kept.
    has_more_tops: bool,
}

/// Whether a name was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    New,
    /// The name was there: the last one holds, as in the libraries.
    Replaced,
    /// There is no room.
    Full,
}

impl Table {
    /// A table for a header of so many bytes.
    pub(crate) fn for_header(bytes: usize) -> Self {
        let n = (bytes / 128).min(65_536);
        let mut table = Self { names: Vec::with_capacity(bytes.min(8 << 20) / 2), ..Self::default() };
        table.rows.reserve(n);
        table.dims.reserve(n.saturating_mul(2));
        table.index = HashTable::with_capacity(n);
        table
    }

    /// The type of this name; unknown names are kept, the first few apart from each other.
    pub(crate) fn dtype(&mut self, name: &[u8]) -> Dtype {
        if let Some(dtype) = Dtype::named(name) {
            return dtype;
        }
        let name: String = String::from_utf8_lossy(name).chars().take(24).collect();
        let at = self.others.iter().position(|other| *other == name).unwrap_or_else(|| {
            if self.others.len() < MAX_OTHER {
                self.others.push(name);
            }
            self.others.len().saturating_sub(1)
        });
        Dtype::other(at)
    }

    /// The name of a type as the header has it.
    pub(crate) fn dtype_name(&self, dtype: Dtype) -> &str {
        match dtype.other_at() {
            Some(at) => self.others.get(at).map_or("?", String::as_str),
            None => dtype.name().unwrap_or("?"),
        }
    }

    pub(crate) fn push(&mut self, new: &New<'_>) -> Pushed {
        let hash = self.hasher.hash_one(new.name);
        let (names, rows) = (&self.names, &self.rows);
        let known = self.index.find(hash, |&at| name_at(names, rows, at) == new.name).copied();
        if known.is_none() && self.rows.len() >= MAX_TENSORS {
            return Pushed::Full;
        }
        let Ok(dims_start) = u32::try_from(self.dims.len()) else { return Pushed::Full };
        let kept = new.dims.get(..MAX_DIMS).unwrap_or(new.dims);
        self.dims.extend_from_slice(kept);
        let dims = (dims_start, u8::try_from(kept.len()).unwrap_or(0));
        let row =
            |name| Row { name, dims, dtype: new.dtype, elements: new.elements, bytes: new.bytes, begin: new.begin };
        if let Some(at) = known {
            if let Some(old) = self.rows.get_mut(at as usize) {
                *old = row(old.name);
            }
            return Pushed::Replaced;
        }
        let (Ok(start), Ok(length), Ok(at)) =
            (u32::try_from(self.names.len()), u32::try_from(new.name.len()), u32::try_from(self.rows.len()))
        else {
            return Pushed::Full;
        };
        self.names.extend_from_slice(new.name);
        self.add_top(start, new.name);
        self.rows.push(row((start, length)));
        let (names, rows, hasher) = (&self.names, &self.rows, &self.hasher);
        self.index.insert_unique(hash, at, |&at| hasher.hash_one(name_at(names, rows, at)));
        Pushed::New
    }

    fn add_top(&mut self, start: u32, name: &[u8]) {
        if self.has_more_tops {
            return;
        }
        let top = top(name).unwrap_or_default();
        let is = |place: &(u32, u32)| slice(&self.names, *place) == top;
        // Names of one beginning mostly stand together.
        if self.tops.last().is_some_and(is) || self.tops.iter().any(is) {
            return;
        }
        if self.tops.len() < MAX_TOPS {
            self.tops.push((start, u32::try_from(top.len()).unwrap_or(0)));
        } else {
            self.has_more_tops = true;
        }
    }

    /// Whether some name may begin with this, which is a [`top`].
    fn may_begin(&self, top: &[u8]) -> bool {
        self.has_more_tops || self.tops.iter().any(|place| slice(&self.names, *place) == top)
    }

    /// Some name begins so.
    pub(crate) fn begins(&self, start: &str) -> bool {
        let start = start.as_bytes();
        if let Some(top) = top(start) {
            if !self.may_begin(top) {
                return false;
            }
            if top.len() == start.len() && !self.has_more_tops {
                return true;
            }
        }
        self.rows.iter().any(|row| self.name(row).starts_with(start))
    }

    /// More names than this begin so.
    pub(crate) fn has_more_than(&self, n: usize, start: &str) -> bool {
        self.begins(start)
            && self.rows.iter().filter(|row| self.name(row).starts_with(start.as_bytes())).nth(n).is_some()
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn name(&self, row: &Row) -> &[u8] {
        slice(&self.names, row.name)
    }

    pub(crate) fn dims(&self, row: &Row) -> &[u64] {
        let start = row.dims.0 as usize;
        self.dims.get(start..start.saturating_add(usize::from(row.dims.1))).unwrap_or_default()
    }

    /// Names with their rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Row)> {
        self.rows.iter().map(|row| (self.name(row), row))
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Row> {
        let hash = self.hasher.hash_one(name);
        let at = *self.index.find(hash, |&at| name_at(&self.names, &self.rows, at) == name)?;
        self.rows.get(at as usize)
    }
}

/// What a name begins with, up to its first dot or underscore.
fn top(name: &[u8]) -> Option<&[u8]> {
    memchr::memchr2(b'.', b'_', name).and_then(|at| name.get(..=at))
}

fn slice(names: &[u8], (start, length): (u32, u32)) -> &[u8] {
    let start = start as usize;
    names.get(start..start.saturating_add(length as usize)).unwrap_or_default()
}

fn name_at<'n>(names: &'n [u8], rows: &[Row], at: u32) -> &'n [u8] {
    rows.get(at as usize).map(|row| slice(names, row.name)).unwrap_or_default()
}

/// A table whose names are meant behind a prefix: what rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'t> {
    pub(crate) table: &'t Table,
    prefix: &'t str,
}

impl<'t> View<'t> {
    pub(crate) fn new(table: &'t Table, prefix: &'t str) -> Self {
        Self { table, prefix }
    }

    fn row(&self, name: &str) -> Option<&'t Row> {
        let mut buffer = [0_u8; MAX_SOUGHT];
        let length = self.prefix.len().checked_add(name.len())?;
        buffer.get_mut(..self.prefix.len())?.copy_from_slice(self.prefix.as_bytes());
        buffer.get_mut(self.prefix.len()..length)?.copy_from_slice(name.as_bytes());
        self.table.get(buffer.get(..length)?)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.row(name).is_some()
    }

    /// Some of these are there.
    pub(crate) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// All of these are there.
    pub(crate) fn all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.has(name))
    }

    pub(crate) fn shape(&self, name: &str) -> &'t [u64] {
        self.row(name).map(|row| self.table.dims(row)).unwrap_or_default()
    }

    /// One dimension of a tensor; 0 if there is no such.
    pub(crate) fn dim(&self, name: &str, at: usize) -> u64 {
        self.shape(name).get(at).copied().unwrap_or(0)
    }

    /// Numbers of a tensor's first dimension; 0 if there is no such.
    pub(crate) fn rows_of(&self, name: &str) -> u64 {
        self.dim(name, 0)
    }

    pub(crate) fn columns(&self, name: &str) -> u64 {
        self.dim(name, 1)
    }

    /// Names behind the prefix.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        let (table, prefix) = (self.table, self.prefix.as_bytes());
        table.rows().iter().filter_map(move |row| table.name(row).strip_prefix(prefix))
    }

    /// Some name begins so.
    pub(crate) fn begins(&self, start: &str) -> bool {
        if self.prefix.is_empty() {
            return self.table.begins(start);
        }
        self.table.begins(self.prefix) && self.names().any(|name| name.starts_with(start.as_bytes()))
    }

    /// One more than the greatest number that stands behind this.
    pub(crate) fn blocks(&self, start: &str) -> u64 {
        let number = |name: &[u8]| {
            let rest = name.strip_prefix(start.as_bytes())?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            std::str::from_utf8(rest.get(..digits)?).ok()?.parse::<u32>().ok()
        };
        self.names().filter_map(number).max().map_or(0, |last| u64::from(last) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(table: &mut Table, name: &str, dims: &[u64]) -> Pushed {
        let elements = dims.iter().product();
        table.push(&New { name: name.as_bytes(), dtype: Dtype::U8, dims, elements, bytes: elements * 2, begin: 0 })
    }

    #[test]
    fn names_are_found_behind_a_prefix() {
        let mut table = Table::default();
        assert_eq!(push(&mut table, "net.blocks.0.w", &[3, 4]), Pushed::New);
        assert_eq!(push(&mut table, "net.blocks.11.w", &[5]), Pushed::New);
        assert_eq!(push(&mut table, "net.blocks.0.w", &[7, 8]), Pushed::Replaced);
        assert_eq!(table.rows().len(), 2);
        let view = View::new(&table, "net.");
        assert_eq!(view.shape("blocks.0.w"), [7, 8]);
        assert_eq!((view.columns("blocks.0.w"), view.dim("blocks.0.w", 2), view.rows_of("x")), (8, 0, 0));
        assert_eq!(view.blocks("blocks."), 12);
        assert!(view.begins("blocks.1") && !view.has("net.blocks.0.w"));
        assert!(!view.has(&"x".repeat(1_000)));
    }
}
