//! When two files of the same name count as the same: the one rule, used by the comparison in the
//! database and by everything that shows a pair.

use serde::{Deserialize, Serialize};
use shared_protocol::Blake3;

use super::ticks::Ticks;

/// How the two roots stand to each other at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString, strum::FromRepr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[repr(i64)]
pub enum DiffStatus {
    LocalOnly = 0,
    LakeOnly = 1,
    /// Both have it, verified by hash or shown by size and time.
    Same = 2,
    /// Both have it with different content.
    Different = 3,
    /// Each has the same content under another path.
    Moved = 4,
    /// A root has several names here that another system would take for one.
    Conflict = 5,
    /// Equal size, different time, no hash yet on at least one side.
    Unverified = 6,
    /// A root was not seen there: behind a link, in a folder that could not be listed, on a disk that is
    /// away. What is missing may be there.
    Unknown = 7,
}

impl DiffStatus {
    /// Every status, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::LocalOnly,
        Self::LakeOnly,
        Self::Same,
        Self::Different,
        Self::Moved,
        Self::Conflict,
        Self::Unverified,
        Self::Unknown,
    ];

    /// Whether a copy from one side to the other makes sense.
    pub const fn is_copied(self) -> bool {
        matches!(self, Self::LocalOnly | Self::LakeOnly | Self::Different | Self::Unverified)
    }
}

/// What the comparison knows of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
    /// Its hash, if known for this size and time.
    pub hash: Option<Blake3>,
}

/// Compares two files of the same path.
///
/// Hashes decide where both are known. Without them an equal size with an equal time counts as the
/// same; an equal size with another time asks for a hash, also where a clock change shifted the
/// time by an hour.
pub fn compare(local: &Content, lake: &Content) -> DiffStatus {
    if local.size_bytes != lake.size_bytes {
        return DiffStatus::Different;
    }
    match (local.hash, lake.hash) {
        (Some(a), Some(b)) if a == b => DiffStatus::Same,
        (Some(_), Some(_)) => DiffStatus::Different,
        _ if local.modified.same(lake.modified) => DiffStatus::Same,
        _ => DiffStatus::Unverified,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = Content> {
        (0_u64..3, 0_i64..60_000_000, proptest::option::of(0_u8..2)).prop_map(|(size_bytes, time, hash)| Content {
            size_bytes,
            modified: Ticks(time),
            hash: hash.map(|byte| Blake3::from_bytes([byte; 32])),
        })
    }

    proptest! {
        #[test]
        fn the_order_of_the_sides_does_not_matter(a in content(), b in content()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a));
        }

        #[test]
        fn same_needs_proof_or_equal_size_and_time(a in content(), b in content()) {
            if compare(&a, &b) == DiffStatus::Same {
                prop_assert_eq!(a.size_bytes, b.size_bytes);
                match (a.hash, b.hash) {
                    (Some(x), Some(y)) => prop_assert_eq!(x, y),
                    _ => prop_assert!(a.modified.same(b.modified)),
                }
            }
        }
    }

    #[test]
    fn an_hours_shift_asks_for_a_hash() {
        let a = Content { size_bytes: 5, modified: Ticks(0), hash: None };
        let b = Content { modified: Ticks(36_000_000_000), ..a };
        assert_eq!(compare(&a, &b), DiffStatus::Unverified);
        assert_eq!(compare(&a, &Content { size_bytes: 6, ..b }), DiffStatus::Different);
    }

    #[test]
    fn codes_and_names_lead_back() {
        for status in DiffStatus::ALL {
            assert_eq!(DiffStatus::from_repr(status.code()), Some(status));
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }
}
