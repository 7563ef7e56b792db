//! Models that filters can't tell apart, counted together: what counts for every filter are taken from.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{ModelFilter, ModelState, ModelWhere};
use crate::storage::views::entry::Totals;

/// Counts of models by what they are. Where it can't be told they count as `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Facets {
    pub kind: BTreeMap<String, u64>,
    pub base: BTreeMap<String, u64>,
    pub precision: BTreeMap<String, u64>,
    pub format: BTreeMap<String, u64>,
    pub state: BTreeMap<String, u64>,
    /// One on both roots counts as `local`, as `lake` and as `both`.
    #[serde(rename = "where")]
    pub places: BTreeMap<String, u64>,
    /// Models whose header waits to be read.
    pub unread: u64,
}

/// Models that filters can't tell apart, but for a search and a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: String,
    pub(super) base: String,
    pub(super) precision: String,
    pub(super) format: String,
    pub(super) state: ModelState,
    pub(super) waits: bool,
    pub(super) n_local: i64,
    pub(super) n_lake: i64,
    pub(super) n_evicted: i64,
    pub(super) n_agents: i64,
    pub(super) is_hashed: bool,
    pub(super) n: u64,
    pub(super) size_bytes: u64,
}

/// The models that a search and a folder leave, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelGroups(pub(super) Vec<Group>);

/// What can't be told.
pub(super) const NONE: &str = "none";

impl Group {
    /// Whether a filter means them, by all but its search and folder: the same as [`ModelFilter::add_properties`].
    fn is_meant(&self, filter: &ModelFilter) -> bool {
        let words = [
            (&filter.kind, &self.kind),
            (&filter.base, &self.base),
            (&filter.precision, &self.precision),
            (&filter.format, &self.format),
        ];
        words.iter().all(|(wanted, word)| wanted.as_ref().is_none_or(|wanted| wanted == *word))
            && filter.state.is_none_or(|state| state == self.state)
            && self.is_at(filter.place)
    }

    fn is_at(&self, place: Option<ModelWhere>) -> bool {
        match place {
            None => self.n_local + self.n_lake + self.n_evicted > 0,
            Some(ModelWhere::Local) => self.n_local > 0,
            Some(ModelWhere::Lake) => self.n_lake > 0,
            Some(ModelWhere::Both) => self.n_local > 0 && self.n_lake > 0,
            Some(ModelWhere::Evicted) => self.n_evicted > 0 && self.n_local == 0,
            Some(ModelWhere::One) => self.n_local + self.n_lake == 1 && self.is_hashed,
            Some(ModelWhere::Agent) => self.n_agents > 0,
        }
    }
}

impl ModelGroups {
    /// How many of those that a filter means are of each kind, base, and so on.
    pub fn facets(&self, filter: &ModelFilter) -> Facets {
        let mut facets = Facets::default();
        for group in self.meant(filter) {
            for (counts, word) in [
                (&mut facets.kind, &*group.kind),
                (&mut facets.base, &group.base),
                (&mut facets.precision, &group.precision),
                (&mut facets.format, &group.format),
                (&mut facets.state, group.state.into()),
            ] {
                add(counts, word, group.n);
            }
            for place in ModelWhere::ALL.iter().filter(|place| group.is_at(Some(**place))) {
                add(&mut facets.places, place.into(), group.n);
            }
            if group.waits {
                facets.unread += group.n;
            }
        }
        facets
    }

    /// How many models a filter means, and their bytes; each counts once, however many copies there are.
    pub(super) fn totals(&self, filter: &ModelFilter) -> Totals {
        self.meant(filter).fold(Totals::default(), |sum, group| Totals {
            n_files: sum.n_files + group.n,
            size_bytes: sum.size_bytes.saturating_add(group.size_bytes),
        })
    }

    fn meant(&self, filter: &ModelFilter) -> impl Iterator<Item = &Group> {
        self.0.iter().filter(|group| group.is_meant(filter))
    }
}

fn add(counts: &mut BTreeMap<String, u64>, word: &str, n: u64) {
    match counts.get_mut(word) {
        Some(count) => *count += n,
        None => _ = counts.insert(word.to_owned(), n),
    }
}
