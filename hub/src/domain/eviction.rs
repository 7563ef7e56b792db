//! Which files may leave Local, and which of them make enough room.
//!
//! What the index knows decides only what is offered and asked for; that the Lake really holds the
//! content is verified when a file's turn comes.

use serde::{Deserialize, Serialize};

use super::diff::{Content, DiffStatus, compare};

/// What the index knows of the Lake's copy of a file on Local.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LakeCopy {
    /// The hashes are known and equal, under this or another path.
    Known,
    /// Size and time are equal; the content was not compared yet.
    Likely,
    /// The size is equal and the time is not: the content may be another.
    Unsure,
    /// There is none: it is made first.
    Missing,
}

/// In which order files are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub enum EvictBy {
    /// The largest first: few files make much room.
    #[default]
    Size,
    /// Those first that were changed longest ago.
    Age,
}

/// What the Lake has for a file of Local, given the file at the same path and whether the same
/// content is known to lie elsewhere; `None` where another content takes the path, so that there is
/// no room for a copy.
pub fn lake_copy(local: &Content, at_path: Option<&Content>, is_elsewhere: bool) -> Option<LakeCopy> {
    let Some(lake) = at_path else {
        return Some(if is_elsewhere { LakeCopy::Known } else { LakeCopy::Missing });
    };
    match compare(local, lake) {
        DiffStatus::Same if local.hash.is_some() && lake.hash.is_some() => Some(LakeCopy::Known),
        DiffStatus::Same => Some(LakeCopy::Likely),
        DiffStatus::Unverified => Some(LakeCopy::Unsure),
        _ => is_elsewhere.then_some(LakeCopy::Known),
    }
}

/// Takes files in their order until so many bytes are free, and tells which, by their place. By
/// size the last one is the smallest that is still enough. Without the last one it would not be
/// enough; if all files together are not enough, it is all of them.
pub fn choose(sizes: &[u64], free_bytes: u64, by: EvictBy) -> Vec<usize> {
    let mut chosen = Vec::new();
    let mut sum: u64 = 0;
    for (place, size) in sizes.iter().enumerate() {
        if sum >= free_bytes {
            break;
        }
        chosen.push(place);
        sum = sum.saturating_add(*size);
    }
    if by == EvictBy::Size
        && sum >= free_bytes
        && let Some(last) = chosen.pop()
    {
        let before = sum.saturating_sub(sizes.get(last).copied().unwrap_or(0));
        let enough = |size: u64| before.saturating_add(size) >= free_bytes;
        let tighter =
            sizes.iter().enumerate().skip(last).filter(|(_, size)| enough(**size)).min_by_key(|(_, size)| **size);
        chosen.push(tighter.map_or(last, |(place, _)| place));
    }
    chosen
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;
    use shared_protocol::Blake3;

    use super::*;
    use crate::domain::ticks::Ticks;

    fn by() -> impl Strategy<Value = EvictBy> {
        prop_oneof![Just(EvictBy::Size), Just(EvictBy::Age)]
    }

    fn content() -> impl Strategy<Value = Content> {
        (0_u64..3, 0_i64..60_000_000, proptest::option::of(0_u8..2)).prop_map(|(size_bytes, time, hash)| Content {
            size_bytes,
            modified: Ticks(time),
            hash: hash.map(|byte| Blake3::from_bytes([byte; 32])),
        })
    }

    proptest! {
        #[test]
        fn never_more_than_needed_by_more_than_one_file(
            mut sizes in proptest::collection::vec(1_u64..1_000, 0..40), wanted in 0_u64..20_000, by in by(),
        ) {
            if by == EvictBy::Size {
                sizes.sort_unstable_by(|a, b| b.cmp(a));
            }
            let chosen = choose(&sizes, wanted, by);
            let sum: u64 = chosen.iter().map(|place| sizes[*place]).sum();
            let all: u64 = sizes.iter().sum();
            prop_assert_eq!(sum >= wanted, all >= wanted, "enough, wherever all are enough");
            if let Some(last) = chosen.last() {
                prop_assert!(sum - sizes[*last] < wanted, "without the last it would not be enough");
            }
            let mut once = chosen.clone();
            once.dedup();
            prop_assert_eq!(once.len(), chosen.len(), "no file twice");
            prop_assert!(chosen.is_sorted());
        }

        #[test]
        fn by_age_none_is_passed_over(sizes in proptest::collection::vec(1_u64..1_000, 0..40), wanted in 0_u64..20_000) {
            let chosen = choose(&sizes, wanted, EvictBy::Age);
            prop_assert_eq!(&chosen, &(0..chosen.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_file_without_a_possible_copy_is_never_offered(
            local in content(), lake in proptest::option::of(content()), is_elsewhere: bool,
        ) {
            match lake_copy(&local, lake.as_ref(), is_elsewhere) {
                None => {
                    let lake = lake.unwrap();
                    prop_assert!(!is_elsewhere);
                    prop_assert_eq!(compare(&local, &lake), DiffStatus::Different);
                }
                Some(LakeCopy::Missing) => prop_assert!(lake.is_none() && !is_elsewhere),
                Some(LakeCopy::Known) => prop_assert!(is_elsewhere || lake.is_some_and(|lake| lake.hash == local.hash)),
                Some(LakeCopy::Likely | LakeCopy::Unsure) => {
                    prop_assert_eq!(lake.map(|lake| lake.size_bytes), Some(local.size_bytes));
                }
            }
        }
    }

    #[test]
    fn the_last_one_is_the_smallest_that_is_enough() {
        assert_eq!(choose(&[100, 50, 20, 5, 1], 104, EvictBy::Size), [0, 3]);
        assert_eq!(choose(&[100, 50, 20, 5, 1], 104, EvictBy::Age), [0, 1]);
        assert_eq!(choose(&[100, 50], 0, EvictBy::Size), [0_usize; 0]);
        assert_eq!(choose(&[100, 50], 500, EvictBy::Size), [0, 1], "as much as there is");
    }
}
