//! What reading a whole content taught.

use shared_protocol::{Blake3, GroupList, Sha256};

/// The digests of one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    pub size_bytes: u64,
    /// The name of the content.
    pub blake3: Blake3,
    /// Kept beside it where it was asked for.
    pub sha256: Option<Sha256>,
    /// What proves each MiB by itself; only of contents larger than one.
    pub groups: Option<GroupList>,
}
