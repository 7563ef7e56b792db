//! The trash: what was deleted, from where, when, and how much it still takes.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use crate::domain::root::Root;
use crate::storage::views::page::PageRequest;
use crate::storage::views::trash::{self, TrashList};
use crate::web::address::{QueryString, changed};
use crate::web::error::Answer;
use crate::web::extract::{Params, optional, search};
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "trash", title: "Trash", topics: "strip,trash" };

/// Files on one page.
const ROWS: u32 = 200;

/// Everything behind the `?` of the trash's page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct TrashPageQuery {
    #[serde(deserialize_with = "optional")]
    root: Option<Root>,
    #[serde(deserialize_with = "search")]
    q: Option<String>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct TrashSide {
    root: Root,
    label: &'static str,
    link: String,
    is_shown: bool,
    n_files: u64,
    size_bytes: u64,
}

pub(super) async fn show_trash(
    State(state): State<WebState>,
    Params(query): Params<TrashPageQuery>,
) -> Answer<Response> {
    page(&state, FRAME, "pages/trash.html", context! { page => list(&state, query).await? }).await
}

/// What the page shows.
pub(in crate::web) async fn list(state: &WebState, query: TrashPageQuery) -> Answer<Value> {
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let (wanted, search) = (query.root, query.q.clone());
    let read = move |connection: &_| {
        let totals = Root::ALL.map(|root| trash::totals(connection, &TrashList::of(root)));
        let [local, lake] = totals;
        let (local, lake) = (local?, lake?);
        // Without a choice the side that has something.
        let root = wanted.unwrap_or(if local.n_files == 0 && lake.n_files > 0 { Root::Lake } else { Root::Local });
        let rows = trash::list(connection, &TrashList { root: Some(root), search }, &request)?;
        Ok((root, [(Root::Local, local), (Root::Lake, lake)], rows))
    };
    let (root, totals, rows) = state.services.database.read(read).await?;
    let query = TrashPageQuery { root: Some(root), ..query };
    let sides: Vec<TrashSide> = totals
        .iter()
        .map(|(side, totals)| TrashSide {
            root: *side,
            label: side.label(),
            link: changed(&query.address(None), &[("root", side.as_str())]),
            is_shown: *side == root,
            n_files: totals.n_files,
            size_bytes: totals.size_bytes,
        })
        .collect();
    let shown = sides.iter().find(|side| side.is_shown).map_or((0, 0), |side| (side.n_files, side.size_bytes));
    let roots = &state.services.roots;
    let away = roots.live(root).err().map(|error| reason(&error));
    let forbidden = roots.check_delete(root).err().map(|error| reason(&error));
    Ok(context! {
        query => Serde(&query),
        state => query.address(query.cursor.as_ref()),
        sides => Serde(sides),
        root_label => root.label(),
        n_files => shown.0,
        size_bytes => shown.1,
        is_filtered => query.q.is_some(),
        total => rows.total,
        next => rows.next_cursor.as_ref().map(|cursor| query.address(Some(cursor))),
        rows => Serde(rows.items),
        restore_reason => away.clone(),
        empty_reason => away.or(forbidden),
    })
}

impl TrashPageQuery {
    /// The query of this list, or of a page of it.
    pub(in crate::web) fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new()
            .with_some("root", self.root.map(Root::as_str))
            .with_some("q", self.q.as_ref())
            .with_some("cursor", cursor)
            .into_text()
    }
}
