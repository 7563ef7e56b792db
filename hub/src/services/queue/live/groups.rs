//! What was claimed together. Small files are taken by the hundred so that they cost a few commits, and
//! are worked on one after the other: only one of a group runs, the others come next.

use crate::domain::ids::TransferId;

/// A group as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct GroupView {
    pub n: u64,
    /// Of these, done but not written down.
    pub n_done: u64,
    /// Bytes of all of them.
    pub size_bytes: u64,
    pub bytes_done: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupStage {
    /// It waits for its place.
    Next,
    /// Its files are worked on.
    Works,
    /// Its files are done, and that is being written down.
    Ends,
}

#[derive(Debug)]
struct LiveGroup {
    ids: Vec<TransferId>,
    /// Which of them is worked on.
    at: usize,
    /// How many have not ended.
    n_open: usize,
    stage: GroupStage,
    is_download: bool,
}

/// All groups, in the order in which they were claimed.
#[derive(Debug, Default)]
pub(super) struct LiveGroups(Vec<LiveGroup>);

impl LiveGroups {
    pub(super) fn add(&mut self, ids: Vec<TransferId>) {
        let n_open = ids.len();
        self.0.push(LiveGroup { ids, at: 0, n_open, stage: GroupStage::Next, is_download: false });
    }

    pub(super) fn add_download(&mut self, id: TransferId) {
        self.add(vec![id]);
        self.0.iter_mut().rev().take(1).for_each(|group| group.is_download = true);
    }

    pub(super) fn works(&mut self, id: TransferId) {
        self.set(id, GroupStage::Works);
    }

    pub(super) fn ends(&mut self, id: TransferId) {
        self.set(id, GroupStage::Ends);
    }

    fn set(&mut self, id: TransferId, stage: GroupStage) {
        if let Some((group, _)) = self.find(id) {
            group.stage = stage;
        }
    }

    /// A transfer got on, so it is the one that is worked on.
    pub(super) fn is_at(&mut self, id: TransferId) {
        if let Some((group, at)) = self.find(id) {
            group.at = at;
        }
    }

    pub(super) fn remove(&mut self, id: TransferId) {
        if let Some((group, _)) = self.find(id) {
            group.n_open = group.n_open.saturating_sub(1);
        }
        self.0.retain(|group| group.n_open > 0);
    }

    /// One of each group that has a place, and of those that end as long as that are not more than there
    /// are places. Downloads have their own.
    pub(super) fn at_work(&self, most: usize) -> Vec<TransferId> {
        let of = |stage: GroupStage| self.0.iter().filter(move |group| group.stage == stage && !group.is_download);
        let downloads = self.0.iter().filter(|group| group.is_download && group.stage != GroupStage::Next);
        of(GroupStage::Works)
            .chain(of(GroupStage::Ends))
            .take(most)
            .chain(downloads)
            .filter_map(|group| group.ids.get(group.at).copied())
            .collect()
    }

    /// The group of a transfer and how many of it are behind the one that is worked on; none if it is alone.
    pub(super) fn of(&self, id: TransferId) -> Option<(Vec<TransferId>, u64)> {
        let group = self.0.iter().find(|group| group.ids.contains(&id)).filter(|group| group.ids.len() > 1)?;
        let n_done = if group.stage == GroupStage::Ends { group.ids.len() } else { group.at };
        Some((group.ids.clone(), n_done as u64))
    }

    fn find(&mut self, id: TransferId) -> Option<(&mut LiveGroup, usize)> {
        self.0.iter_mut().find_map(|group| {
            let is_near = |at: usize| group.ids.get(at) == Some(&id);
            // Most often it is the same one as before, or the one behind it.
            let at = [group.at, group.at + 1].into_iter().find(|at| is_near(*at));
            let at = at.or_else(|| group.ids.iter().position(|one| *one == id))?;
            Some((group, at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>(ids: [i64; N]) -> [TransferId; N] {
        ids.map(TransferId)
    }

    #[test]
    fn of_many_that_were_claimed_together_one_runs() {
        let mut groups = LiveGroups::default();
        groups.add(ids([1, 2, 3]).into());
        groups.add(ids([4, 5]).into());
        assert_eq!(groups.at_work(1), [], "both wait for their place");
        groups.works(TransferId(1));
        assert_eq!(groups.at_work(1), ids([1]));
        groups.is_at(TransferId(3));
        assert_eq!((groups.at_work(1), groups.of(TransferId(1))), (ids([3]).into(), Some((ids([1, 2, 3]).into(), 2))));
        // The first is written down while the second is worked on: one place, one that runs.
        groups.ends(TransferId(1));
        assert_eq!(groups.at_work(1), ids([3]), "until the next begins");
        groups.works(TransferId(4));
        assert_eq!((groups.at_work(1), groups.at_work(2)), (ids([4]).into(), ids([4, 3]).into()));
        for id in ids([1, 2, 3]) {
            groups.remove(id);
        }
        assert_eq!((groups.at_work(2), groups.of(TransferId(1))), (ids([4]).into(), None));
    }

    #[test]
    fn downloads_have_places_of_their_own() {
        let mut groups = LiveGroups::default();
        groups.add(ids([1]).into());
        groups.add_download(TransferId(2));
        assert_eq!(groups.at_work(1), []);
        groups.works(TransferId(2));
        groups.works(TransferId(1));
        assert_eq!(groups.at_work(1), ids([1, 2]));
        groups.remove(TransferId(1));
        assert_eq!(groups.at_work(1), ids([2]));
    }

    #[test]
    fn one_alone_is_no_group() {
        let mut groups = LiveGroups::default();
        groups.add(ids([1]).into());
        groups.works(TransferId(1));
        assert_eq!((groups.at_work(4), groups.of(TransferId(1))), (ids([1]).into(), None));
    }
}
