//! Making room on Local: what may leave it because the Lake has it, and what has left it.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::frame::{Frame, page};
use super::models::lines::lines;
use crate::domain::eviction::{EvictBy, LakeCopy};
use crate::domain::root::Root;
use crate::storage::views::evictions::{self, EvictedFilter, MOST};
use crate::storage::views::page::PageRequest;
use crate::web::address::QueryString;
use crate::web::api::evictions::{CandidatesView, candidates};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, folder, optional, optional_parsed, search};
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "evict", title: "Evict", topics: "strip,evict" };

/// Evicted files on one page.
const ROWS: u32 = 200;

/// Candidates listed while nobody said how much is to be freed.
const OFFERED: usize = 100;

const GIB: f64 = 1_073_741_824.0;

/// Which of the two lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum EvictTab {
    /// What may leave Local.
    #[default]
    Choose,
    Evicted,
}

/// Everything behind the `?` of the page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct EvictQuery {
    #[serde(deserialize_with = "optional")]
    tab: Option<EvictTab>,
    /// GiB, as typed.
    #[serde(deserialize_with = "optional_parsed")]
    free: Option<f64>,
    /// Choose, and tick what was chosen: asked for once, by the form. An address never has it, nor does a
    /// list that fetches itself again, so that nothing is ticked a second time.
    #[serde(deserialize_with = "optional")]
    choose: Option<String>,
    #[serde(deserialize_with = "optional")]
    by: Option<EvictBy>,
    #[serde(deserialize_with = "folder")]
    folder: Option<RelPath>,
    #[serde(deserialize_with = "search")]
    q: Option<String>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

/// Shows the page.
pub(super) async fn show_evict(State(state): State<WebState>, Params(query): Params<EvictQuery>) -> Answer<Response> {
    let query = EvictQuery { choose: None, ..query };
    page(&state, FRAME, "pages/evict.html", context! { page => list(&state, &query).await? }).await
}

/// What the page shows.
pub(in crate::web) async fn list(state: &WebState, query: &EvictQuery) -> Answer<Value> {
    let tab = query.tab.unwrap_or_default();
    let all = EvictedFilter::default();
    let totals = state.services.database.read(move |connection| evictions::evicted_totals(connection, &all)).await?;
    let roots = &state.services.roots;
    let away = Root::ALL.into_iter().find_map(|root| roots.live(root).err()).map(|error| reason(&error));
    let forbidden = roots.check_delete(Root::Local).err().map(|error| reason(&error));
    let (local, lake) = (roots.status(Root::Local), roots.status(Root::Lake));
    let common = context! {
        query => Serde(query),
        tab => Serde(tab),
        state => query.address(query.cursor.as_ref()),
        n_evicted => totals.n_files,
        evicted_bytes => totals.size_bytes,
        local_free => local.free_bytes,
        local_total => local.total_bytes,
        lake_free => lake.free_bytes,
        back_reason => away.clone(),
        evict_reason => away.or(forbidden),
    };
    let content = match tab {
        EvictTab::Choose => choose(state, query).await?,
        EvictTab::Evicted => evicted(state, query).await?,
    };
    Ok(context! { ..content, ..common })
}

async fn choose(state: &WebState, query: &EvictQuery) -> Answer<Value> {
    let by = query.by.unwrap_or_default();
    let wanted = query.free.map(gib).transpose()?;
    let found: CandidatesView = candidates(state, wanted, by, &PageRequest::latest(MOST)).await?;
    let CandidatesView { files, n_files, size_bytes, enough } = found;
    let mut rows = files.items;
    let n_more = if wanted.is_none() { rows.len().saturating_sub(OFFERED) } else { 0 };
    let to_copy = rows.iter().filter(|file| file.lake_copy == LakeCopy::Missing);
    let copy_bytes: u64 = to_copy.map(|file| file.size_bytes).sum();
    rows.truncate(rows.len() - n_more);
    let models = lines(state, rows.iter().map(|file| (Root::Local, file.path.clone())).collect()).await?;
    Ok(context! {
        models,
        by => by.as_str(),
        wanted,
        is_ticked => wanted.is_some() && query.choose.is_some(),
        n => n_files,
        size_bytes,
        enough,
        is_limited => n_files >= u64::from(MOST),
        copy_bytes,
        n_more,
        rows => Serde(rows),
    })
}

/// Bytes of so many GiB; what is no amount is said to be none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive and below 2^53")]
fn gib(number: f64) -> Answer<u64> {
    if number.is_finite() && (0.0..=4_000_000.0).contains(&number) {
        return Ok((number * GIB) as u64);
    }
    Err(Problem::malformed("free: expected a number of GiB"))
}

async fn evicted(state: &WebState, query: &EvictQuery) -> Answer<Value> {
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let filter = EvictedFilter { folder: query.folder.clone(), search: query.q.clone() };
    let page =
        state.services.database.read(move |connection| evictions::evicted(connection, &filter, &request)).await?;
    let on_lake = page.items.iter().filter_map(|file| Some((Root::Lake, file.lake_path.clone()?)));
    let models = lines(state, on_lake.collect()).await?;
    Ok(context! {
        models,
        is_filtered => query.q.is_some() || query.folder.is_some(),
        next => page.next_cursor.as_ref().map(|cursor| query.address(Some(cursor))),
        total => page.total,
        rows => Serde(page.items),
    })
}

impl EvictQuery {
    /// Whether someone asked for a choice just now.
    pub(in crate::web) const fn is_chosen(&self) -> bool {
        self.choose.is_some()
    }

    /// The query of this list, or of a page of it. How much is to be freed is said once and not kept.
    pub(in crate::web) fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new()
            .with_some("tab", self.tab.filter(|tab| *tab == EvictTab::Evicted).map(|_| "evicted"))
            .with_some("by", self.by.map(EvictBy::as_str))
            .with_some("folder", self.folder.as_ref().map(RelPath::as_str))
            .with_some("q", self.q.as_ref())
            .with_some("cursor", cursor)
            .into_text()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_and_nonsense_is_refused() {
        assert_eq!(gib(0.5).unwrap(), 512 << 20);
        assert_eq!(gib(200.0).unwrap(), 200 << 30);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e30] {
            assert!(gib(wrong).is_err(), "{wrong}");
        }
    }
}
