//! No address without proof or the mark "likely".

use proptest::prelude::*;
use shared_protocol::{Allowed, Blake3, Sha256};

use super::*;

const SIZE: u64 = 1 << 20;

fn content() -> Content {
    Content { blake3: Some(Blake3::from_bytes([1; 32])), sha256: Some(Sha256::from_bytes([2; 32])), size_bytes: SIZE }
}

fn claim() -> Claim {
    Claim {
        origin: Origin::ManagerList,
        url: SourceUrl::parse("https://a.example/x.safetensors", Allowed::PublicOnly).unwrap(),
        file_name: None,
        sha256: None,
        blake3: None,
        size_bytes: None,
        about_bytes: None,
        offer: Offer::Open,
    }
}

fn probe() -> Probe {
    Probe { total_bytes: SIZE, offset: 600_000, n_bytes: MIN_PROBED_BYTES, data_from: 1_000, is_equal: true }
}

#[test]
fn a_digest_proves_and_a_range_makes_likely() {
    let ours = Some(Sha256::from_bytes([2; 32]));
    let entry = admit(&content(), &Claim { sha256: ours, ..claim() }, None).unwrap();
    assert_eq!((entry.admission().status(), entry.origin()), ("ok", Origin::ManagerList));
    let by_blake3 = Claim { blake3: content().blake3, ..claim() };
    assert_eq!(judge(&content(), &by_blake3, None), Proof::Public);
    assert_eq!(admit(&content(), &claim(), Some(&probe())).unwrap().admission().status(), "likely");
    assert_eq!(admit(&content(), &claim(), None), Err(Withheld::Unproved));
    let sized = Claim { size_bytes: Some(SIZE), about_bytes: Some(SIZE), ..claim() };
    assert_eq!(admit(&content(), &sized, None), Err(Withheld::Unproved), "a size alone is nothing");
}

#[test]
fn what_contradicts_itself_is_refuted() {
    let ours = Claim { sha256: content().sha256, ..claim() };
    for claim in [
        Claim { blake3: Some(Blake3::from_bytes([9; 32])), ..ours.clone() },
        Claim { size_bytes: Some(SIZE - 1), ..ours.clone() },
        Claim { sha256: Some(Sha256::from_bytes([9; 32])), ..claim() },
    ] {
        assert_eq!(judge(&content(), &claim, Some(&probe())), Proof::Refuted);
    }
    for probe in [Probe { is_equal: false, ..probe() }, Probe { total_bytes: SIZE + 1, ..probe() }] {
        assert_eq!(judge(&content(), &ours, Some(&probe)), Proof::Refuted, "seen bytes come before told digests");
    }
}

#[test]
fn a_header_that_agrees_says_nothing() {
    for short in [
        Probe { offset: 0, n_bytes: 1_000, ..probe() },
        Probe { offset: 0, n_bytes: 256 << 10, data_from: 256 << 10, ..probe() },
        Probe { n_bytes: MIN_PROBED_BYTES - 1, ..probe() },
        Probe { n_bytes: 0, ..probe() },
        Probe { offset: SIZE, ..probe() },
        Probe { offset: SIZE - 10, n_bytes: u64::MAX, ..probe() },
        Probe { data_from: SIZE, ..probe() },
    ] {
        assert_eq!(judge(&content(), &claim(), Some(&short)), Proof::Hint, "{short:?}");
    }
    let small = Content { size_bytes: 1_100, ..content() };
    let whole = Probe { total_bytes: 1_100, offset: 0, n_bytes: 1_100, ..probe() };
    assert_eq!(judge(&small, &claim(), Some(&whole)), Proof::Likely);
}

#[test]
fn what_is_not_offered_is_not_written() {
    let ours = Claim { sha256: content().sha256, ..claim() };
    for (offer, why) in [(Offer::Deleted, Withheld::Deleted), (Offer::Withheld, Withheld::NotOffered)] {
        assert_eq!(admit(&content(), &Claim { offer, ..ours.clone() }, None), Err(why));
    }
}

fn told<T: core::fmt::Debug + Clone + 'static>(ours: T, other: T) -> impl Strategy<Value = Option<T>> {
    prop_oneof![Just(None), Just(Some(ours)), Just(Some(other))]
}

proptest! {
    #[test]
    fn no_address_enters_without_proof_or_the_mark(
        sha256 in told(Sha256::from_bytes([2; 32]), Sha256::from_bytes([3; 32])),
        blake3 in told(Blake3::from_bytes([1; 32]), Blake3::from_bytes([4; 32])),
        size_bytes in told(SIZE, SIZE + 1),
        known in (any::<bool>(), any::<bool>()),
        probe in proptest::option::of((0..2 * SIZE, 0..2 * SIZE, 0..2 * SIZE, prop_oneof![Just(SIZE), Just(SIZE - 1)], any::<bool>())),
        offer in proptest::sample::select(vec![Offer::Open, Offer::Withheld, Offer::Deleted]),
    ) {
        let ours = Content {
            blake3: content().blake3.filter(|_| known.0),
            sha256: content().sha256.filter(|_| known.1),
            ..content()
        };
        let claim = Claim { sha256, blake3, size_bytes, offer, ..claim() };
        let probe = probe.map(|(offset, n_bytes, data_from, total_bytes, is_equal)| {
            Probe { total_bytes, offset, n_bytes, data_from, is_equal }
        });
        if let Ok(entry) = admit(&ours, &claim, probe.as_ref()) {
            prop_assert_eq!(offer, Offer::Open);
            let same_sha256 = sha256.is_some() && sha256 == ours.sha256;
            let same_blake3 = blake3.is_some() && blake3 == ours.blake3;
            match entry.admission() {
                Admission::Public => prop_assert!(same_sha256 || same_blake3),
                Admission::Likely => {
                    let probe = probe.unwrap();
                    prop_assert!(probe.is_equal && probe.total_bytes == SIZE);
                    prop_assert!(probe.offset + probe.n_bytes > probe.data_from && probe.offset < SIZE);
                }
            }
            let other_sha256 = sha256.is_some() && ours.sha256.is_some() && !same_sha256;
            let other_blake3 = blake3.is_some() && ours.blake3.is_some() && !same_blake3;
            prop_assert!(!other_sha256 && !other_blake3 && size_bytes != Some(SIZE + 1));
        }
    }

    #[test]
    fn a_range_to_compare_is_enough(size in 0..4 * SIZE, data_from in 0..4 * SIZE) {
        let Some(range) = probed_range(size, data_from) else {
            prop_assert!(size <= data_from);
            return Ok(());
        };
        prop_assert!(range.start >= data_from && range.end <= size);
        let ours = Content { size_bytes: size, ..content() };
        let n_bytes = range.end - range.start;
        let probe = Probe { total_bytes: size, offset: range.start, n_bytes, data_from, is_equal: true };
        prop_assert_eq!(judge(&ours, &claim(), Some(&probe)), Proof::Likely);
    }
}
