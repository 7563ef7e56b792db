//! The content of a large file as a list of BLAKE3 chaining values, one per group of 1 MiB.
//!
//! The list merges to the file's BLAKE3 digest, so a receiver that trusts the digest can check the
//! list first and then every group by itself as it arrives, in any order and from any source. The
//! tree is the one of the BLAKE3 paper, section 2.1; a group is a whole subtree of it because its
//! length is a power of two of the 1 KiB chunk.

use blake3::hazmat::{HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

use crate::Blake3;

/// Bytes of content under one chaining value.
pub const GROUP_BYTES: u64 = 1 << 20;

/// Bytes of one chaining value.
pub const VALUE_BYTES: usize = blake3::OUT_LEN;

/// One chaining value: the non-root hash of a group at its place in the file.
pub type GroupValue = [u8; VALUE_BYTES];

/// Why a list of group values can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// The number of values does not fit the content's length.
    #[error("{found} group values where {expected} belong to {size_bytes} bytes")]
    Count {
        /// Values found.
        found: usize,
        /// Values that a content of this size has.
        expected: u64,
        /// The content's size.
        size_bytes: u64,
    },
    /// The stored bytes are no whole number of values.
    #[error("{0} bytes are no whole number of group values")]
    Length(usize),
}

/// The chaining values of one content, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupList {
    size_bytes: u64,
    values: Vec<GroupValue>,
}

/// Computes the chaining value of one group that starts `offset` bytes into its file.
///
/// `offset` is a multiple of [`GROUP_BYTES`] and `bytes` are at most as many. For a content of one
/// group only the digest itself exists; see [`GroupList`].
pub fn group_value(offset: u64, bytes: &[u8]) -> GroupValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset).update(bytes);
    hasher.finalize_non_root()
}

/// Number of groups in a content of this size.
pub const fn n_groups(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(GROUP_BYTES)
}

impl GroupList {
    /// Takes values in file order; a content of at most one group has no list, because its digest
    /// already proves it.
    pub fn new(size_bytes: u64, values: Vec<GroupValue>) -> Result<Self, GroupsError> {
        let expected = n_groups(size_bytes);
        if expected < 2 || values.len() as u64 != expected {
            return Err(GroupsError::Count { found: values.len(), expected, size_bytes });
        }
        Ok(Self { size_bytes, values })
    }

    /// Reads the stored form: the values one after the other.
    pub fn from_bytes(size_bytes: u64, bytes: &[u8]) -> Result<Self, GroupsError> {
        Self::new(size_bytes, values_from_bytes(bytes)?)
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.concat()
    }

    /// The content's size.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The values in file order.
    pub fn values(&self) -> &[GroupValue] {
        &self.values
    }

    /// Merges the values up to the digest of the whole content.
    pub fn root(&self) -> Blake3 {
        let left = split(self.size_bytes);
        let (first, rest) = self.values.split_at(left);
        let left_bytes = left as u64 * GROUP_BYTES;
        let hash =
            merge_subtrees_root(&subtree(first, left_bytes), &subtree(rest, self.size_bytes - left_bytes), Mode::Hash);
        Blake3::from_bytes(*hash.as_bytes())
    }
}

fn split(size_bytes: u64) -> usize {
    usize::try_from(left_subtree_len(size_bytes) / GROUP_BYTES).unwrap_or(usize::MAX)
}

fn subtree(values: &[GroupValue], size_bytes: u64) -> GroupValue {
    match values {
        [] => [0; VALUE_BYTES],
        [only] => *only,
        many => {
            let left = split(size_bytes).min(many.len());
            let (first, rest) = many.split_at(left);
            let left_bytes = left as u64 * GROUP_BYTES;
            merge_subtrees_non_root(&subtree(first, left_bytes), &subtree(rest, size_bytes - left_bytes), Mode::Hash)
        }
    }
}

/// Reads values stored one after the other.
pub fn values_from_bytes(bytes: &[u8]) -> Result<Vec<GroupValue>, GroupsError> {
    let (values, rest) = bytes.as_chunks::<VALUE_BYTES>();
    if rest.is_empty() { Ok(values.to_vec()) } else { Err(GroupsError::Length(bytes.len())) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|i| u8::try_from((i * 31 + i / 977) % 251).unwrap()).collect()
    }

    fn list(bytes: &[u8]) -> GroupList {
        let group = usize::try_from(GROUP_BYTES).unwrap();
        let values = bytes.chunks(group).enumerate().map(|(i, b)| group_value(i as u64 * GROUP_BYTES, b)).collect();
        GroupList::new(bytes.len() as u64, values).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_list_merges_to_the_digest(groups in 1_usize..9, extra in 1_usize..=(1 << 20)) {
            let bytes = content(groups * (1 << 20) + extra);
            let list = list(&bytes);
            prop_assert_eq!(list.root(), Blake3::from_bytes(*blake3::hash(&bytes).as_bytes()));
            prop_assert_eq!(GroupList::from_bytes(list.size_bytes(), &list.to_bytes()).unwrap(), list);
        }
    }

    #[test]
    fn one_changed_value_is_another_root() {
        let bytes = content(5 << 20);
        let right = list(&bytes);
        let mut values = right.values().to_vec();
        values.swap(0, 1);
        assert_ne!(GroupList::new(right.size_bytes(), values).unwrap().root(), right.root());
    }

    #[test]
    fn a_list_that_does_not_fit_is_refused() {
        assert!(GroupList::new(GROUP_BYTES, vec![[0; 32]]).is_err(), "one group is its own digest");
        assert!(GroupList::new(3 * GROUP_BYTES, vec![[0; 32]; 2]).is_err());
        assert_eq!(GroupList::from_bytes(2 * GROUP_BYTES, &[0; 63]), Err(GroupsError::Length(63)));
    }
}
