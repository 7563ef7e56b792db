//! Bounded reading. What a header claims is compared with the size of the file before anything is
//! allocated, and nothing beyond the end is asked for. The beginning is read once, in one go.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of the beginning that are read at once: the whole header of most small models.
pub(crate) const START_BYTES: u64 = 64 * 1024;

/// A file that is read from.
#[derive(Debug)]
pub(crate) struct Source<'f, R> {
    file: &'f mut R,
    size: u64,
    start: Vec<u8>,
}

impl<'f, R: Read + Seek> Source<'f, R> {
    pub(crate) fn open(file: &'f mut R, size: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let start = read_up_to(file, size.min(START_BYTES))?;
        Ok(Self { file, size, start })
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The beginning, at most [`START_BYTES`].
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// The first bytes of the file, so many or as many as there are.
    pub(crate) fn beginning(&mut self, length: u64) -> io::Result<&[u8]> {
        let length = length.min(self.size);
        let have = self.start.len() as u64;
        if length > have {
            let more = usize::try_from(length - have).map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.start.reserve_exact(more);
            self.file.seek(SeekFrom::Start(have))?;
            self.file.by_ref().take(length - have).read_to_end(&mut self.start)?;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.start.len());
        Ok(self.start.get(..length).unwrap_or_default())
    }

    /// Bytes from some place on, so many or as many as there are.
    pub(crate) fn read_at(&mut self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let length = length.min(self.size.saturating_sub(offset));
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        if let Some(bytes) = self.start.get(from..to) {
            return Ok(bytes.to_vec());
        }
        self.file.seek(SeekFrom::Start(offset))?;
        read_up_to(self.file, length)
    }

    /// Reads on from some place through a buffer.
    pub(crate) fn stream(&mut self, offset: u64) -> Stream<'_, R> {
        let mut stream = Stream { file: self.file, size: self.size, next: 0, buffer: Vec::new(), at: 0 };
        if offset <= self.start.len() as u64 {
            stream.next = self.start.len() as u64;
            stream.buffer.extend_from_slice(&self.start);
            stream.at = usize::try_from(offset).unwrap_or(0);
        } else {
            stream.next = offset;
        }
        stream
    }
}

fn read_up_to(file: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file in order, and skips what is not wanted without reading it.
#[derive(Debug)]
pub(crate) struct Stream<'s, R> {
    file: &'s mut R,
    size: u64,
    /// Where the file is read next.
    next: u64,
    buffer: Vec<u8>,
    at: usize,
}

/// Bytes that are read at once by a [`Stream`].
const STREAM_BYTES: usize = 64 * 1024;

impl<R: Read + Seek> Stream<'_, R> {
    /// Where the next byte stands in the file.
    pub(crate) fn position(&self) -> u64 {
        self.next.saturating_sub((self.buffer.len() - self.at.min(self.buffer.len())) as u64)
    }

    /// Bytes up to the end of the file.
    pub(crate) fn left(&self) -> u64 {
        self.size.saturating_sub(self.position())
    }

    /// The next bytes, which the caller has found to be few; `None` at the end of the file.
    pub(crate) fn take(&mut self, length: usize) -> io::Result<Option<&[u8]>> {
        if length as u64 > self.left() {
            return Ok(None);
        }
        if self.buffer.len().saturating_sub(self.at) < length {
            self.fill(length)?;
        }
        let end = self.at.saturating_add(length);
        let Some(bytes) = self.buffer.get(self.at..end) else { return Ok(None) };
        self.at = end;
        Ok(Some(bytes))
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        self.buffer.drain(..self.at.min(self.buffer.len()));
        self.at = 0;
        let want = length.max(STREAM_BYTES).saturating_sub(self.buffer.len()) as u64;
        self.file.seek(SeekFrom::Start(self.next))?;
        let want = want.min(self.size.saturating_sub(self.next));
        let n = self.file.by_ref().take(want).read_to_end(&mut self.buffer)?;
        self.next = self.next.saturating_add(n as u64);
        Ok(())
    }

    /// Leaves bytes out; `false` at the end of the file.
    pub(crate) fn skip(&mut self, length: u64) -> bool {
        if length > self.left() {
            return false;
        }
        let buffered = (self.buffer.len() - self.at.min(self.buffer.len())) as u64;
        if length <= buffered {
            self.at = self.at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        } else {
            self.next = self.next.saturating_add(length - buffered);
            self.buffer.clear();
            self.at = 0;
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_stream_reads_and_skips_over_its_buffer() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut file = io::Cursor::new(bytes.clone());
        let mut source = Source::open(&mut file, bytes.len() as u64).unwrap();
        let mut stream = source.stream(10);
        assert_eq!(stream.take(3).unwrap().unwrap(), &bytes[10..13]);
        assert!(stream.skip(200_000));
        assert_eq!(stream.position(), 200_013);
        assert_eq!(stream.take(70_000).unwrap().unwrap(), &bytes[200_013..270_013]);
        assert!(stream.take(30_000).unwrap().is_none() && !stream.skip(30_000));
        assert_eq!(stream.left(), 300_000 - 270_013);
        assert_eq!(source.read_at(299_999, 10).unwrap(), &bytes[299_999..]);
        assert_eq!(source.beginning(100_000).unwrap(), &bytes[..100_000]);
    }
}
