//! What stands beside a file's size and time, so that bytes are not taken for unchanged because someone set the time
//! back, and a file not for another of the same size and time.

use serde::{Deserialize, Serialize};

/// Which file it is, and when the system itself last noted a change of it: on Unix the inode's number and its change
/// time, on Windows the file id and the change time. Nobody can set the latter. Mixed into one number: only whether it
/// stayed the same is ever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity(pub i64);

impl Identity {
    /// Of the file's number and its change time. Two change times of one file never make the same, nor do two files
    /// with one change time.
    pub const fn new(file: u64, changed: u64) -> Self {
        Self(mix(mix(file) ^ changed).cast_signed())
    }

    /// Whether two looks may have been at one file: what one of them does not know can't speak against it.
    pub fn agree(a: Option<Self>, b: Option<Self>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}

/// The last steps of `splitmix64`: one to one, and each bit of the result depends on all of them.
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn another_file_or_change_is_another_identity(file: u64, other: u64, changed: u64, later: u64) {
            prop_assert_eq!(Identity::new(file, changed) == Identity::new(file, later), changed == later);
            prop_assert_eq!(Identity::new(file, changed) == Identity::new(other, changed), file == other);
        }
    }

    /// It is stored: a later version must not make another number of the same file.
    #[test]
    fn it_stays_what_it_is() {
        assert_eq!(Identity::new(1_234_567, 1_764_000_000_123_456_789), Identity(EXPECTED));
    }

    const EXPECTED: i64 = 1_024_160_561_970_358_162;

    #[test]
    fn what_is_not_known_speaks_against_nothing() {
        let (a, b) = (Some(Identity(1)), Some(Identity(2)));
        assert!(Identity::agree(a, a) && Identity::agree(a, None) && Identity::agree(None, b));
        assert!(!Identity::agree(a, b));
    }
}
