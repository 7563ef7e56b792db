//! How far the hash of a big file has come, as bytes that survive a restart.

use sha2::Sha256;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use shared_protocol::groups::{GROUP_BYTES, GroupValue, values_from_bytes};

use super::HashOptions;
use crate::domain::ticks::Ticks;
use crate::fs::FileStamp;
use crate::fs::content::{Digests, InPlace};

/// The first byte of the stored form. The state of SHA-256 is only readable by the same minor version
/// of its crate: a new one needs a new number here.
const VERSION: u8 = 1;

/// The state of both digests at one place of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct HashCheckpoint {
    /// The file it belongs to, as it was.
    stamp: FileStamp,
    /// Bytes hashed: a whole number of groups.
    offset: u64,
    /// A value per group.
    values: Vec<GroupValue>,
    /// The state of SHA-256, if it was computed.
    sha256: Option<Vec<u8>>,
}

/// Where hashing begins.
pub(super) struct Start {
    pub(super) offset: u64,
    pub(super) values: Vec<GroupValue>,
    pub(super) sha256: Option<Sha256>,
}

/// The place to go on from, or the beginning if the checkpoint is of another file or lacks a digest.
pub(super) fn start(resume: Option<HashCheckpoint>, expected: FileStamp, options: HashOptions) -> Start {
    let fits = |checkpoint: &HashCheckpoint| checkpoint.stamp == expected && checkpoint.offset < expected.size_bytes;
    resume.filter(fits).and_then(|checkpoint| checkpoint.into_start(options)).unwrap_or_else(|| Start {
        offset: 0,
        values: Vec::new(),
        sha256: options.sha256.then(Sha256::default),
    })
}

impl HashCheckpoint {
    /// Takes the state after `offset` bytes, which have all been handed over.
    pub(super) fn taken_at(digests: &Digests<'_>, stamp: FileStamp, offset: u64) -> Option<Self> {
        let values = digests.groups(|groups| groups.values.clone())?;
        let sha256 = digests.sha256(|sha256| sha256.serialize().to_vec());
        Some(Self { stamp, offset, values, sha256 })
    }

    /// The state after `offset` bytes of digests that are computed in place.
    pub(super) fn of(stamp: FileStamp, offset: u64, digests: &InPlace) -> Self {
        let sha256 = digests.sha256.as_ref().map(|sha256| sha256.serialize().to_vec());
        Self { stamp, offset, values: digests.values.clone(), sha256 }
    }

    /// Bytes hashed so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    fn into_start(self, options: HashOptions) -> Option<Start> {
        let sha256 = if options.sha256 {
            let state = SerializedState::<Sha256>::try_from(self.sha256?.as_slice()).ok()?;
            Some(Sha256::deserialize(&state).ok()?)
        } else {
            None
        };
        Some(Start { offset: self.offset, values: self.values, sha256 })
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sha256 = self.sha256.as_deref().unwrap_or_default();
        let mut bytes = vec![VERSION, u8::try_from(sha256.len()).unwrap_or(0)];
        bytes.extend(self.stamp.size_bytes.to_le_bytes());
        bytes.extend(self.stamp.modified.0.to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        bytes.extend(sha256);
        bytes.extend(self.values.as_flattened());
        bytes
    }

    /// Reads the stored form; `None` if it is of another version or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, sha256_len], rest) = bytes.split_first_chunk()?;
        let (size_bytes, rest) = rest.split_first_chunk()?;
        let (modified, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (sha256, values) = rest.split_at_checked(usize::from(*sha256_len))?;
        let modified = Ticks(i64::from_le_bytes(*modified));
        let checkpoint = Self {
            stamp: FileStamp::known(u64::from_le_bytes(*size_bytes), modified, None),
            offset: u64::from_le_bytes(*offset),
            values: values_from_bytes(values).ok()?,
            sha256: (!sha256.is_empty()).then(|| sha256.to_vec()),
        };
        let is_whole = checkpoint.offset == checkpoint.values.len() as u64 * GROUP_BYTES;
        (*version == VERSION && is_whole).then_some(checkpoint)
    }
}
