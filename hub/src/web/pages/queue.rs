//! The queue: what runs, what waits, what failed, what is done, and the batches they came in.

mod throughput;

use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use super::load;
use super::remote::machines;
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::services::Queue;
use crate::services::queue::GroupView;
use crate::storage::views::batches::{self, BatchView};
use crate::storage::views::page::PageRequest;
use crate::storage::views::transfers::{self, TransferFilter, TransferView};
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional};
use crate::web::state::WebState;
use crate::web::templates::format;

const FRAME: Frame = Frame { section: "queue", title: "Queue", topics: "strip,queue,machines" };

/// Rows of one state that are shown on one page.
const ROWS: u32 = 100;

/// Which list of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[derive(strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(in crate::web) enum QueueTab {
    /// What is still to be done and does not run.
    #[default]
    Waiting,
    /// What was given up.
    Failed,
    Done,
    Cancelled,
    Batches,
}

/// Everything behind the `?` of the queue's page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct QueueQuery {
    #[serde(deserialize_with = "optional")]
    tab: Option<QueueTab>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

/// One transfer with what only pages say of it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct QueueRow {
    #[serde(flatten)]
    transfer: TransferView,
    /// Small files that are worked on together; it stands for all of them.
    group: Option<GroupView>,
    /// It moves a file to another name of its own root.
    is_rename: bool,
    /// Its other end is the copy of a duplicate that stays.
    is_of_duplicate: bool,
    /// Why the last try failed, where that is of interest.
    told: Option<String>,
}

pub(super) async fn show_queue(State(state): State<WebState>, Params(query): Params<QueueQuery>) -> Answer<Response> {
    let content = context! { page => list(&state, &query).await?, ..overall(&state).await? };
    page(&state, FRAME, "pages/queue.html", content).await
}

/// What moves all the time: `{queue, tabs, running, throughput}`.
pub(in crate::web) async fn overall(state: &WebState) -> Answer<Value> {
    let queue = load::status(state).await?;
    let filter = TransferFilter { state: Some(TransferState::Running), batch: None };
    let at_work = state.services.queue.at_work();
    let (running, n_batches) = state
        .services
        .database
        .read(move |connection| {
            let request = PageRequest::first();
            let batches = batches::list(connection, &request)?.total;
            Ok((transfers::list(connection, &filter, &request, &at_work)?, batches))
        })
        .await?;
    let running: Vec<_> = running.items.into_iter().map(|entry| row(entry, &state.services.queue)).collect();
    let tabs = [
        (QueueTab::Waiting, queue.n_waiting),
        (QueueTab::Failed, queue.status.failed),
        (QueueTab::Done, queue.status.completed),
        (QueueTab::Cancelled, queue.status.cancelled),
        (QueueTab::Batches, n_batches),
    ];
    let now = Instant::now();
    let throughput = throughput::chart(&state.services.throughput.recent(now), now, Timestamp::now());
    Ok(context! {
        queue => Serde(queue), tabs => Serde(tabs), running => Serde(running), throughput => throughput.map(Serde),
        ..machines::under_way(state).await?
    })
}

pub(in crate::web) async fn list(state: &WebState, query: &QueueQuery) -> Answer<Value> {
    let tab = query.tab.unwrap_or_default();
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let address = |cursor: Option<&String>| {
        let name = (tab != QueueTab::Waiting).then(|| <&'static str>::from(tab));
        QueryString::new().with_some("tab", name).with_some("cursor", cursor).into_text()
    };
    let common = context! { tab => Serde(tab), state => address(query.cursor.as_ref()) };
    if tab == QueueTab::Batches {
        let page = state.services.database.read(move |connection| batches::list(connection, &request)).await?;
        let next = page.next_cursor.as_ref().map(|cursor| address(Some(cursor)));
        let batches: Vec<Value> = page.items.into_iter().map(batch_row).collect();
        return Ok(context! { rows => Vec::<Value>::new(), n_rows => 0, batches, next, ..common });
    }
    let is_first = query.cursor.is_none();
    let at_work = state.services.queue.at_work();
    let (held, page) = state
        .services
        .database
        .read(move |connection| {
            let of = |state| TransferFilter { state: Some(state), batch: None };
            let mut held = Vec::new();
            if tab == QueueTab::Waiting && is_first {
                // What needs someone's eye stands above what only waits for its turn.
                for state in [TransferState::Waiting, TransferState::Paused] {
                    held.extend(transfers::list(connection, &of(state), &PageRequest::first(), &at_work)?.items);
                }
            }
            Ok((held, transfers::list(connection, &of(state_of(tab)), &request, &at_work)?))
        })
        .await?;
    let next = page.next_cursor.as_ref().map(|cursor| address(Some(cursor)));
    let n_rows = page.total;
    let all = held.into_iter().chain(page.items);
    let rows: Vec<_> = all.map(|entry| row(entry, &state.services.queue)).collect();
    Ok(context! { rows => Serde(rows), n_rows, batches => Vec::<Value>::new(), next, ..common })
}

const fn state_of(tab: QueueTab) -> TransferState {
    match tab {
        QueueTab::Waiting => TransferState::Queued,
        QueueTab::Failed => TransferState::Failed,
        QueueTab::Cancelled => TransferState::Cancelled,
        QueueTab::Done | QueueTab::Batches => TransferState::Completed,
    }
}

/// A transfer as it is at this moment.
pub(in crate::web) fn row(transfer: TransferView, queue: &Queue) -> QueueRow {
    let transfer = queue.with_live(transfer);
    let is_shown = matches!(transfer.state, TransferState::Failed | TransferState::Waiting | TransferState::Queued);
    let next_try = transfer.next_try_at.filter(|_| transfer.state == TransferState::Waiting);
    let again = next_try.map(|at| {
        let seconds = u64::try_from(at.as_second() - Timestamp::now().as_second()).unwrap_or(0);
        format!(" Tried again in {}.", format::duration(seconds))
    });
    let told = transfer.error.as_ref().filter(|_| is_shown).map(|error| {
        let text = if error.detail.is_empty() { &error.code } else { &error.detail };
        format!("{text}{}", again.unwrap_or_default())
    });
    let is_running = transfer.state == TransferState::Running;
    QueueRow {
        group: if is_running { queue.group(transfer.id) } else { None },
        is_rename: transfer.operation == "move" && transfer.to == Some(transfer.from),
        is_of_duplicate: transfer.operation.parse().is_ok_and(Operation::is_of_duplicate),
        told,
        transfer,
    }
}

/// A batch in words: `copy from Lake to Local`.
pub(in crate::web) fn batch_title(operation: &str, from: Root, to: Option<Root>, is_undo: bool) -> String {
    let what = match (operation, to) {
        ("copy" | "move" | "evict", Some(to)) => format!("{operation} from {} to {}", from.label(), to.label()),
        ("download", _) => format!("download to {}", from.label()),
        ("mirror", Some(to)) => format!("make {} like {}", to.label(), from.label()),
        ("restore", _) => format!("put back on {}", from.label()),
        ("hardlink", _) => "replace duplicates by hard links".to_owned(),
        ("reflink", _) => "let duplicates share their bytes".to_owned(),
        ("separate", _) => "give files their own bytes again".to_owned(),
        ("remove_duplicate", _) => format!("remove duplicates from {}", from.label()),
        (other, _) => format!("{other} from {}", from.label()),
    };
    // What comes back from the trash says already that it undoes something.
    if is_undo && operation != "restore" { format!("undo: {what}") } else { what }
}

fn batch_row(batch: BatchView) -> Value {
    let title = batch_title(&batch.operation, batch.from, batch.to, batch.undo_of.is_some());
    context! { title, ..Value::from(Serde(batch)) }
}
