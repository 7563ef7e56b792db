//! The overview: both folders, how they compare, what the queue does, what happened lately.

use crate::storage::Connection;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, join, page};
use super::models::overview::overview;
use super::remote::machines;
use super::{history, load};
use crate::domain::background::WorkState;
use crate::domain::diff::DiffStatus;
use crate::domain::root::Root;
use crate::domain::space::weeks_until_full;
use crate::services::Services;
use crate::services::indexer::Indexer;
use crate::services::roots::RootStatus;
use crate::storage::hashes::Coverage;
use crate::storage::space::samples;
use crate::storage::views::diff::{self, PairFilter};
use crate::storage::views::folders;
use crate::storage::views::skipped::{self, SkippedTotals};
use crate::storage::views::space::trash;
use crate::storage::{StorageError, roots, rot};
use crate::web::error::Answer;
use crate::web::state::WebState;
use crate::web::templates::format::percent;

const FRAME: Frame =
    Frame { section: "home", title: "Overview", topics: "strip,scan,roots,kinds,comparison,load,recent,fleet" };

/// Lines of history on the overview.
const RECENT: u32 = 6;

/// Width of the bar of space, in its own units.
const BAR: u64 = 1_000;

#[derive(Debug, Serialize)]
struct RootCard {
    root: Root,
    label: &'static str,
    status: RootStatus,
    #[serde(flatten)]
    indexed: Indexed,
    n_hashed: u64,
    hashed_bytes: u64,
    space: Option<HomeSpace>,
}

#[derive(Debug, Serialize)]
struct LastScan {
    state: WorkState,
    finished_at: Option<Timestamp>,
}

/// The disk of a root as a bar: models, other things, free.
#[derive(Debug, Serialize)]
struct HomeSpace {
    models_end: u64,
    other_end: u64,
    models_percent: u64,
    other_percent: u64,
    free_percent: u64,
    other_bytes: u64,
}

/// Rows and bytes of one status, in the order of the tabs.
#[derive(Debug, Serialize)]
pub(in crate::web) struct StatusCount {
    pub status: DiffStatus,
    pub n: u64,
    pub size_bytes: u64,
}

/// Shows the overview.
pub(super) async fn show_home(State(state): State<WebState>) -> Answer<Response> {
    let set_up = state.services.settings.current().is_set_up();
    let some = Root::ALL.into_iter().any(|root| state.services.roots.status(root).configured);
    let lost = Serde(state.services.evictions_list.lost().await?);
    let shown = [context! { set_up, can_scan => some, lost }, root_cards(&state).await?, comparison(&state).await?];
    let content = join([
        context! { page => join(shown) },
        overview(&state).await?,
        scan_progress(&state),
        queue_load(&state).await?,
        recent(&state).await?,
        machines::overview(&state).await?,
    ]);
    page(&state, FRAME, "pages/home.html", content).await
}

/// The cards of both folders: `{roots}`.
pub(in crate::web) async fn root_cards(state: &WebState) -> Answer<Value> {
    let services = &state.services;
    let coverage = services.hasher.coverage().await?;
    let indexed = services
        .database
        .read(|connection| Root::ALL.map(|root| indexed(connection, root)).into_iter().collect::<Result<Vec<_>, _>>())
        .await?;
    let cards: Vec<RootCard> = Root::ALL
        .into_iter()
        .zip(indexed)
        .map(|(root, indexed)| card(services, root, indexed, coverage.get(root)))
        .collect();
    Ok(context! { roots => Serde(cards) })
}

/// What the database knows of a root.
#[derive(Debug, Default, Serialize)]
struct Indexed {
    n_files: u64,
    size_bytes: u64,
    trash_bytes: u64,
    n_rotted: u64,
    last_scan: Option<LastScan>,
    skipped: SkippedTotals,
    weeks_until_full: Option<u64>,
}

fn indexed(connection: &Connection, root: Root) -> Result<Indexed, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(Indexed::default()) };
    let totals = folders::totals(connection, &row, None)?;
    let last_scan = Indexer::last_of(connection, &row)?.map(|scan| LastScan {
        state: scan.report.roots.get(&root).map_or(scan.job.state, |part| part.state),
        finished_at: scan.job.finished_at,
    });
    let trash_bytes = trash(connection, root)?.size_bytes;
    let skipped = skipped::totals(connection, root)?;
    let n_rotted = *rot::count(connection)?.get(root);
    let noted: Vec<(i64, u64)> =
        samples(connection, row.id)?.iter().map(|sample| (sample.at, sample.free_bytes)).collect();
    Ok(Indexed {
        n_files: totals.n_files,
        size_bytes: totals.size_bytes,
        trash_bytes,
        n_rotted,
        last_scan,
        skipped,
        weeks_until_full: weeks_until_full(&noted),
    })
}

fn card(services: &Services, root: Root, indexed: Indexed, coverage: &Coverage) -> RootCard {
    let status = services.roots.status(root);
    let space = match (status.total_bytes, status.free_bytes) {
        (Some(total), Some(free)) if total > 0 => Some(space(indexed.size_bytes, total, free)),
        _ => None,
    };
    RootCard {
        root,
        label: root.label(),
        status,
        indexed,
        n_hashed: coverage.n_hashed,
        hashed_bytes: coverage.hashed_bytes,
        space,
    }
}

/// Sparse and cloned files can make the models larger than what is used: the bar never overflows.
fn space(models: u64, total: u64, free: u64) -> HomeSpace {
    let used = total.saturating_sub(free);
    let part =
        |bytes: u64| u64::try_from(u128::from(bytes.min(total)) * u128::from(BAR) / u128::from(total)).unwrap_or(BAR);
    let models_shown = models.min(used);
    HomeSpace {
        models_end: part(models_shown),
        other_end: part(used),
        models_percent: percent(models_shown, total),
        other_percent: percent(used - models_shown, total),
        free_percent: percent(free, total),
        other_bytes: used - models_shown,
    }
}

/// How the folders compare: `{diff}`, none while a side was never scanned.
pub(in crate::web) async fn comparison(state: &WebState) -> Answer<Value> {
    let counts = status_counts(state, PairFilter::default()).await?;
    Ok(context! { diff => counts.map(Serde) })
}

/// Rows and bytes of every status among what a filter means; none while a side was never scanned.
pub(in crate::web) async fn status_counts(state: &WebState, filter: PairFilter) -> Answer<Option<Vec<StatusCount>>> {
    state.services.comparer.refresh_to_show().await?;
    let counts = state.counts.clone();
    let found = state
        .services
        .database
        .read(move |connection| {
            for root in Root::ALL {
                if roots::active(connection, root)?.is_none_or(|row| row.last_scan.is_none()) {
                    return Ok(None);
                }
            }
            diff::summary(connection, &filter, &counts).map(Some)
        })
        .await?;
    let order = [
        DiffStatus::LocalOnly,
        DiffStatus::LakeOnly,
        DiffStatus::Different,
        DiffStatus::Moved,
        DiffStatus::Same,
        DiffStatus::Unverified,
        DiffStatus::Conflict,
        DiffStatus::Unknown,
    ];
    Ok(found.map(|totals| {
        let of = |status| totals.iter().find(|one| one.status == status).map_or((0, 0), |one| (one.n, one.size_bytes));
        order
            .map(|status| (status, of(status)))
            .map(|(status, (n, size_bytes))| StatusCount { status, n, size_bytes })
            .into()
    }))
}

/// The scan under way: `{scan}`, none if there is none.
pub(in crate::web) fn scan_progress(state: &WebState) -> Value {
    context! { scan => state.services.indexer.current().map(Serde) }
}

/// What the queue does: `{queue}`.
pub(in crate::web) async fn queue_load(state: &WebState) -> Answer<Value> {
    Ok(context! { queue => Serde(load::status(state).await?) })
}

/// What happened lately: `{recent}`.
pub(in crate::web) async fn recent(state: &WebState) -> Answer<Value> {
    Ok(context! { recent => Serde(history::latest(state, RECENT).await?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_of_space_never_leaves_its_scale() {
        let bar = space(50, 200, 100);
        assert_eq!((bar.models_end, bar.other_end, bar.free_percent, bar.other_bytes), (250, 500, 50, 50));
        let more_models_than_used = space(500, 200, 150);
        assert_eq!((more_models_than_used.models_end, more_models_than_used.other_end), (250, 250));
    }
}
