//! The same description from parts of a file that is elsewhere: what a server answered to requests for
//! ranges. Where more is needed, the range that is needed next is the answer.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::describe::describe;
use crate::description::Description;

/// What the parts of a file tell.
#[derive(Debug)]
pub enum Ranged {
    /// Everything that the whole file would.
    Done(Box<Description>),
    /// These bytes have to be there too.
    Needs(Range<u64>),
}

/// Describes a file of which some ranges are there: each with the place of its first byte. They may overlap,
/// and a range that is asked for may be answered with more than was asked for.
pub fn describe_ranges(ranges: &[(u64, &[u8])], size_bytes: u64, name: &str) -> Ranged {
    let mut window = Window { ranges, size: size_bytes, at: 0, needs: None };
    match describe(&mut window, size_bytes, name) {
        Ok(description) => Ranged::Done(Box::new(description)),
        // The window fails only where something is missing.
        Err(_) => Ranged::Needs(window.needs.unwrap_or(0..size_bytes)),
    }
}

/// Bytes that are asked for at once at least.
const LEAST: u64 = 64 * 1024;

struct Window<'r> {
    ranges: &'r [(u64, &'r [u8])],
    size: u64,
    at: u64,
    needs: Option<Range<u64>>,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let here = |(start, bytes): &(u64, &'_ [u8])| {
            let skip = usize::try_from(self.at.checked_sub(*start)?).ok()?;
            bytes.len().checked_sub(skip).filter(|left| *left > 0)
        };
        let best = self.ranges.iter().filter_map(|range| Some((here(range)?, range))).max_by_key(|(left, _)| *left);
        let Some((left, (start, bytes))) = best else {
            let length = (buffer.len() as u64).max(LEAST);
            self.needs = Some(self.at..self.at.saturating_add(length).min(self.size));
            return Err(io::Error::other("these bytes are not there"));
        };
        let skip = usize::try_from(self.at - start).unwrap_or(usize::MAX);
        let room = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let n = left.min(buffer.len()).min(room);
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), bytes.get(skip..skip.saturating_add(n))) {
            to.copy_from_slice(from);
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
