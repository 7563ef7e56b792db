//! A file far away that is read piece by piece, as its header asks for.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use shared_protocol::SourceUrl;
use tokio::runtime::Handle;

use super::{PIECE, Sources};
use crate::services::sources::probe::fetch_range;

/// Pieces that are fetched of one file at the most: headers of 16 MiB are known.
const MOST_PIECES: usize = 128;

/// Reads by ranges, on a blocking thread. Each piece is fetched once.
pub(super) struct RemoteFile {
    handle: Handle,
    sources: Sources,
    url: SourceUrl,
    size: u64,
    at: u64,
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl RemoteFile {
    /// The file at an address, of which the first piece is there.
    pub(super) fn new(sources: &Sources, url: &SourceUrl, size: u64, first: Vec<u8>) -> Self {
        let pieces = BTreeMap::from([(0, first)]);
        Self { handle: Handle::current(), sources: sources.clone(), url: url.clone(), size, at: 0, pieces }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    fn fetch(&mut self, piece: u64) -> io::Result<()> {
        if self.pieces.len() >= MOST_PIECES {
            return Err(io::Error::other("its header is longer than is read from afar"));
        }
        let range = piece * PIECE..=((piece + 1) * PIECE).min(self.size) - 1;
        let expected = range.end() - range.start() + 1;
        let config = self.sources.settings.current();
        let fetched = self.handle.block_on(fetch_range(&self.sources.outbound, &config, &self.url, range));
        let (_, bytes) = fetched.map_err(|verdict| io::Error::other(verdict.detail.unwrap_or_default()))?;
        if bytes.len() as u64 != expected {
            return Err(io::Error::other("its site does not hand out parts of it"));
        }
        self.pieces.insert(piece, bytes);
        Ok(())
    }
}

impl Read for RemoteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let (piece, from) = (self.at / PIECE, usize::try_from(self.at % PIECE).map_err(io::Error::other)?);
        if !self.pieces.contains_key(&piece) {
            self.fetch(piece)?;
        }
        let there = self.pieces.get(&piece).and_then(|bytes| bytes.get(from..)).unwrap_or_default();
        if there.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let n = there.len().min(buffer.len());
        if let (Some(to), Some(source)) = (buffer.get_mut(..n), there.get(..n)) {
            to.copy_from_slice(source);
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for RemoteFile {
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
