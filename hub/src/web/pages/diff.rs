//! The differences: one tab for each way the two sides can stand to each other.

pub(in crate::web) mod query;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, join, page};
use super::home;
use super::library::crumbs;
use super::paging::is_selected;
use crate::domain::diff::DiffStatus;
use crate::domain::root::Root;
use crate::services::indexer::Indexer;
use crate::services::selection::{Filter, Selection};
use crate::storage::views::diff;
use crate::storage::{Connection, StorageError, roots};
use crate::web::error::Answer;
use crate::web::extract::Params;
use crate::web::fragments::bulk;
use crate::web::state::WebState;
use crate::web::templates::format;
use query::DiffPageQuery;

const FRAME: Frame = Frame { section: "diff", title: "Differences", topics: "strip,scan,diff" };

/// An index older than this may no longer be true.
const OLD_HOURS: i64 = 6;

/// Copies everything of one tab.
#[derive(Debug, Serialize)]
struct AllAction {
    from: Root,
    label: String,
}

/// Shows the differences.
pub(super) async fn show_diff(State(state): State<WebState>, Params(query): Params<DiffPageQuery>) -> Answer<Response> {
    let query = query.resolved(&state).await?;
    let query = match query.status {
        Some(_) => query,
        None => DiffPageQuery { status: Some(first_tab(&state, &query).await?), ..query },
    };
    let list = results(&state, &query).await?;
    let shown = context! { page => context! { crumbs => Serde(crumbs(query.folder.as_ref())), ..list } };
    let content = join([shown, home::scan_progress(&state), bulk::diff(&state, &query, None).await?]);
    page(&state, FRAME, "pages/diff.html", content).await
}

/// The tab that has something to look at, for an address that names none.
async fn first_tab(state: &WebState, query: &DiffPageQuery) -> Answer<DiffStatus> {
    let counts = home::status_counts(state, query.filter()).await?.unwrap_or_default();
    let has_rows = |status: &DiffStatus| counts.iter().any(|one| one.status == *status && one.n > 0);
    let order = [
        DiffStatus::LakeOnly,
        DiffStatus::LocalOnly,
        DiffStatus::Different,
        DiffStatus::Moved,
        DiffStatus::Unverified,
        DiffStatus::Conflict,
        DiffStatus::Unknown,
    ];
    Ok(order.into_iter().find(has_rows).unwrap_or(DiffStatus::LakeOnly))
}

/// What the list of one tab shows, with the tabs.
pub(in crate::web) async fn results(state: &WebState, query: &DiffPageQuery) -> Answer<Value> {
    let status = query.status();
    let counts = home::status_counts(state, query.filter()).await?;
    let selection = selection(state, query);
    let (wanted, cache) = (query.clone(), state.counts.clone());
    let request = query.paging.request()?;
    let read =
        move |connection: &_| Ok((diff::list(connection, &wanted.filter(), &request, &cache)?, age(connection)?));
    let (page, age) = state.services.database.read(read).await?;
    let (shown, pager) = query.paging.follow(&query.list(), page.items.len(), page.next_cursor);
    let is_compared = counts.is_some();
    let counts = counts.unwrap_or_default();
    let differing = |one: &home::StatusCount| one.status != DiffStatus::Same && one.n > 0;
    let total = page.total;
    let files = i64::try_from(total).unwrap_or(i64::MAX);
    let side = match status {
        DiffStatus::LocalOnly => Some(Root::Local),
        DiffStatus::LakeOnly => Some(Root::Lake),
        _ => None,
    };
    let all_action = side.filter(|_| total > 0).map(|from| AllAction {
        from,
        label: format!("Copy all {} to {}", format::count(files), from.other().label()),
    });
    Ok(context! {
        query => Serde(query),
        status => Serde(status),
        tabs => Serde(&counts),
        age_text => age.map(age_text),
        is_compared,
        is_filtered => query.q.is_some() || query.folder.is_some(),
        is_selectable => !matches!(status, DiffStatus::Conflict | DiffStatus::Unknown),
        all_same => is_compared && !counts.iter().any(differing),
        all_action => all_action.map(Serde),
        hash_action => status == DiffStatus::Unverified && total > 0,
        has_local => status != DiffStatus::LakeOnly,
        has_lake => status != DiffStatus::LocalOnly,
        state => query.state(),
        total,
        shown,
        total_text => format::n_files(total),
        is_selected => is_selected(selection),
        rows => Serde(page.items),
        pager => pager.map(Serde),
    })
}

/// What is ticked in this tab.
pub(in crate::web) fn selection(state: &WebState, query: &DiffPageQuery) -> Selection {
    let filter = Filter::Pairs(query.filter());
    let kept = query.paging.s.as_deref().and_then(|id| state.services.selections.show(id, &filter));
    kept.unwrap_or_else(|| Selection::none(filter))
}

/// When the older of the two last scans ended.
fn age(connection: &Connection) -> Result<Option<Timestamp>, StorageError> {
    let mut oldest: Option<Timestamp> = None;
    for root in Root::ALL {
        let Some(row) = roots::active(connection, root)? else { continue };
        let Some(at) = Indexer::last_of(connection, &row)?.and_then(|scan| scan.job.finished_at) else { continue };
        oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
    }
    Ok(oldest)
}

fn age_text(at: Timestamp) -> String {
    let now = Timestamp::now();
    let text = format!("Index of {}", format::ago(at, now));
    if now.as_second() - at.as_second() > OLD_HOURS * 3_600 { format!("{text}: scan again to be sure") } else { text }
}
