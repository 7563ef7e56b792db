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
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::services::Queue;
use crate::services::queue::GroupView;
use crate::storage::views::batches::{self, BatchEntry};
use crate::storage::views::page::PageRequest;
use crate::storage::views::transfers::{self, TransferEntry, TransferFilter};
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional};
use crate::web::state::WebState;
use crate::web::templates::format;

const FRAME: Frame = Frame { section: "queue", title: "Queue", topics: "strip,queue,machines" };

/// Rows of one state that are shown on one page.
const ROWS: u32 = 100;

/// Which list of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum Tab {
    /// What is still to be done and does not run.
    #[default]
    Waiting,
    /// What was given up.
    Failed,
    /// What is done.
    Done,
    /// What was dropped.
    Cancelled,
    /// The requests.
    Batches,
}

/// Everything behind the `?` of the queue's page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct QueueQuery {
    #[serde(deserialize_with = "optional")]
    tab: Option<Tab>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

/// One transfer as the pages show it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct TransferRow {
    id: TransferId,
    batch_id: BatchId,
    operation: String,
    verb: &'static str,
    path: String,
    from: Root,
    to: Option<Root>,
    /// Its other name, where it stays on its root.
    new_name: Option<String>,
    /// Of a duplicate: the copy that stays.
    stays: Option<Stays>,
    state: TransferState,
    /// Small files that are worked on together; it stands for all of them.
    group: Option<GroupView>,
    size_bytes: u64,
    bytes_done: u64,
    bytes_checked: Option<u64>,
    bytes_per_second: u64,
    eta_seconds: Option<u64>,
    attempts: u32,
    error: Option<TransferError>,
    finished_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Stays {
    root: Root,
    path: String,
}

#[derive(Debug, Serialize)]
struct TransferError {
    text: String,
}

/// One request as the pages show it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct BatchRow {
    id: BatchId,
    title: String,
    n_transfers: u64,
    n_failed: u64,
    size_bytes: u64,
    created_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct TabView {
    name: Tab,
    label: &'static str,
    n: u64,
}

/// Shows the queue.
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
        TabView { name: Tab::Waiting, label: "Waiting", n: queue.n_waiting },
        TabView { name: Tab::Failed, label: "Failed", n: queue.failed },
        TabView { name: Tab::Done, label: "Done", n: queue.completed },
        TabView { name: Tab::Cancelled, label: "Cancelled", n: queue.cancelled },
        TabView { name: Tab::Batches, label: "Batches", n: n_batches },
    ];
    let now = Instant::now();
    let throughput = throughput::chart(&state.services.throughput.recent(now), now, Timestamp::now());
    Ok(context! {
        queue => Serde(queue), tabs => Serde(tabs), running => Serde(running), throughput => throughput.map(Serde),
        ..machines::under_way(state).await?
    })
}

/// One list of the queue.
pub(in crate::web) async fn list(state: &WebState, query: &QueueQuery) -> Answer<Value> {
    let tab = query.tab.unwrap_or_default();
    let request =
        PageRequest::new(ROWS, query.cursor.clone()).map_err(|error| Problem::malformed(error.to_string()))?;
    let address = |cursor: Option<&String>| {
        let name = (tab != Tab::Waiting).then(|| tab_name(tab));
        QueryString::new().with_some("tab", name).with_some("cursor", cursor).into_text()
    };
    let common = context! { tab => Serde(tab), state => address(query.cursor.as_ref()), ..empty_words(tab) };
    if tab == Tab::Batches {
        let page = state.services.database.read(move |connection| batches::list(connection, &request)).await?;
        let next = page.next_cursor.as_ref().map(|cursor| address(Some(cursor)));
        let rows: Vec<BatchRow> = page.items.into_iter().map(BatchRow::from).collect();
        return Ok(context! { rows => Vec::<Value>::new(), n_rows => 0, batches => Serde(rows), next, ..common });
    }
    let is_first = query.cursor.is_none();
    let at_work = state.services.queue.at_work();
    let (held, page) = state
        .services
        .database
        .read(move |connection| {
            let of = |state| TransferFilter { state: Some(state), batch: None };
            let mut held = Vec::new();
            if tab == Tab::Waiting && is_first {
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

const fn state_of(tab: Tab) -> TransferState {
    match tab {
        Tab::Waiting => TransferState::Queued,
        Tab::Failed => TransferState::Failed,
        Tab::Cancelled => TransferState::Cancelled,
        Tab::Done | Tab::Batches => TransferState::Completed,
    }
}

const fn tab_name(tab: Tab) -> &'static str {
    match tab {
        Tab::Waiting => "waiting",
        Tab::Failed => "failed",
        Tab::Done => "done",
        Tab::Cancelled => "cancelled",
        Tab::Batches => "batches",
    }
}

fn empty_words(tab: Tab) -> Value {
    let (empty_title, empty_text) = match tab {
        Tab::Waiting => ("Nothing waits", "Copies are started in the library or from the differences."),
        Tab::Failed => ("Nothing failed", "What fails is listed here with its reason and a button to try again."),
        Tab::Done => ("Nothing is done yet", "What is done stays listed until it is cleared."),
        Tab::Cancelled => ("Nothing was cancelled", "What is dropped is listed here and can be tried again."),
        Tab::Batches => ("No batches yet", "Each request makes a batch: what was done to which file."),
    };
    context! { empty_title, empty_text }
}

/// A transfer as it is at this moment.
pub(in crate::web) fn row(entry: TransferEntry, queue: &Queue) -> TransferRow {
    let live = if entry.state == TransferState::Running { queue.live(entry.id) } else { None };
    let next_try = entry.next_try_at.filter(|_| entry.state == TransferState::Waiting);
    let again = next_try.map(|at| {
        let seconds = u64::try_from(at.as_second() - Timestamp::now().as_second()).unwrap_or(0);
        format!(" Tried again in {}.", format::duration(seconds))
    });
    let shown = matches!(entry.state, TransferState::Failed | TransferState::Waiting | TransferState::Queued);
    let text = entry.error_detail.or(entry.error_code).filter(|_| shown);
    let is_rename = entry.operation == "move" && entry.to == Some(entry.from);
    let is_of_duplicate = Operation::from_name(&entry.operation).is_some_and(Operation::is_of_duplicate);
    let is_on_its_root = is_rename || is_of_duplicate || entry.operation == "separate";
    let stays = entry.to.filter(|_| is_of_duplicate).map(|root| {
        let path = entry.to_path.clone().unwrap_or_else(|| entry.path.to_string());
        Stays { root, path }
    });
    let verb = match entry.operation.as_str() {
        "move" if is_rename => "Rename on",
        operation => verb(operation),
    };
    TransferRow {
        id: entry.id,
        batch_id: entry.batch_id,
        verb,
        path: entry.path.as_str().to_owned(),
        from: entry.from,
        to: entry.to.filter(|_| !is_on_its_root),
        new_name: entry.to_path.filter(|_| is_rename),
        stays,
        state: entry.state,
        group: if entry.state == TransferState::Running { queue.group(entry.id) } else { None },
        size_bytes: entry.size_bytes,
        bytes_done: live.as_ref().map_or(entry.bytes_done, |live| live.bytes_done),
        bytes_checked: live.as_ref().and_then(|live| live.bytes_checked),
        bytes_per_second: live.as_ref().map_or(0, |live| live.bytes_per_second),
        eta_seconds: live.and_then(|live| live.eta_seconds),
        attempts: entry.attempts,
        error: text.map(|text| TransferError { text: format!("{text}{}", again.unwrap_or_default()) }),
        finished_at: entry.finished_at,
        operation: entry.operation,
    }
}

fn verb(operation: &str) -> &'static str {
    match operation {
        "copy" => "Copy from",
        "move" => "Move from",
        "delete" => "Delete from",
        "remove_duplicate" => "Remove from",
        "restore" => "Put back on",
        "evict" => "Evict from",
        "hardlink" => "Hard link on",
        "reflink" => "Share bytes on",
        "separate" => "Separate on",
        _ => "Work on",
    }
}

/// A batch in words: `copy from Lake to Local`.
pub(in crate::web) fn batch_title(operation: &str, from: Root, to: Option<Root>, is_undo: bool) -> String {
    let what = match (operation, to) {
        ("copy" | "move" | "evict", Some(to)) => format!("{operation} from {} to {}", from.label(), to.label()),
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

impl From<BatchEntry> for BatchRow {
    fn from(batch: BatchEntry) -> Self {
        Self {
            id: batch.id,
            title: batch_title(&batch.operation, batch.from, batch.to, batch.undo_of.is_some()),
            n_transfers: batch.progress.n_transfers,
            n_failed: batch.progress.n_failed,
            size_bytes: batch.progress.size_bytes,
            created_at: batch.created_at,
        }
    }
}
