//! What a content is known by before it is there, and what it turned out to be.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use shared_protocol::{Blake3, Sha256};

/// What is known of a content beforehand; in a journal, what its half-done file is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Its name everywhere here.
    Blake3(Blake3),
    /// What public sites know it by.
    Sha256(Sha256),
    /// No digest, so nothing verifies it. What its site calls this very content, if it does: what came of one that has
    /// the same tag is gone on with, anything else is begun anew.
    Tag(Option<String>),
}

/// The digests of a content that is there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Its name everywhere here.
    pub blake3: Blake3,
    /// Where it was asked for.
    pub sha256: Option<Sha256>,
}

impl Expected {
    /// The name of the content, if that is what is known.
    pub const fn blake3(&self) -> Option<Blake3> {
        match self {
            Self::Blake3(blake3) => Some(*blake3),
            Self::Sha256(_) | Self::Tag(_) => None,
        }
    }

    /// Whether this is it, as far as anything is known.
    pub(super) fn is(&self, found: &Digests) -> bool {
        match self {
            Self::Blake3(blake3) => *blake3 == found.blake3,
            Self::Sha256(sha256) => Some(*sha256) == found.sha256,
            Self::Tag(_) => true,
        }
    }

    /// Whether what came for `other` came for this.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self == other && *self != Self::Tag(None)
    }
}

/// Takes the digests of bytes as they come.
pub(super) struct Digester {
    blake3: blake3::Hasher,
    sha256: Option<sha2::Sha256>,
}

impl Digester {
    /// With SHA-256 beside BLAKE3, or without.
    pub(super) fn new(sha256: bool) -> Self {
        Self { blake3: blake3::Hasher::new(), sha256: sha256.then(sha2::Sha256::new) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// The digests of what came so far.
    pub(super) fn digests(&self) -> Digests {
        let sha256 = self.sha256.as_ref().map(|sha256| Sha256::from_bytes(sha256.clone().finalize().into()));
        Digests { blake3: Blake3::from_bytes(*self.blake3.finalize().as_bytes()), sha256 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_told_apart_by_what_is_known_of_it() {
        let mut digester = Digester::new(true);
        digester.update(b"mod");
        digester.update(b"el");
        let found = digester.digests();
        let other = Digester::new(true).digests();
        for expected in [Expected::Blake3(found.blake3), Expected::Sha256(found.sha256.unwrap())] {
            assert!(expected.is(&found) && !expected.is(&other) && expected.is_same(&expected.clone()));
            let text = serde_json::to_string(&expected).unwrap();
            assert_eq!(serde_json::from_str::<Expected>(&text).unwrap(), expected);
        }
        assert!(Expected::Tag(None).is(&other), "nothing is known of it");
        assert!(!Expected::Tag(None).is_same(&Expected::Tag(None)), "two of the same size may differ");
        let tagged = Expected::Tag(Some("\"v1\"".to_owned()));
        assert!(tagged.is_same(&tagged.clone()));
        assert!(!Expected::Sha256(found.sha256.unwrap()).is(&Digester::new(false).digests()), "it was not taken");
    }
}
