//! Which groups of a content are there, and who fetches which of the others. Pure.
//!
//! Work is handed out as runs of groups. When nothing is left to hand out, the slowest run is shared: its
//! later half goes to whoever is free, and when it is nearly done it is asked for twice. The
//! first who brings a group wins, so a source that hangs holds up nobody.

/// Runs this short are fetched twice rather than cut in two.
const SHARED_WHOLE: u64 = 4;

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
}

/// What is there and who fetches what.
#[derive(Debug, Clone)]
pub(super) struct ChunkScheduler {
    held: GroupSet,
    claims: Vec<Claim>,
    /// Longest run handed out at once.
    segment: u64,
}

impl ChunkScheduler {
    /// Begins with what is there already.
    pub(super) const fn new(held: GroupSet, segment: u64) -> Self {
        Self { held, claims: Vec::new(), segment }
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

    /// Where a worker can stop: behind the last group that it should still fetch.
    pub(super) fn end_of(&self, worker: WorkerId) -> u64 {
        let Some(claim) = self.claims.iter().find(|claim| claim.worker == worker) else { return 0 };
        (claim.run.from..claim.run.to).rev().find(|group| !self.held.has(*group)).map_or(0, |group| group + 1)
    }

    /// A group has arrived and is verified; whether it was missing until now.
    pub(super) fn note_arrived(&mut self, group: u64) -> bool {
        self.held.insert(group)
    }

    /// Hands out work: something nobody fetches, else a share of the run that has most left.
    pub(super) fn claim(&mut self, worker: WorkerId) -> Option<Run> {
        self.release(worker);
        let run = self.fresh().or_else(|| self.share())?;
        self.claims.push(Claim { worker, run });
        Some(run)
    }

    /// Gives a worker everything that is missing, whoever else fetches it: for a source that can't be
    /// asked for a part.
    pub(super) fn claim_all(&mut self, worker: WorkerId) {
        self.release(worker);
        self.claims.push(Claim { worker, run: Run { from: 0, to: self.held.n_groups } });
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

    fn fresh(&self) -> Option<Run> {
        let from = (0..self.held.n_groups).find(|group| self.is_fresh(*group))?;
        let to = (from..self.held.n_groups.min(from + self.segment)).find(|group| !self.is_fresh(*group));
        Some(Run { from, to: to.unwrap_or_else(|| self.held.n_groups.min(from + self.segment)) })
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
            .filter(|(i, _, first)| self.claims.get(*i).is_some_and(|claim| !is_shared(claim, *first)))
            .max_by_key(|(_, n_missing, _)| *n_missing)
    }

    fn share(&mut self) -> Option<Run> {
        let (i, n_missing, first) = self.slowest()?;
        let claim = self.claims.get_mut(i)?;
        let to = claim.run.to;
        if n_missing <= SHARED_WHOLE {
            return Some(Run { from: first, to });
        }
        let middle = first + (to - first).div_ceil(2);
        claim.run.to = middle;
        Some(Run { from: middle, to })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

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
            let mut scheduler = ChunkScheduler::new(GroupSet::none_of(n_groups), segment);
            let mut at = std::collections::HashMap::new();
            let end = (0_u64..100_000).map(|i| (i % 5, 1));
            for (worker, what) in steps.into_iter().chain(end) {
                if scheduler.held().is_full() {
                    break;
                }
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
                            prop_assert!(run.from < run.to && run.to <= n_groups && run.to - run.from <= segment.max(SHARED_WHOLE));
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
    fn the_slowest_run_is_halved_and_then_fetched_twice() {
        let mut scheduler = ChunkScheduler::new(GroupSet::none_of(16), 16);
        assert_eq!(scheduler.claim(1), Some(Run { from: 0, to: 16 }));
        assert_eq!(scheduler.claim(2), Some(Run { from: 8, to: 16 }));
        assert!(!scheduler.wants(1, 8) && scheduler.wants(2, 8));
        for group in 8..13 {
            scheduler.note_arrived(group);
        }
        for group in 0..8 {
            scheduler.note_arrived(group);
        }
        assert_eq!(scheduler.claim(1), Some(Run { from: 13, to: 16 }), "the rest of a run that hangs");
        assert_eq!(scheduler.claim(3), None, "two are enough");
        assert_eq!(scheduler.end_of(2), 16);
        scheduler.note_arrived(15);
        assert_eq!(scheduler.end_of(2), 15);
    }

    #[test]
    fn a_set_of_another_size_is_refused() {
        assert!(GroupSet::from_bytes(9, &[0]).is_none());
        assert!(GroupSet::from_bytes(9, &[0, 0b10]).is_none(), "a bit behind the end");
        assert!(GroupSet::from_bytes(9, &[0, 1]).unwrap().has(8));
    }
}
