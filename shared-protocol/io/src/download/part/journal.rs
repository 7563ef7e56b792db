//! What is written down beside a half-done file.

use serde::{Deserialize, Serialize};
use shared_protocol::outcome::SourceReport;

use super::super::chunk_scheduler::GroupSet;
use super::super::expected::Expected;
use super::super::partial_groups::KeptBytes;
use crate::machine;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) version: u32,
    /// What the file is of.
    #[serde(flatten)]
    pub(super) expected: Expected,
    pub(super) size_bytes: u64,
    /// Whether work on it goes on.
    pub(super) is_open: bool,
    /// The machine that works on it, or did last.
    #[serde(default)]
    pub(super) machine: String,
    /// One bit per group.
    #[serde(rename = "proved")]
    pub(super) verified: Vec<u8>,
    /// Beginnings of other groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) partial: Vec<KeptBytes>,
    /// Without a list: how much of the content is there, from its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<u64>,
    /// What each source did for what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sources: Vec<SourceReport>,
}

impl Journal {
    /// Of a file in which nothing is verified.
    pub(super) fn empty(expected: &Expected, size_bytes: u64) -> Self {
        let machine = machine::this().id();
        let (verified, partial, sources) = (Vec::new(), Vec::new(), Vec::new());
        let expected = expected.clone();
        Self { version: 1, expected, size_bytes, is_open: true, machine, verified, partial, stream: None, sources }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Numbers and letters: there is nothing in it that JSON could not say.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What the journal is to say of a content whose list is known.
#[derive(Debug)]
pub(in crate::download) struct Recorded {
    /// Groups that are there.
    pub(in crate::download) verified: GroupSet,
    /// What is there of others.
    pub(in crate::download) partial: Vec<KeptBytes>,
    /// What each source did for it.
    pub(in crate::download) sources: Vec<SourceReport>,
}

/// What is there of a content, as far as its list verifies it.
#[derive(Debug)]
pub(in crate::download) struct Resumed {
    /// Groups that are there.
    pub(in crate::download) held: GroupSet,
    /// What is there of others.
    pub(in crate::download) partial: Vec<KeptBytes>,
}

impl Resumed {
    /// All bytes that are there.
    pub(in crate::download) fn n_bytes(&self, size_bytes: u64) -> u64 {
        self.held.n_bytes(size_bytes) + self.partial.iter().map(|kept| kept.bytes).sum::<u64>()
    }

    /// Those that are counted for who brought them.
    pub(in crate::download) fn n_counted(&self, size_bytes: u64) -> u64 {
        self.held.n_bytes(size_bytes) + self.partial.iter().map(KeptBytes::n_counted).sum::<u64>()
    }
}
