//! Whether a content can be had again, and which would be lost.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::proof::Admission;

/// What was last found at an address of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// It is there, or it could not be asked just now: trouble on the way is no news about the file.
    There(Admission),
    /// It was there, and is not any more: 404, 410, another content, or deleted by the site's own word.
    Gone,
}

/// All that is known about a content outside of our disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Its addresses, each that was ever proved or likely.
    pub addresses: Vec<AddressState>,
    /// Whether a site or a note on this disk says that it was public and is deleted.
    pub is_told_gone: bool,
    /// Whether all finders that may be asked by its digest have answered, whatever they said.
    pub is_asked: bool,
}

/// Whether a content can be had again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Coverage {
    /// It is at an address, by its digest.
    Public,
    /// It is at an address, as far as size and some of its data tell.
    Likely,
    /// Nobody who was asked knows it.
    PrivateOnly,
    /// It was public and is not any more.
    Gone,
}

impl Coverage {
    /// All of them.
    pub const ALL: &[Self] = <Self as VariantArray>::VARIANTS;

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::Likely => "Likely public",
            Self::PrivateOnly => "Only yours",
            Self::Gone => "No longer public",
        }
    }
}

/// What the evidence says; `None` while nobody was asked and nothing is known: that a content is private is never
/// said on the word of finders that were not asked.
pub fn coverage(evidence: &Evidence) -> Option<Coverage> {
    let there = evidence.addresses.iter().filter_map(|state| match state {
        AddressState::There(admission) => Some(*admission),
        AddressState::Gone => None,
    });
    match there.max() {
        Some(Admission::Public) => Some(Coverage::Public),
        Some(Admission::Likely) => Some(Coverage::Likely),
        None if !evidence.addresses.is_empty() || evidence.is_told_gone => Some(Coverage::Gone),
        None => evidence.is_asked.then_some(Coverage::PrivateOnly),
    }
}

/// Where a content is kept: copies on different disks. Hard links and two names in one place are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Copies that are there now.
    pub n_copies: u64,
}

/// Whether a content is gone everywhere and only one copy of it is here.
pub fn is_at_risk(coverage: Option<Coverage>, kept: Kept) -> bool {
    coverage == Some(Coverage::Gone) && kept.n_copies == 1
}

/// Whether one copy may be offered for removal to free space, with so many verified copies elsewhere: what may be
/// had again may, anything else only where another copy stays. What is likely is not proved, so it does not count.
pub const fn may_leave(coverage: Option<Coverage>, n_copies_elsewhere: u64) -> bool {
    n_copies_elsewhere > 0 || matches!(coverage, Some(Coverage::Public))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(addresses: &[AddressState]) -> Evidence {
        Evidence { addresses: addresses.to_vec(), is_told_gone: false, is_asked: true }
    }

    const PUBLIC: AddressState = AddressState::There(Admission::Public);
    const LIKELY: AddressState = AddressState::There(Admission::Likely);

    #[test]
    fn the_best_address_decides() {
        assert_eq!(coverage(&evidence(&[AddressState::Gone, LIKELY, PUBLIC])), Some(Coverage::Public));
        assert_eq!(coverage(&evidence(&[AddressState::Gone, LIKELY])), Some(Coverage::Likely));
        assert_eq!(coverage(&evidence(&[AddressState::Gone])), Some(Coverage::Gone));
        assert_eq!(coverage(&evidence(&[])), Some(Coverage::PrivateOnly));
        assert_eq!(coverage(&Evidence { is_told_gone: true, ..evidence(&[]) }), Some(Coverage::Gone));
        assert_eq!(coverage(&Evidence { is_told_gone: true, ..evidence(&[PUBLIC]) }), Some(Coverage::Public));
        assert_eq!(coverage(&Evidence::default()), None, "nobody was asked");
    }

    #[test]
    fn what_is_gone_needs_another_copy() {
        let one = Kept { n_copies: 1 };
        assert!(is_at_risk(Some(Coverage::Gone), one));
        assert!(!is_at_risk(Some(Coverage::Gone), Kept { n_copies: 2 }));
        assert!(!is_at_risk(Some(Coverage::PrivateOnly), one) && !is_at_risk(None, one));
        for coverage in [None, Some(Coverage::Gone), Some(Coverage::PrivateOnly), Some(Coverage::Likely)] {
            assert!(!may_leave(coverage, 0) && may_leave(coverage, 1));
        }
        assert!(may_leave(Some(Coverage::Public), 0));
    }

    #[test]
    fn names_are_those_of_the_api() {
        let names: Vec<_> = Coverage::ALL.iter().map(|coverage| coverage.as_str()).collect();
        assert_eq!(names, ["public", "likely", "private_only", "gone"]);
    }

    proptest! {
        #[test]
        fn one_more_address_never_makes_it_worse(n_gone in 0_usize..4, n_likely in 0_usize..3, told in any::<bool>()) {
            let mut before = evidence(&vec![AddressState::Gone; n_gone]);
            before.addresses.extend(vec![LIKELY; n_likely]);
            before.is_told_gone = told;
            let mut after = before.clone();
            after.addresses.push(PUBLIC);
            prop_assert_eq!(coverage(&after), Some(Coverage::Public));
            prop_assert!(coverage(&before).is_some());
        }
    }
}
