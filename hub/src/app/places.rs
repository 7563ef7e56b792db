//! Places of a listener: how many connections there may be, and who goes when there are too many.
//!
//! On the remote listener strangers and friends come by the same door, and only what a connection says tells them apart.
//! So strangers have a share of the places, and the one who came first goes when another comes: a flood of connections
//! without a key pushes out itself, and an agent's next connection finds a place.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::web::remote::Acquaintance;

/// The places; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    most: usize,
    /// How many may be strangers; none of them is put out where that is all.
    most_strangers: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By the order in which they came.
    by_number: BTreeMap<u64, (Acquaintance, CancellationToken)>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    /// Who has it.
    pub(super) acquaintance: Acquaintance,
    /// Cancelled when someone else gets it.
    pub(super) put_out: CancellationToken,
}

impl Places {
    /// So many for whoever comes.
    pub(super) fn new(most: usize) -> Self {
        Self { most, most_strangers: most, taken: Arc::default() }
    }

    /// So many of them for those who have shown no key.
    pub(super) fn for_strangers(self, most_strangers: usize) -> Self {
        Self { most_strangers, ..self }
    }

    /// Takes a place; none if all are taken by those who stay.
    pub(super) fn take_place(&self) -> Option<Place> {
        let mut taken = self.taken.lock();
        let strangers: Vec<u64> =
            taken.by_number.iter().filter(|(_, (who, _))| !who.is_friend()).map(|(number, _)| *number).collect();
        if self.most_strangers < self.most && strangers.len() >= self.most_strangers {
            let oldest = strangers.first().and_then(|number| taken.by_number.remove(number));
            if let Some((_, put_out)) = oldest {
                put_out.cancel();
            }
        }
        if taken.by_number.len() >= self.most {
            return None;
        }
        taken.next += 1;
        let number = taken.next;
        let (acquaintance, put_out) = (Acquaintance::default(), CancellationToken::new());
        taken.by_number.insert(number, (acquaintance.clone(), put_out.clone()));
        drop(taken);
        Some(Place { places: self.clone(), number, acquaintance, put_out })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn strangers_push_out_each_other_and_nobody_else() {
        let places = Places::new(6).for_strangers(3);
        let first = places.take_place().unwrap();
        let (second, third) = (places.take_place().unwrap(), places.take_place().unwrap());
        let fourth = places.take_place().unwrap();
        assert!(first.put_out.is_cancelled());
        assert!([&second, &third, &fourth].iter().all(|place| !place.put_out.is_cancelled()));
        drop(second);
        let fifth = places.take_place().unwrap();
        assert!(!third.put_out.is_cancelled(), "a place was free");
        drop((third, fourth, fifth));
    }

    #[test]
    fn who_has_shown_a_key_keeps_the_place_and_finds_another() {
        let places = Places::new(6).for_strangers(3);
        let mut friends = Vec::new();
        for _ in 0..3 {
            let place = places.take_place().unwrap();
            crate::web::remote::befriend_for_tests(&place.acquaintance);
            friends.push(place);
        }
        let strangers: Vec<Place> = (0..50).map(|_| places.take_place().unwrap()).collect();
        assert!(friends.iter().all(|place| !place.put_out.is_cancelled()));
        assert_eq!(strangers.iter().filter(|place| !place.put_out.is_cancelled()).count(), 3);
    }

    #[test]
    fn without_a_share_of_their_own_nobody_is_put_out() {
        let places = Places::new(2);
        let (first, _second) = (places.take_place().unwrap(), places.take_place().unwrap());
        assert!(places.take_place().is_none() && !first.put_out.is_cancelled());
        drop(first);
        assert!(places.take_place().is_some());
    }
}
