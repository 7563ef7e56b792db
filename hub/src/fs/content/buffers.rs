//! The buffers that go round between reader, hashers and writer.
//!
//! A block is shared by everyone who looks at it, and its buffer comes home when the last one is done.
//! So their number bounds the memory, and it is what makes a fast reader wait for a slow writer.

use crossbeam_channel::{Receiver, Sender, unbounded};
use shared_protocol::groups::GROUP_BYTES;

/// Bytes of a full block: a whole number of groups.
pub(in crate::fs) const BLOCK_BYTES: u64 = 4 * GROUP_BYTES;

/// One is read, one is hashed and written, and one waits in between; a fourth made nothing faster.
const MAX_BLOCKS: u64 = 3;

/// Buffers kept from one file to the next. Whoever works through many files keeps one; at most 13 MiB.
#[derive(Default)]
pub struct Buffers {
    small: Vec<u8>,
    blocks: Vec<Vec<u8>>,
}

/// Some bytes of a file.
pub(in crate::fs) struct Block {
    offset: u64,
    /// A full buffer, of which only the first `len` bytes are the file's.
    buffer: Vec<u8>,
    len: usize,
    home: Sender<Vec<u8>>,
}

/// The buffers of one run.
pub(in crate::fs) struct BufferPool {
    pub(super) home: Sender<Vec<u8>>,
    pub(super) free: Receiver<Vec<u8>>,
}

impl Buffers {
    /// No buffers yet: they are made when they are needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for a content of at most one group.
    pub(in crate::fs) fn small(&mut self, size_bytes: u64) -> &mut [u8] {
        let size = usize::try_from(size_bytes.min(GROUP_BYTES)).unwrap_or(0);
        if self.small.len() < size {
            self.small.resize(size, 0);
        }
        self.small.get_mut(..size).unwrap_or_default()
    }

    /// Lends out as many buffers as a file of this size can fill.
    pub(in crate::fs) fn lend(&mut self, size_bytes: u64) -> BufferPool {
        let (home, free) = unbounded();
        let wanted = usize::try_from(size_bytes.div_ceil(BLOCK_BYTES).clamp(1, MAX_BLOCKS)).unwrap_or(1);
        let kept = self.blocks.len().min(wanted);
        let fresh = (kept..wanted).map(|_| vec![0; usize::try_from(BLOCK_BYTES).unwrap_or(0)]);
        for buffer in self.blocks.drain(..kept).chain(fresh) {
            home.send(buffer).ok();
        }
        BufferPool { home, free }
    }

    /// Takes back what was lent; every block of the run has been dropped by then.
    pub(in crate::fs) fn take_back(&mut self, pool: &BufferPool) {
        self.blocks.extend(pool.free.try_iter());
    }
}

impl Block {
    pub(super) fn new(offset: u64, buffer: Vec<u8>, len: usize, home: Sender<Vec<u8>>) -> Self {
        Self { offset, buffer, len, home }
    }

    /// Where in the file it begins: at the start of a group.
    pub(in crate::fs) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where in the file it ends.
    pub(in crate::fs) fn end(&self) -> u64 {
        self.offset + self.len as u64
    }

    pub(in crate::fs) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.home.send(std::mem::take(&mut self.buffer)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_home_and_are_used_again() {
        let mut buffers = Buffers::new();
        let pool = buffers.lend(100 * BLOCK_BYTES);
        assert_eq!(pool.free.len() as u64, MAX_BLOCKS);
        let taken: Vec<_> = pool.free.try_iter().collect();
        let addresses: Vec<_> = taken.iter().map(Vec::as_ptr).collect();
        for buffer in taken {
            drop(Block::new(0, buffer, 5, pool.home.clone()));
        }
        buffers.take_back(&pool);
        let again: Vec<_> = buffers.lend(u64::MAX).free.try_iter().map(|buffer| buffer.as_ptr()).collect();
        assert_eq!(again, addresses);
    }

    #[test]
    fn a_little_file_gets_few() {
        let mut buffers = Buffers::new();
        assert_eq!(buffers.lend(BLOCK_BYTES).free.len(), 1);
        assert_eq!(buffers.lend(BLOCK_BYTES + 1).free.len(), 2);
        assert_eq!(buffers.small(7).len(), 7);
        assert_eq!(buffers.small(3).len(), 3);
        assert_eq!(buffers.small(0).len(), 0);
    }
}
