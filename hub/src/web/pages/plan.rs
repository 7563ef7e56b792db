//! One plan: what would happen to which file, what it costs, and what has to be said before.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use super::library::drawer::reason;
use super::models::lines::lines;
use crate::domain::ids::PlanId;
use crate::domain::mirror::PlanAction;
use crate::domain::mirror::totals::PlanTotals;
use crate::domain::root::Root;
use crate::services::mirror::{PlanState, PlanStatus};
use crate::storage::skipped::Cover;
use crate::storage::views::page::PageRequest;
use crate::storage::views::plan_items::{self, MirrorItemView};
use crate::web::address::QueryString;
use crate::web::api::mirrors::MirrorView;
use crate::web::error::Answer;
use crate::web::extract::{InPath, Params, optional};
use crate::web::state::WebState;
use crate::web::templates::format;

const FRAME: Frame = Frame { section: "diff", title: "Plan", topics: "strip,diff" };

/// Rows on one page.
const ROWS: u32 = 200;

/// Everything behind the `?` of a plan's page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct PlanQuery {
    #[serde(deserialize_with = "optional")]
    action: Option<PlanAction>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

impl PlanQuery {
    fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new()
            .with_some("action", self.action.map(PlanAction::as_str))
            .with_some("cursor", cursor)
            .into_text()
    }
}

/// The rows of one action, as a tab.
#[derive(Debug, Serialize)]
struct PlanTab {
    action: PlanAction,
    n: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct PlanItemRow {
    #[serde(flatten)]
    item: MirrorItemView,
    /// Where the file lies.
    root: Root,
    /// The side of the file, whose details offer another name, where that helps.
    rename_on: Option<Root>,
}

impl PlanItemRow {
    fn of(item: MirrorItemView, from: Root, to: Root) -> Self {
        let root = if item.of_source { from } else { to };
        Self { rename_on: item.ends_by_rename.then_some(root), root, item }
    }
}

pub(super) async fn show_plan(
    State(state): State<WebState>,
    InPath(id): InPath<PlanId>,
    Params(query): Params<PlanQuery>,
) -> Answer<Response> {
    let content = context! { page => content(&state, id, &query).await? };
    page(&state, FRAME, "pages/plan.html", content).await
}

/// What has to be typed before a plan is carried out from its page.
pub(in crate::web) fn typed(status: &PlanStatus) -> Option<String> {
    status.plan.totals.words(status.plan.asked.to.0 == Root::Lake)
}

/// What the page of a plan shows.
pub(in crate::web) async fn content(state: &WebState, id: PlanId, query: &PlanQuery) -> Answer<Value> {
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let status = state.services.mirror.show(id).await?;
    let (totals, action) = (status.plan.totals, query.action);
    let read = move |connection: &_| plan_items::list(connection, id, &totals, action, &request);
    let rows = state.services.database.read(read).await?;
    let (from, to) = (status.plan.asked.from.0, status.plan.asked.to.0);
    let roots = &state.services.roots;
    let items: Vec<PlanItemRow> = rows.items.into_iter().map(|item| PlanItemRow::of(item, from, to)).collect();
    let models = lines(state, items.iter().map(|row| (row.root, row.item.path.clone())).collect()).await?;
    let deletes_percent = (totals.delete_share() * 100.0).round();
    Ok(context! {
        title => format!("Make {} like {}", named(to), named(from)),
        is_ready => status.state == PlanState::Ready,
        is_stale => status.state == PlanState::Stale,
        is_empty => totals.n_transfers() == 0,
        all_same => rows.total == 0 && action.is_none(),
        n_transfers => totals.n_transfers(),
        bytes_to_copy => totals.bytes_to_copy(),
        free_after => status.free_bytes_after.map(|free| format::bytes(free.unsigned_abs())),
        is_too_much => status.free_bytes_after.is_some_and(|free| free < 0),
        time => time(&status),
        blocked => status.blocked.as_ref().and_then(|_| roots.check_delete(to).err()).as_ref().map(reason),
        unknown => Serde(status.unknown.iter().map(Cover::text).collect::<Vec<_>>()),
        over_a_fifth => totals.needs_confirmation().then(|| format!("{deletes_percent} %")),
        typed => typed(&status),
        action => Serde(action),
        tabs => Serde(tabs(totals)),
        state => query.address(query.cursor.as_ref()),
        next => rows.next_cursor.as_ref().map(|cursor| query.address(Some(cursor))),
        total => rows.total,
        rows => Serde(items),
        models,
        ..Value::from(Serde(MirrorView::from(status)))
    })
}

const fn named(root: Root) -> &'static str {
    match root {
        Root::Local => "Local",
        Root::Lake => "the Lake",
    }
}

/// How long it takes, in words.
fn time(status: &PlanStatus) -> String {
    if status.plan.totals.bytes_to_copy() == 0 {
        return "at once".to_owned();
    }
    status.seconds.map_or_else(|| "not known yet".to_owned(), |seconds| format!("about {}", format::duration(seconds)))
}

/// The actions that the plan has rows for.
fn tabs(mut totals: PlanTotals) -> Vec<PlanTab> {
    let tab = |action| {
        let count = *totals.of(action);
        PlanTab { action, n: count.n, bytes: count.bytes }
    };
    PlanAction::ALL.into_iter().map(tab).filter(|tab| tab.n > 0).collect()
}
