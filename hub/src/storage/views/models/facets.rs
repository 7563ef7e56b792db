//! How many of the models that a filter means are of each kind, base, and so on.
//!
//! A page asks for that once for each of its filters, each without itself. So models that have all of it in common are
//! counted together, once for all filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ModelFilter, ModelState, ModelWhere};
use crate::storage::views::CountCache;
use crate::storage::views::entry::Totals;
use crate::storage::views::statement::Statement;
use crate::storage::{StorageError, from_db, rows};

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
struct Group {
    kind: String,
    base: String,
    precision: String,
    format: String,
    state: ModelState,
    waits: bool,
    n_local: i64,
    n_lake: i64,
    n_evicted: i64,
    n_agents: i64,
    is_hashed: bool,
    n: u64,
    size_bytes: u64,
}

/// The models that a search and a folder leave, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelGroups(Vec<Group>);

/// Counts what a filter's search and folder leave; what else it says is asked of the groups.
///
/// # Errors
/// The database failed.
pub fn groups(
    connection: &Connection,
    filter: &ModelFilter,
    counts: &CountCache,
) -> Result<Arc<ModelGroups>, StorageError> {
    let scope = ModelFilter { search: filter.search.clone(), folder: filter.folder.clone(), ..ModelFilter::default() };
    // The order of the index; a search has to look at the rows themselves.
    let source = if scope == ModelFilter::default() { "INDEXED BY models_facets" } else { "NOT INDEXED" };
    counts.models(connection, &scope, || {
        let mut statement = Statement::new(format!(
            "SELECT m.kind, m.base, m.precision, m.format, m.state, m.tried, m.n_local, m.n_lake, m.is_evicted,
                    m.n_agents, m.is_hashed, count(*) AS n, sum(m.size_bytes) AS size
             FROM models m {source} WHERE 1"
        ));
        scope.add_scope(&mut statement);
        statement.text("GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11");
        let groups = statement.rows(connection, |row| {
            let word = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.unwrap_or(NONE.into()));
            let state = row.get_ref("state")?.as_str()?.parse().unwrap_or(ModelState::Unread);
            Ok(Group {
                kind: word("kind")?,
                base: word("base")?,
                precision: word("precision")?,
                format: word("format")?,
                state,
                waits: state == ModelState::Unread && !row.get::<_, bool>("tried")?,
                n_local: row.get("n_local")?,
                n_lake: row.get("n_lake")?,
                n_evicted: row.get("is_evicted")?,
                n_agents: row.get("n_agents")?,
                is_hashed: row.get("is_hashed")?,
                n: from_db(row.get("n")?),
                size_bytes: from_db(row.get("size")?),
            })
        })?;
        Ok(Arc::new(ModelGroups(groups)))
    })
}

/// What can't be told.
const NONE: &str = "none";

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

/// Models of one kind and base, taken together. Each content counts once for each root that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindTotals {
    pub kind: Option<String>,
    pub base: Option<String>,
    pub n: u64,
    pub n_damaged: u64,
    /// Those with one copy only, as far as contents are known.
    pub n_alone: u64,
    pub size_bytes: u64,
}

/// What the models are and how much room they take, the largest first.
///
/// # Errors
/// The database failed.
pub fn by_kind(connection: &Connection) -> Result<Vec<KindTotals>, StorageError> {
    let sql = "SELECT kind, base, count(*) AS n, sum(state = 'damaged') AS n_damaged,
                      sum(n_local + n_lake = 1 AND is_hashed) AS n_alone, sum(size_bytes * (n_local + n_lake)) AS size
               FROM models INDEXED BY models_facets WHERE n_local + n_lake > 0 GROUP BY kind, base ORDER BY size DESC";
    rows(connection, sql, [], |row| {
        let number = |at| row.get(at).map(from_db);
        Ok(KindTotals {
            kind: row.get("kind")?,
            base: row.get("base")?,
            n: number("n")?,
            n_damaged: number("n_damaged")?,
            n_alone: number("n_alone")?,
            size_bytes: number("size")?,
        })
    })
}
