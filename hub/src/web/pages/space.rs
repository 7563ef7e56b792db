//! Space: what takes it on each disk, and how the room went.

mod chart;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use crate::domain::root::Root;
use crate::web::address::QueryString;
use crate::web::api::space::{self, SpaceView};
use crate::web::error::Answer;
use crate::web::extract::{Params, optional};
use crate::web::state::WebState;
use crate::web::templates::format::percent;

const FRAME: Frame = Frame { section: "space", title: "Space", topics: "strip,space" };

/// Width of a bar, in its own units.
const BAR: u64 = 1_000;

/// Bars of one kind on the page; the rest is put together.
const MOST: usize = 20;

/// Everything behind the `?` of the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct SpacePageQuery {
    #[serde(deserialize_with = "optional")]
    root: Option<Root>,
}

/// One bar with its words.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct SpaceBar {
    name: String,
    /// Where its files are, if they are in one place.
    link: Option<String>,
    note: Option<String>,
    n_files: u64,
    size_bytes: u64,
    /// Its length, of [`BAR`].
    length: u64,
    percent: u64,
}

/// The disk of a root in one bar.
#[derive(Debug, Serialize)]
struct Disk {
    root: Root,
    label: &'static str,
    link: String,
    is_shown: bool,
    size_bytes: u64,
    trash_bytes: u64,
    other_bytes: u64,
    free_bytes: Option<u64>,
    total_bytes: Option<u64>,
    online: bool,
    models_end: u64,
    trash_end: u64,
    other_end: u64,
}

/// Shows the page.
pub(super) async fn show_space(
    State(state): State<WebState>,
    Params(query): Params<SpacePageQuery>,
) -> Answer<Response> {
    page(&state, FRAME, "pages/space.html", context! { page => content(&state, &query).await? }).await
}

/// What the page shows.
pub(in crate::web) async fn content(state: &WebState, query: &SpacePageQuery) -> Answer<Value> {
    let shown = query.root.unwrap_or(Root::Local);
    let views = [space::show(state, Root::Local).await?, space::show(state, Root::Lake).await?];
    let disks: Vec<Disk> = views.iter().map(|view| disk(view, shown)).collect();
    let [local, lake] = views;
    let view = if shown == Root::Local { local } else { lake };
    let whole = view.totals.size_bytes;
    let library = |folder: &str| {
        let address = QueryString::new().with("root", shown.as_str()).with("folder", folder).into_text();
        Some(format!("/library{address}"))
    };
    let mut types: Vec<SpaceBar> = view
        .types
        .iter()
        .map(|one| bar(&one.name, library(&one.name), None, (one.totals.n_files, one.totals.size_bytes), whole))
        .collect();
    if view.loose.n_files > 0 {
        let loose = (view.loose.n_files, view.loose.size_bytes);
        types.push(bar("In no folder", None, None, loose, whole));
    }
    let bases = view.bases.iter().map(|base| {
        let only = base.folders.first().filter(|_| base.folders.len() == 1);
        let note = only.is_none().then(|| {
            format!(
                "in {}",
                base.folders.iter().filter_map(|path| path.split('/').next()).collect::<Vec<_>>().join(", ")
            )
        });
        bar(
            &base.name,
            only.and_then(|path| library(path)),
            note.or_else(|| only.map(|path| format!("in {}", path.split('/').next().unwrap_or_default()))),
            (base.n_files, base.size_bytes),
            whole,
        )
    });
    let ages: Vec<SpaceBar> = view
        .ages
        .iter()
        .map(|one| bar(one.age.label(), None, None, (one.totals.n_files, one.totals.size_bytes), whole))
        .collect();
    Ok(context! {
        root => Serde(shown),
        root_label => shown.label(),
        state => QueryString::new().with_some("root", query.root.map(Root::as_str)).into_text(),
        disks => Serde(disks),
        n_files => view.totals.n_files,
        size_bytes => whole,
        trash_files => view.trash.n_files,
        trash_bytes => view.trash.size_bytes,
        evicted_files => view.evicted.n_files,
        evicted_bytes => view.evicted.size_bytes,
        types => Serde(first(types)),
        bases => Serde(first(bases.collect())),
        ages => Serde(ages),
        chart => chart::chart(&view.over_time).map(Serde),
    })
}

fn disk(view: &SpaceView, shown: Root) -> Disk {
    let total = view.total_bytes.unwrap_or(0);
    let used = total.saturating_sub(view.free_bytes.unwrap_or(total));
    // Sparse and cloned files can make the models larger than what is used: the bar never overflows.
    let models = view.totals.size_bytes.min(used);
    let trash = view.trash.size_bytes.min(used - models);
    Disk {
        root: view.root,
        label: view.root.label(),
        link: QueryString::new().with("root", view.root.as_str()).into_text(),
        is_shown: view.root == shown,
        size_bytes: view.totals.size_bytes,
        trash_bytes: view.trash.size_bytes,
        other_bytes: used - models - trash,
        free_bytes: view.free_bytes,
        total_bytes: view.total_bytes,
        online: view.online,
        models_end: part(models, total),
        trash_end: part(models + trash, total),
        other_end: part(used, total),
    }
}

fn bar(
    name: &str,
    link: Option<String>,
    note: Option<String>,
    (n_files, size_bytes): (u64, u64),
    whole: u64,
) -> SpaceBar {
    let percent = if whole == 0 { 0 } else { percent(size_bytes, whole) };
    SpaceBar { name: name.to_owned(), link, note, n_files, size_bytes, length: part(size_bytes, whole), percent }
}

/// A share of the bar; something is never nothing.
fn part(bytes: u64, whole: u64) -> u64 {
    if bytes == 0 || whole == 0 {
        return 0;
    }
    let part = u128::from(bytes.min(whole)) * u128::from(BAR) / u128::from(whole);
    u64::try_from(part).unwrap_or(BAR).max(2)
}

/// The first bars, and one for all others.
fn first(mut bars: Vec<SpaceBar>) -> Vec<SpaceBar> {
    if bars.len() <= MOST {
        return bars;
    }
    let rest = bars.split_off(MOST - 1);
    let n = rest.len();
    let sum = |of: fn(&SpaceBar) -> u64| rest.iter().map(of).sum::<u64>();
    bars.push(SpaceBar {
        name: format!("{n} more"),
        link: None,
        note: None,
        n_files: sum(|bar| bar.n_files),
        size_bytes: sum(|bar| bar.size_bytes),
        length: sum(|bar| bar.length).min(BAR),
        percent: sum(|bar| bar.percent).min(100),
    });
    bars
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_on_their_scale_and_something_is_seen() {
        assert_eq!([part(0, 9), part(9, 0), part(1, u64::MAX), part(5, 10), part(20, 10)], [0, 0, 2, 500, 1_000]);
        assert_eq!(bar("x", None, None, (0, 0), 0).percent, 0);
    }

    #[test]
    fn many_bars_become_few_without_losing_bytes() {
        let bars: Vec<SpaceBar> = (1..=50).rev().map(|n| bar(&n.to_string(), None, None, (1, n), 1_275)).collect();
        let few = first(bars);
        assert_eq!((few.len(), few.last().unwrap().name.as_str()), (MOST, "31 more"));
        assert_eq!(few.iter().map(|bar| bar.size_bytes).sum::<u64>(), 1_275);
    }
}
