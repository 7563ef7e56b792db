//! What a content is known by, and the machinery that computes it while the bytes pass by.
//!
//! A big file is read by one thread into a few buffers that go round; BLAKE3 and SHA-256 each look at
//! every block in a thread of their own. Smaller files are hashed in place. None is ever mapped into
//! memory: a file that shrinks would kill the process, and over a network every page would be a journey
//! of its own.

use shared_protocol::groups::GROUP_BYTES;
use shared_protocol::{Blake3, Sha256};

mod buffers;
mod digests;
mod source;

pub use crate::domain::content_hash::ContentHash;
pub use buffers::Buffers;
pub(super) use buffers::{BLOCK_BYTES, Block, BufferPool};
pub(super) use digests::{Digests, GroupDigest, InPlace};
pub(super) use source::{Source, read_blocks};

impl ContentHash {
    /// Hashes a content of at most one group that lies in memory.
    pub(super) fn of_small(bytes: &[u8], sha256: bool) -> Self {
        use sha2::Digest as _;
        let sha256 = sha256.then(|| Sha256::from_bytes(sha2::Sha256::digest(bytes).into()));
        let blake3 = Blake3::from_bytes(*blake3::hash(bytes).as_bytes());
        Self { size_bytes: bytes.len() as u64, blake3, sha256, groups: None }
    }
}

/// Whether a content is read whole and hashed on the spot, without threads.
pub(super) const fn is_small(size_bytes: u64) -> bool {
    size_bytes <= GROUP_BYTES
}
