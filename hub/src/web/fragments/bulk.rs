//! The bar below a list: how much is ticked, and what can be done with it.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use crate::domain::diff::DiffStatus;
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::services::selection::{Filter, Picked, Selection};
use crate::storage::views::{diff, duplicates, files};
use crate::storage::{Connection, StorageError};
use crate::web::error::Answer;
use crate::web::pages::diff::query::DiffPageQuery;
use crate::web::pages::library::drawer::reason;
use crate::web::pages::library::query::LibraryQuery;
use crate::web::pages::{self};
use crate::web::state::WebState;
use crate::web::templates::format;

#[derive(Debug, Default, Serialize)]
struct Bulk {
    id: Option<String>,
    /// All boxes on the page have to be ticked, or unticked.
    all: Option<bool>,
    n: u64,
    size_bytes: u64,
    offer_all: bool,
    n_matching: u64,
    vals: BulkVals,
    actions: Vec<BulkAction>,
    /// Sides whose files can be verified again.
    verify: Vec<Root>,
    send: Vec<SendSide>,
}

/// A button that sends the files of a side to a machine.
#[derive(Debug, Serialize)]
struct SendSide {
    root: Root,
    label: String,
}

/// What the bar's own buttons send.
#[derive(Debug, Default, Serialize)]
struct BulkVals {
    scope: &'static str,
    filter: String,
    s: Option<String>,
}

#[derive(Debug, Serialize)]
struct BulkAction {
    operation: Operation,
    from: Root,
    label: String,
    icon: &'static str,
    danger: bool,
    /// Why it is not possible.
    reason: Option<String>,
}

/// The bar of a library page: `{bulk}`.
pub(in crate::web) async fn library(state: &WebState, query: &LibraryQuery, all: Option<bool>) -> Answer<Value> {
    let selection = pages::library::selection(state, query);
    let root = query.root();
    let vals = BulkVals { scope: "library", filter: query.state(), s: query.paging.s.clone() };
    let mut bulk = count(state, selection, root, vals, all).await?;
    if bulk.n > 0 {
        bulk.actions = vec![
            action(state, Operation::Copy, root, bulk.n),
            action(state, Operation::Move, root, bulk.n),
            action(state, Operation::Delete, root, bulk.n),
        ];
        bulk.verify = vec![root];
        bulk.send = send_sides(state, &[root]).await?;
    }
    Ok(context! { bulk => Serde(bulk) })
}

/// The bar of a page of differences: `{bulk}`.
pub(in crate::web) async fn diff(state: &WebState, query: &DiffPageQuery, all: Option<bool>) -> Answer<Value> {
    let selection = pages::diff::selection(state, query);
    let sides: &[Root] = match query.status() {
        DiffStatus::LocalOnly => &[Root::Local],
        DiffStatus::LakeOnly => &[Root::Lake],
        DiffStatus::Different | DiffStatus::Unverified | DiffStatus::Same | DiffStatus::Moved => &Root::ALL,
        DiffStatus::Conflict | DiffStatus::Unknown => &[],
    };
    let vals = BulkVals { scope: "diff", filter: query.state(), s: query.paging.s.clone() };
    let counted = sides.first().copied().unwrap_or(Root::Local);
    let mut bulk = count(state, selection, counted, vals, all).await?;
    if bulk.n > 0 {
        if query.status().is_copied() {
            bulk.actions.extend(sides.iter().map(|side| action(state, Operation::Copy, *side, bulk.n)));
        }
        bulk.actions.extend(sides.iter().map(|side| action(state, Operation::Delete, *side, bulk.n)));
        bulk.verify = sides.to_vec();
        bulk.send = send_sides(state, sides).await?;
    }
    Ok(context! { bulk => Serde(bulk) })
}

async fn count(state: &WebState, selection: Selection, side: Root, vals: BulkVals, all: Option<bool>) -> Answer<Bulk> {
    let id = vals.s.clone();
    let is_all = matches!(selection.picked, Picked::AllBut(_));
    if !is_all && selection.is_empty() {
        return Ok(Bulk { id, all, vals, ..Bulk::default() });
    }
    let (n, size_bytes, n_matching) = state
        .services
        .database
        .read(move |connection| {
            let files = selection.files(connection, side)?;
            let matching = matching(connection, &selection.filter)?;
            Ok((files.len() as u64, files.iter().map(|file| file.size_bytes).sum::<u64>(), matching))
        })
        .await?;
    Ok(Bulk {
        id,
        all,
        n,
        size_bytes,
        offer_all: !is_all && n < n_matching,
        n_matching,
        vals,
        actions: Vec::new(),
        verify: Vec::new(),
        send: Vec::new(),
    })
}

/// What can be sent to a machine: from the one side, or from either where they differ.
async fn send_sides(state: &WebState, sides: &[Root]) -> Answer<Vec<SendSide>> {
    let Some(label) = pages::remote::machines::send_label(state).await? else { return Ok(Vec::new()) };
    let of = |root: Root| if sides.len() > 1 { format!("{}: {label}", root.label()) } else { label.clone() };
    Ok(sides.iter().map(|root| SendSide { root: *root, label: of(*root) }).collect())
}

fn matching(connection: &Connection, filter: &Filter) -> Result<u64, StorageError> {
    Ok(match filter {
        Filter::Files(filter) => files::totals(connection, filter)?.n_files,
        Filter::Pairs(filter) => diff::totals(connection, filter)?.n_files,
        Filter::Groups(filter) => duplicates::totals(connection, *filter)?.n_groups,
    })
}

fn action(state: &WebState, operation: Operation, from: Root, n: u64) -> BulkAction {
    let files = format::n_files(n);
    let (label, icon) = match operation {
        Operation::Copy => (format!("Copy {files} to {}", from.other().label()), "copy"),
        Operation::Move => (format!("Move {files} to {}", from.other().label()), "folder-input"),
        _ => (format!("Delete {files} from {}", from.label()), "trash-2"),
    };
    BulkAction {
        operation,
        from,
        label,
        icon,
        danger: operation == Operation::Delete,
        reason: refusal(state, operation, from),
    }
}

/// Why an operation can't be begun now, whichever files it is about.
pub(in crate::web) fn refusal(state: &WebState, operation: Operation, from: Root) -> Option<String> {
    let roots = &state.services.roots;
    let takes_away = operation.takes_away();
    let there = || if operation.has_destination() { roots.live(from.other()).map(|_| ()) } else { Ok(()) };
    let allowed = || if takes_away { roots.check_delete(from) } else { Ok(()) };
    roots.live(from).map(|_| ()).and_then(|()| there()).and_then(|()| allowed()).err().as_ref().map(reason)
}
