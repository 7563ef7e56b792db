//! Renames in place of copies and deletes.
//!
//! An *offer* is a file of the destination whose content is not wanted where it is: it would be
//! deleted or replaced. A *want* is a file that would be copied. Each content of both is paired once
//! at the most. Where a want's place is itself an offer that is renamed, that one goes first; where
//! such renames lead round in a circle, one of them is dropped and stays a copy.

use std::collections::HashMap;

/// The number of a row within its plan.
pub type RowNumber = i64;

/// A rename: the content of the row `offer` goes to the place of the row `want`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The row that gives its content away.
    pub offer: RowNumber,
    /// The row that gets it.
    pub want: RowNumber,
}

/// Pairs the offers of one content with the wants of it. What would be deleted is taken before what
/// would be replaced, as it leaves nothing behind.
pub fn pair(mut offers: Vec<(RowNumber, IsDelete)>, wants: &[RowNumber], edges: &mut Vec<Edge>) {
    offers.sort_by_key(|(row, is_delete)| (!is_delete.0, *row));
    edges.extend(offers.into_iter().zip(wants).map(|((offer, _), want)| Edge { offer, want: *want }));
}

/// Whether an offer is a file that would be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsDelete(pub bool);

/// Puts renames into an order in which every place is free when its turn comes, with the phase of
/// each, the first being 1: those of one phase don't depend on each other.
pub fn order(edges: Vec<Edge>) -> Vec<(Edge, u32)> {
    let by_offer: HashMap<RowNumber, usize> = edges.iter().enumerate().map(|(i, edge)| (edge.offer, i)).collect();
    // The rename that has to be done before: the one that frees the place.
    let before = |at: usize| edges.get(at).and_then(|edge| by_offer.get(&edge.want)).copied();
    let mut phases: Vec<u32> = vec![0; edges.len()];
    for start in 0..edges.len() {
        if phases.get(start) != Some(&0) {
            continue;
        }
        // Each row gives once and gets once, so what depends on what is a line or a circle.
        let mut line = vec![start];
        let mut done = 0;
        let mut next = before(start);
        while let Some(at) = next {
            if at == start {
                // A circle: its first rename is dropped, and what it would have moved makes way.
                line.remove(0);
                break;
            }
            done = phases.get(at).copied().unwrap_or(0);
            if done > 0 {
                break;
            }
            line.push(at);
            next = before(at);
        }
        for (phase, at) in (done + 1..).zip(line.into_iter().rev()) {
            if let Some(slot) = phases.get_mut(at) {
                *slot = phase;
            }
        }
    }
    let mut ordered: Vec<(Edge, u32)> = edges.into_iter().zip(phases).filter(|(_, phase)| *phase > 0).collect();
    ordered.sort_by_key(|(edge, phase)| (*phase, edge.want));
    ordered
}
