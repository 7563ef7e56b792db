//! What counts as proof, and the one door through which an address gets into `.model_sources.json`.
//!
//! An address is public when a digest that is told of the file there is ours, and likely when its exact size is ours
//! and a range of its data, behind the header, was compared. The header alone says nothing: models of one family share
//! theirs to the byte, and their size with it.

use core::ops::Range;

use serde::{Deserialize, Serialize};
use shared_protocol::SourceUrl;

use crate::claim::{Claim, Content, Offer, Origin};

/// Bytes of data that have to agree for an address to be likely. What has less is compared whole.
pub const MIN_PROBED_BYTES: u64 = 64 << 10;

/// How sure it is that a claim is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// It can't be true: a digest or the size is another one.
    Refuted,
    /// Nothing says otherwise, and nothing proves it.
    Hint,
    /// The size is ours, and so is a range of the data.
    Likely,
    /// A digest is ours.
    Public,
}

/// What a look at a range of the file there found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The size in bytes of the whole file there, from `Content-Range`.
    pub total_bytes: u64,
    /// Where in the file the compared bytes begin.
    pub offset: u64,
    /// How many bytes were compared.
    pub n_bytes: u64,
    /// Where our file's data begin: the size of its header.
    pub data_from: u64,
    /// Whether all of them are ours.
    pub is_equal: bool,
}

impl Probe {
    fn refutes(&self, content: &Content) -> bool {
        self.total_bytes != content.size_bytes || !self.is_equal
    }

    /// Whether enough of the data, or all of them, were compared.
    fn is_enough(&self, content: &Content) -> bool {
        let n_data = content.size_bytes.saturating_sub(self.data_from);
        let end = self.offset.saturating_add(self.n_bytes).min(content.size_bytes);
        let n_compared = end.saturating_sub(self.offset.max(self.data_from));
        n_data > 0 && n_compared >= n_data.min(MIN_PROBED_BYTES)
    }
}

/// Which bytes of a file to compare: 64 KiB from the middle of its data. `None` for a file without data.
pub fn probed_range(size_bytes: u64, data_from: u64) -> Option<Range<u64>> {
    let n_data = size_bytes.checked_sub(data_from).filter(|n_data| *n_data > 0)?;
    let n_bytes = n_data.min(MIN_PROBED_BYTES);
    let start = data_from + (n_data - n_bytes) / 2;
    Some(start..start + n_bytes)
}

/// Judges a claim about a content, with a look at the file there if there was one.
pub fn judge(content: &Content, claim: &Claim, probe: Option<&Probe>) -> Proof {
    let sha256 = claim.sha256.zip(content.sha256).map(|(theirs, ours)| theirs == ours);
    let blake3 = claim.blake3.zip(content.blake3).map(|(theirs, ours)| theirs == ours);
    let size = claim.size_bytes.map(|theirs| theirs == content.size_bytes);
    // What contradicts itself is not believed in any part, and bytes that were seen are believed before any digest.
    if [sha256, blake3, size].contains(&Some(false)) || probe.is_some_and(|probe| probe.refutes(content)) {
        return Proof::Refuted;
    }
    if sha256 == Some(true) || blake3 == Some(true) {
        return Proof::Public;
    }
    if probe.is_some_and(|probe| probe.is_enough(content)) { Proof::Likely } else { Proof::Hint }
}

/// How sure an address in the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// A range of its data agrees: the status is `likely`, and people are shown so.
    Likely,
    /// A digest agrees: the status is `ok`.
    Public,
}

impl Admission {
    /// The word for `status` in the file.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Public => "ok",
        }
    }
}

/// An address that may be written. There is no way to one but [`admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    url: SourceUrl,
    origin: Origin,
    admission: Admission,
}

impl Entry {
    /// The address.
    pub const fn url(&self) -> &SourceUrl {
        &self.url
    }

    /// Who said so.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// How sure it is.
    pub const fn admission(&self) -> Admission {
        self.admission
    }
}

/// Why an address may not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It is another file.
    #[error("it is another file: its size, a digest or its bytes are not those of yours")]
    Refuted,
    /// Nothing proves it.
    #[error("nothing proves that it is the same file: the site tells no digest, and no range of its data was compared")]
    Unproved,
    /// The site does not offer it to everybody.
    #[error("the site does not offer it to everybody (early access, or only to be used there)")]
    NotOffered,
    /// The site deleted it.
    #[error("the site says that it is deleted")]
    Deleted,
}

/// Decides whether an address may be written for a content.
///
/// # Errors
///
/// If it is not proved, or not offered; the error says why.
pub fn admit(content: &Content, claim: &Claim, probe: Option<&Probe>) -> Result<Entry, Withheld> {
    let admission = match judge(content, claim, probe) {
        Proof::Refuted => return Err(Withheld::Refuted),
        Proof::Hint => return Err(Withheld::Unproved),
        Proof::Likely => Admission::Likely,
        Proof::Public => Admission::Public,
    };
    match claim.offer {
        Offer::Open => Ok(Entry { url: claim.url.clone(), origin: claim.origin, admission }),
        Offer::Withheld => Err(Withheld::NotOffered),
        Offer::Deleted => Err(Withheld::Deleted),
    }
}

#[cfg(test)]
#[path = "proof_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
