//! The bar below the groups: how many are ticked, and what is planned for them.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::query::DuplicatesPageQuery;
use crate::domain::duplicates::DuplicateAction;
use crate::services::selection::{Filter, Picked, Selection};
use crate::storage::Connection;
use crate::storage::views::duplicates as views;
use crate::web::error::Answer;
use crate::web::state::WebState;

#[derive(Debug, Serialize)]
struct Bar {
    id: Option<String>,
    all: Option<bool>,
    n: u64,
    reclaimable_bytes: u64,
    n_matching: u64,
    offer_all: bool,
    button: &'static str,
    danger: bool,
    confirm: String,
    vals: BarVals,
}

#[derive(Debug, Serialize)]
struct BarVals {
    scope: &'static str,
    filter: String,
    s: Option<String>,
}

/// The bar below the list: `{bulk}`.
pub(in crate::web) async fn bar(state: &WebState, query: &DuplicatesPageQuery, all: Option<bool>) -> Answer<Value> {
    let (selection, filter) = (selection(state, query), query.filter());
    let is_all = matches!(selection.picked, Picked::AllBut(_));
    let read = move |connection: &Connection| {
        let groups = if selection.is_empty() { Vec::new() } else { selection.groups(connection)? };
        Ok((groups, views::extent(connection, filter)?.n_groups))
    };
    let (groups, n_matching) = state.services.database.read(read).await?;
    let n = groups.len() as u64;
    let vals = BarVals { scope: "duplicates", filter: query.state(), s: query.s.clone() };
    let bar = Bar {
        id: query.s.clone(),
        all,
        n,
        reclaimable_bytes: groups.iter().map(|group| group.reclaimable_bytes).sum(),
        n_matching,
        offer_all: !is_all && n < n_matching,
        button: button(query.action()),
        danger: query.action() == DuplicateAction::Delete,
        confirm: format!("/ui/duplicates/confirm{}", query.state()),
        vals,
    };
    Ok(context! { bulk => Serde(bar) })
}

const fn button(action: DuplicateAction) -> &'static str {
    match action {
        DuplicateAction::Delete => "Plan removal…",
        DuplicateAction::Hardlink => "Plan hard links…",
        DuplicateAction::Reflink => "Plan sharing…",
    }
}

/// What is ticked in this view.
pub(in crate::web) fn selection(state: &WebState, query: &DuplicatesPageQuery) -> Selection {
    let filter = Filter::Groups(query.filter());
    let kept = query.s.as_deref().and_then(|id| state.services.selections.show(id, &filter));
    kept.unwrap_or_else(|| Selection::none(filter))
}
