//! What is there of groups that are not whole: bytes in the part file that nothing verifies yet. Pure.
//!
//! They are kept, so that a group need not come in one piece, and are verified as a part of their group once that is
//! whole. If it is wrong then, and several have a share in it, nobody is blamed: it is fetched anew from one source,
//! and whoever sends it wrong again is the liar.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::earlier::Shares;

/// Who brought a part: a source by its place, or none for an earlier run.
pub(super) type Bringer = Option<usize>;

/// The beginning of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Partial {
    /// Its length.
    pub(super) n_bytes: u64,
    /// How much of it each one brought.
    pub(super) from: Vec<(Bringer, u64)>,
    /// Whose the part of an earlier run is, as far as that is known.
    pub(super) earlier: Shares,
}

impl Partial {
    /// With what somebody added to it.
    pub(super) fn with(mut self, bringer: Bringer, n_bytes: u64) -> Self {
        self.n_bytes += n_bytes;
        match self.from.iter_mut().find(|(known, _)| *known == bringer) {
            Some((_, sum)) => *sum += n_bytes,
            None => self.from.push((bringer, n_bytes)),
        }
        self
    }

    /// Whether all of it came from this one.
    pub(super) fn is_all_of(&self, bringer: Bringer) -> bool {
        self.from.iter().all(|(known, _)| *known == bringer)
    }
}

/// A partial group as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptBytes {
    /// The group.
    pub(super) group: u64,
    /// Length of the beginning that is there.
    pub(super) bytes: u64,
    /// Who brought it, unless that is counted already.
    #[serde(default, skip_serializing_if = "Shares::is_empty")]
    pub(super) from: Shares,
}

impl KeptBytes {
    /// A beginning whose bytes are counted for those who brought them.
    pub(super) fn counted(group: u64, bytes: u64) -> Self {
        Self { group, bytes, from: Shares::new() }
    }

    /// How much of it is counted already.
    pub(super) fn n_counted(&self) -> u64 {
        self.bytes.saturating_sub(self.from.values().copied().fold(0, u64::saturating_add))
    }
}

/// Those of one content.
#[derive(Debug, Clone, Default)]
pub(super) struct PartialGroups {
    kept: BTreeMap<u64, Partial>,
    /// Groups that were wrong when several had a share in them.
    doubtful: BTreeSet<u64>,
}

impl PartialGroups {
    /// What an earlier run left.
    pub(super) fn of_earlier(kept: &[KeptBytes]) -> Self {
        let partial = |kept: &KeptBytes| Partial { earlier: kept.from.clone(), ..Partial::default() };
        let kept = kept.iter().map(|kept| (kept.group, partial(kept).with(None, kept.bytes)));
        Self { kept: kept.collect(), doubtful: BTreeSet::new() }
    }

    /// What a source can go on from.
    pub(super) fn before(&self, group: u64, source: usize) -> Option<&Partial> {
        let is_usable = |partial: &&Partial| !self.doubtful.contains(&group) || partial.is_all_of(Some(source));
        self.kept.get(&group).filter(is_usable)
    }

    /// Whether something is there of a group.
    pub(super) fn has(&self, group: u64) -> bool {
        self.kept.contains_key(&group)
    }

    /// How much is there of a group.
    pub(super) fn n_bytes_of(&self, group: u64) -> u64 {
        self.kept.get(&group).map_or(0, |partial| partial.n_bytes)
    }

    /// Keeps a beginning in place of what was there.
    pub(super) fn keep(&mut self, group: u64, partial: Partial) {
        self.kept.insert(group, partial);
    }

    /// The group is there and verified.
    pub(super) fn settle(&mut self, group: u64) {
        self.kept.remove(&group);
        self.doubtful.remove(&group);
    }

    /// The group was wrong, and several had a share in it: from now on each source is by itself.
    pub(super) fn doubt(&mut self, group: u64) {
        self.kept.remove(&group);
        self.doubtful.insert(group);
    }

    /// The group was wrong.
    pub(super) fn forget(&mut self, group: u64) {
        self.kept.remove(&group);
    }

    /// All bytes that are kept.
    pub(super) fn n_bytes(&self) -> u64 {
        self.kept.values().map(|partial| partial.n_bytes).sum()
    }

    /// For the journal, which knows sources by their names.
    pub(super) fn to_keep(&self, name_of: &dyn Fn(usize) -> Option<String>) -> Vec<KeptBytes> {
        let kept = |(group, partial): (&u64, &Partial)| {
            let mut from = partial.earlier.clone();
            for (bringer, n_bytes) in &partial.from {
                if let Some(name) = bringer.and_then(name_of) {
                    *from.entry(name).or_default() += n_bytes;
                }
            }
            KeptBytes { group: *group, bytes: partial.n_bytes, from }
        };
        self.kept.iter().map(kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_gone_on_from_by_whoever_comes() {
        let mut partials = PartialGroups::of_earlier(&[KeptBytes::counted(3, 10)]);
        let longer = partials.before(3, 0).cloned().unwrap_or_default().with(Some(0), 5).with(Some(0), 2);
        assert_eq!(longer.from, [(None, 10), (Some(0), 7)]);
        partials.keep(3, longer.clone());
        assert_eq!(partials.before(3, 1), Some(&longer));
        let kept = partials.to_keep(&|source| (source == 0).then(|| "one".to_owned()));
        let from = Shares::from([("one".to_owned(), 7)]);
        assert_eq!((partials.n_bytes(), &kept), (17, &vec![KeptBytes { group: 3, bytes: 17, from: from.clone() }]));
        // In the next run it is nobody's who could be blamed, and still counted for who brought it.
        let later = PartialGroups::of_earlier(&kept).before(3, 0).cloned().unwrap_or_default();
        assert_eq!((later.from, later.earlier), (vec![(None, 17)], from));
        assert_eq!(kept.iter().map(KeptBytes::n_counted).sum::<u64>(), 10);
    }

    #[test]
    fn after_a_doubt_each_source_is_by_itself() {
        let mut partials = PartialGroups::of_earlier(&[KeptBytes::counted(3, 10)]);
        partials.doubt(3);
        assert_eq!(partials.before(3, 0), None);
        partials.keep(3, Partial::default().with(Some(0), 4));
        assert!(partials.before(3, 0).is_some() && partials.before(3, 1).is_none());
        partials.settle(3);
        partials.keep(3, Partial::default().with(Some(0), 4));
        assert!(partials.before(3, 1).is_some(), "all is forgiven");
    }
}
