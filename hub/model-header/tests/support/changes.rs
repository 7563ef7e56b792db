//! Changes to good files, as broken disks and people who mean harm make them. Lists of changes shrink, so
//! that a fault is told by the few that it takes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestCaseError, TestRunner};

/// Numbers that lengths, counts and offsets go wrong with.
const NUMBERS: [u64; 14] = [
    0,
    1,
    7,
    0x7f,
    0xff,
    0x8000,
    0xffff,
    100_000_000,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    1 << 60,
    u64::MAX >> 1,
    u64::MAX,
];

/// One change.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    /// A number of so many bytes, the smallest first.
    Number(Index, usize, u64),
    Cut(Index),
    /// Takes so many bytes out.
    Remove(Index, usize),
    /// Puts so many bytes in again, so many times.
    Repeat(Index, usize, usize),
    /// Puts in a part of another file.
    Splice(Index, Index, usize),
    /// Puts in a word.
    Word(Index, usize),
    /// Opens this so many times.
    Nest(Index, usize, usize),
}

/// What is put in besides words of the format.
const NESTS: [&[u8]; 6] = [b"[", b"{\"a\":", b"(", b"{\"a\":[", b"<a ", b"]"];

/// Some changes.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        4 => (any::<Index>(), prop::sample::select(vec![1_usize, 2, 4, 8]), prop::sample::select(NUMBERS.to_vec()))
            .prop_map(|(at, width, number)| Change::Number(at, width, number)),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), 1_usize..200).prop_map(|(at, n)| Change::Remove(at, n)),
        2 => (any::<Index>(), 1_usize..100, 1_usize..40).prop_map(|(at, n, times)| Change::Repeat(at, n, times)),
        2 => (any::<Index>(), any::<Index>(), 1_usize..2_000).prop_map(|(at, from, n)| Change::Splice(at, from, n)),
        4 => (any::<Index>(), 0_usize..1_000).prop_map(|(at, word)| Change::Word(at, word)),
        1 => (any::<Index>(), 0..NESTS.len(), 1_usize..3_000).prop_map(|(at, what, n)| Change::Nest(at, what, n)),
    ];
    prop::collection::vec(one, 1..8)
}

/// Makes the changes. Half of all places are near the beginning, where what matters stands.
pub(crate) fn apply(bytes: &mut Vec<u8>, changes: &[Change], other: &[u8], words: &[&[u8]]) {
    for change in changes {
        let length = bytes.len();
        let place = |at: &Index| {
            let reach = if at.index(2) == 0 { length.min(400) } else { length };
            at.index(reach + 1)
        };
        let end = |at: usize, n: usize| at.saturating_add(n).min(length);
        match change {
            Change::Set(at, byte) => replace(bytes, place(at), &[*byte]),
            Change::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= 1 << bit;
                }
            }
            Change::Number(at, width, number) => {
                let number = number.to_le_bytes();
                replace(bytes, place(at), number.get(..*width).unwrap_or_default());
            }
            Change::Cut(at) => bytes.truncate(at.index(length + 1)),
            Change::Remove(at, n) => {
                let at = place(at);
                bytes.drain(at..end(at, *n));
            }
            Change::Repeat(at, n, times) => {
                let at = place(at);
                let again = bytes.get(at..end(at, *n)).unwrap_or_default().repeat(*times);
                bytes.splice(at..at, again);
            }
            Change::Splice(at, from, n) => {
                let from = from.index(other.len() + 1);
                let part = other.get(from..from.saturating_add(*n).min(other.len())).unwrap_or_default();
                let at = place(at);
                bytes.splice(at..at, part.iter().copied());
            }
            Change::Word(at, word) => {
                let at = place(at);
                let word = words.get(word % words.len().max(1)).copied().unwrap_or_default();
                bytes.splice(at..at, word.iter().copied());
            }
            Change::Nest(at, what, n) => {
                let at = place(at);
                let again = NESTS.get(*what).copied().unwrap_or_default().repeat(*n);
                bytes.splice(at..at, again);
            }
        }
    }
}

fn replace(bytes: &mut [u8], at: usize, by: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(by) {
        *to = *from;
    }
}

/// Where more is asked for than these, as by `PROPTEST_CASES=1024`, a minute is tried in place of a number.
const FEW: u32 = 256;
const LONG: Duration = Duration::from_mins(1);

/// Holds what is made at random to a check; what fails is told with the fewest changes that it takes.
#[track_caller]
pub(crate) fn hold<S: Strategy>(what: &S, check: impl Fn(S::Value) -> Result<(), String>) {
    let began = Instant::now();
    let is_long = ProptestConfig::default().cases > FEW;
    loop {
        // A list of changes says more than a seed that is kept.
        let config = ProptestConfig { cases: FEW, failure_persistence: None, ..ProptestConfig::default() };
        let result = TestRunner::new(config).run(what, |made| check(made).map_err(TestCaseError::fail));
        if let Err(error) = result {
            panic!("{error}");
        }
        if !is_long || began.elapsed() > LONG {
            return;
        }
    }
}
