//! Which groups of a content are there, and who fetches which of the others. Pure.
//!
//! Work is handed out as runs of groups. When nothing is left to hand out, the slowest run is shared: its later
//! half goes to whoever is free. Bytes may be someone's to pay for, so nothing is asked for twice, except the last
//! group of a worker that hangs: the first who brings it wins.

use shared_protocol::groups::GROUP_BYTES;

use super::partial_groups::PartialGroups;

/// A set of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupSet {
    words: Vec<u64>,
    n_groups: u64,
    n_held: u64,
}

impl GroupSet {
    /// None of so many.
    pub(super) fn none_of(n_groups: u64) -> Self {
        let n_words = usize::try_from(n_groups.div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: vec![0; n_words], n_groups, n_held: 0 }
    }

    /// The first `n` of so many.
    pub(super) fn first_of(n_groups: u64, n: u64) -> Self {
        let mut set = Self::none_of(n_groups);
        for group in 0..n.min(n_groups) {
            set.insert(group);
        }
        set
    }

    /// Reads what [`Self::to_bytes`] wrote; none if it doesn't fit.
    pub(super) fn from_bytes(n_groups: u64, bytes: &[u8]) -> Option<Self> {
        if bytes.len() as u64 != n_groups.div_ceil(8) {
            return None;
        }
        let mut set = Self::none_of(n_groups);
        for (at, byte) in (0_u64..).step_by(8).zip(bytes) {
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                if at + bit >= n_groups {
                    return None;
                }
                set.insert(at + bit);
            }
        }
        Some(set)
    }

    /// One bit per group, the first one lowest.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let n_bytes = usize::try_from(self.n_groups.div_ceil(8)).unwrap_or(usize::MAX);
        self.words.iter().flat_map(|word| word.to_le_bytes()).take(n_bytes).collect()
    }

    /// Whether a group is in it.
    pub(super) fn has(&self, group: u64) -> bool {
        self.words.get(index(group)).is_some_and(|word| word >> (group % 64) & 1 == 1)
    }

    /// Adds a group; whether it is new.
    pub(super) fn insert(&mut self, group: u64) -> bool {
        let is_new = group < self.n_groups && !self.has(group);
        if is_new && let Some(word) = self.words.get_mut(index(group)) {
            *word |= 1 << (group % 64);
            self.n_held += 1;
        }
        is_new
    }

    /// Takes a group out.
    pub(super) fn remove(&mut self, group: u64) {
        if self.has(group)
            && let Some(word) = self.words.get_mut(index(group))
        {
            *word &= !(1 << (group % 64));
            self.n_held -= 1;
        }
    }

    /// How many there could be.
    pub(super) const fn n_groups(&self) -> u64 {
        self.n_groups
    }

    /// How many there are.
    pub(super) const fn n_held(&self) -> u64 {
        self.n_held
    }

    /// How many bytes they have of a content of this size.
    pub(super) fn n_bytes(&self, size_bytes: u64) -> u64 {
        let is_cut = self.has(self.n_groups.saturating_sub(1));
        self.n_held * GROUP_BYTES - if is_cut { self.n_groups * GROUP_BYTES - size_bytes } else { 0 }
    }

    /// Whether it has all.
    pub(super) const fn is_full(&self) -> bool {
        self.n_held == self.n_groups
    }
}

fn index(group: u64) -> usize {
    usize::try_from(group / 64).unwrap_or(usize::MAX)
}

/// A worker's name.
pub(super) type WorkerId = u64;

/// A run of groups that a worker fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first group.
    pub(super) from: u64,
    /// Behind the last one.
    pub(super) to: u64,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    worker: WorkerId,
    run: Run,
    /// Whether nothing comes of it.
    is_stuck: bool,
}

/// What is there and who fetches what.
#[derive(Debug, Clone)]
pub(super) struct ChunkScheduler {
    held: GroupSet,
    claims: Vec<Claim>,
    /// Longest run handed out at once.
    segment: u64,
    /// What is there of the groups that are missing.
    pub(super) partials: PartialGroups,
}

impl ChunkScheduler {
    /// Begins with what is there already.
    pub(super) const fn new(held: GroupSet, partials: PartialGroups, segment: u64) -> Self {
        Self { held, claims: Vec::new(), segment, partials }
    }

    /// What is there.
    pub(super) const fn held(&self) -> &GroupSet {
        &self.held
    }

    /// Whether a worker should still fetch a group: it is its own to fetch and is not there.
    pub(super) fn wants(&self, worker: WorkerId, group: u64) -> bool {
        !self.held.has(group)
            && self.claims.iter().any(|claim| claim.worker == worker && claim.run.from <= group && group < claim.run.to)
    }

    /// Whether so much of a missing group would be more than is there.
    pub(super) fn is_longer(&self, group: u64, n_bytes: u64) -> bool {
        !self.held.has(group) && self.partials.n_bytes_of(group) < n_bytes
    }

    /// Where a worker can stop: behind the last group that it should still fetch.
    pub(super) fn end_of(&self, worker: WorkerId) -> u64 {
        let Some(claim) = self.claims.iter().find(|claim| claim.worker == worker) else { return 0 };
        (claim.run.from..claim.run.to).rev().find(|group| !self.held.has(*group)).map_or(0, |group| group + 1)
    }

    /// A group has arrived and is verified; whether it was missing until now.
    pub(super) fn note_arrived(&mut self, group: u64) -> bool {
        self.partials.settle(group);
        self.held.insert(group)
    }

    /// Only these are there for sure; what came since has to come again.
    pub(super) fn doubt_since(&mut self, sure: &GroupSet) {
        for group in 0..self.held.n_groups {
            if !sure.has(group) {
                self.held.remove(group);
            }
        }
    }

    /// Says whether anything comes of a worker's run.
    pub(super) fn set_stuck(&mut self, worker: WorkerId, is_stuck: bool) {
        for claim in self.claims.iter_mut().filter(|claim| claim.worker == worker) {
            claim.is_stuck = is_stuck;
        }
    }

    /// Hands out work: something nobody fetches, else a share of the run that has most left.
    pub(super) fn claim(&mut self, worker: WorkerId) -> Option<Run> {
        self.release(worker);
        let run = self.fresh().or_else(|| self.share())?;
        self.claims.push(Claim { worker, run, is_stuck: false });
        Some(run)
    }

    /// Gives a worker everything that is missing, whoever else fetches it: for a source that can't be
    /// asked for a part.
    pub(super) fn claim_all(&mut self, worker: WorkerId) {
        self.release(worker);
        self.claims.push(Claim { worker, run: Run { from: 0, to: self.held.n_groups }, is_stuck: false });
    }

    /// Takes a worker's work back.
    pub(super) fn release(&mut self, worker: WorkerId) {
        self.claims.retain(|claim| claim.worker != worker);
    }

    /// Whether there is something that nobody fetches.
    pub(super) fn has_fresh(&self) -> bool {
        self.fresh().is_some()
    }

    /// Whether there would be something to share.
    pub(super) fn has_shareable(&self) -> bool {
        self.slowest().is_some()
    }

    fn is_fresh(&self, group: u64) -> bool {
        !self.held.has(group) && !self.claims.iter().any(|claim| claim.run.from <= group && group < claim.run.to)
    }

    /// The first run that nobody fetches. It ends before a group of which something is there: only at the beginning
    /// of a run that can be gone on from.
    fn fresh(&self) -> Option<Run> {
        let from = (0..self.held.n_groups).find(|group| self.is_fresh(*group))?;
        let end = self.held.n_groups.min(from + self.segment);
        let to = (from + 1..end).find(|group| !self.is_fresh(*group) || self.partials.has(*group));
        Some(Run { from, to: to.unwrap_or(end) })
    }

    /// The claim with most left, and its first missing group. What two fetch already is not shared again.
    fn slowest(&self) -> Option<(usize, u64, u64)> {
        let left = |claim: &Claim| {
            let missing = (claim.run.from..claim.run.to).filter(|group| !self.held.has(*group));
            let n_missing = missing.clone().count() as u64;
            missing.min().map(|first| (n_missing, first))
        };
        let is_shared = |claim: &Claim, first: u64| {
            self.claims.iter().filter(|other| other.run.from <= first && first < other.run.to).count() > 1
                && claim.run.from <= first
        };
        self.claims
            .iter()
            .enumerate()
            .filter_map(|(i, claim)| left(claim).map(|(n_missing, first)| (i, n_missing, first)))
            .filter(|(i, n_missing, first)| {
                self.claims.get(*i).is_some_and(|claim| (*n_missing > 1 || claim.is_stuck) && !is_shared(claim, *first))
            })
            .max_by_key(|(_, n_missing, _)| *n_missing)
    }

    fn share(&mut self) -> Option<Run> {
        let (i, n_missing, first) = self.slowest()?;
        let to = self.claims.get(i)?.run.to;
        if n_missing == 1 {
            return Some(Run { from: first, to: first + 1 });
        }
        let last = (first..to).rev().find(|group| !self.held.has(*group)).map_or(to, |group| group + 1);
        let middle = first + (last - first).div_ceil(2);
        self.claims.get_mut(i)?.run.to = middle;
        Some(Run { from: middle, to: last })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::super::partial_groups::KeptBytes;
    use super::*;

    proptest! {
        #[test]
        fn a_set_survives_its_bytes(n_groups in 1_u64..300, picks in prop::collection::vec(0_u64..300, 0..80)) {
            let mut set = GroupSet::none_of(n_groups);
            for pick in &picks {
                set.insert(*pick);
            }
            let expected = picks.iter().filter(|pick| **pick < n_groups).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(set.n_held(), expected.len() as u64);
            prop_assert_eq!(GroupSet::from_bytes(n_groups, &set.to_bytes()).unwrap(), set);
        }

        /// Workers that come, go and stop in any order: all groups arrive, no group is fetched by three, and
        /// there is always work for a free worker as long as something is missing that only one fetches.
        #[test]
        fn everything_is_fetched(n_groups in 1_u64..120, segment in 1_u64..40,
                                 steps in prop::collection::vec((0_u64..5, 0_u8..4), 0..400)) {
            let mut scheduler = ChunkScheduler::new(GroupSet::none_of(n_groups), PartialGroups::default(), segment);
            let mut at = std::collections::HashMap::new();
            let end = (0_u64..100_000).map(|i| (i % 5, 1));
            for (worker, what) in steps.into_iter().chain(end) {
                if scheduler.held().is_full() {
                    break;
                }
                scheduler.set_stuck(worker, what == 3);
                match (what, at.get(&worker).copied()) {
                    // It breaks off.
                    (0, _) => { scheduler.release(worker); at.remove(&worker); }
                    (_, Some(group)) if scheduler.end_of(worker) > group => {
                        if scheduler.wants(worker, group) {
                            prop_assert!(scheduler.note_arrived(group));
                        }
                        at.insert(worker, group + 1);
                    }
                    _ => match scheduler.claim(worker) {
                        Some(run) => {
                            prop_assert!(run.from < run.to && run.to <= n_groups && run.to - run.from <= segment);
                            at.insert(worker, run.from);
                        }
                        None => { at.remove(&worker); }
                    },
                }
                for group in 0..n_groups {
                    let n = scheduler.claims.iter().filter(|c| c.run.from <= group && group < c.run.to).count();
                    prop_assert!(n <= 2 || scheduler.held().has(group), "{group} is fetched by {n}");
                }
            }
            prop_assert!(scheduler.held().is_full());
        }
    }

    #[test]
    fn the_slowest_run_is_halved_and_only_what_hangs_is_fetched_twice() {
        let mut scheduler = ChunkScheduler::new(GroupSet::none_of(16), PartialGroups::default(), 16);
        assert_eq!(scheduler.claim(1), Some(Run { from: 0, to: 16 }));
        assert_eq!(scheduler.claim(2), Some(Run { from: 8, to: 16 }));
        assert!(!scheduler.wants(1, 8) && scheduler.wants(2, 8));
        for group in 0..13 {
            scheduler.note_arrived(group);
        }
        assert_eq!(scheduler.claim(1), Some(Run { from: 15, to: 16 }), "the later half of what is left");
        scheduler.note_arrived(15);
        scheduler.note_arrived(14);
        assert_eq!(scheduler.claim(1), None, "the last group is on its way");
        scheduler.set_stuck(2, true);
        assert_eq!(scheduler.claim(1), Some(Run { from: 13, to: 14 }), "the rest of a run that hangs");
        assert_eq!(scheduler.claim(3), None, "two are enough");
        assert_eq!(scheduler.end_of(2), 14);
    }

    #[test]
    fn a_run_ends_before_a_group_of_which_something_is_there() {
        let partials = PartialGroups::of_earlier(&[KeptBytes::counted(2, 9)]);
        let mut scheduler = ChunkScheduler::new(GroupSet::none_of(8), partials, 16);
        assert_eq!(scheduler.claim(1), Some(Run { from: 0, to: 2 }));
        assert_eq!(scheduler.claim(1), Some(Run { from: 0, to: 2 }), "what was given back");
        assert_eq!(scheduler.claim(2), Some(Run { from: 2, to: 8 }));
    }

    #[test]
    fn a_set_of_another_size_is_refused() {
        assert!(GroupSet::from_bytes(9, &[0]).is_none());
        assert!(GroupSet::from_bytes(9, &[0, 0b10]).is_none(), "a bit behind the end");
        assert!(GroupSet::from_bytes(9, &[0, 1]).unwrap().has(8));
    }
}
