//! What lies on a machine, compared with the library by content.

use minijinja::value::{Serde, Value};
use serde::Serialize;
use shared_protocol::Blake3;

use crate::services::remote::inventory::InventoryView;
use crate::storage::{Connection, StorageError, index};
use crate::web::error::Answer;
use crate::web::state::WebState;

/// Files that are listed.
const ROWS: usize = 500;

#[derive(Debug, Serialize)]
struct InventoryPage {
    counts: Vec<InventoryCount>,
    rows: Vec<InventoryRow>,
    n_more: usize,
    n_errors: u64,
}

#[derive(Debug, Serialize)]
struct InventoryCount {
    label: &'static str,
    class: &'static str,
    n: u64,
    size_bytes: u64,
}

#[derive(Debug, Serialize)]
struct InventoryRow {
    path: String,
    size_bytes: u64,
    class: &'static str,
    icon: &'static str,
    word: &'static str,
}

/// How a file there stands to the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownContentView {
    InLibrary,
    OnlyThere,
    Unread,
}

impl KnownContentView {
    const ALL: [Self; 3] = [Self::InLibrary, Self::OnlyThere, Self::Unread];

    /// Label, colour, icon.
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::InLibrary => ("In the library", "is-same", "equal"),
            Self::OnlyThere => ("Only there", "is-warning", "chevron-right"),
            Self::Unread => ("Not hashed there", "muted", "circle-question-mark"),
        }
    }
}

/// The inventory as the page shows it.
pub(in crate::web) async fn compare(state: &WebState, inventory: InventoryView) -> Answer<Value> {
    let view = state.services.database.read(move |connection| view(connection, inventory)).await?;
    Ok(Value::from(Serde(view)))
}

fn view(connection: &Connection, inventory: InventoryView) -> Result<InventoryPage, StorageError> {
    let mut files = Vec::with_capacity(inventory.items.len());
    for file in inventory.items {
        let hash: Option<Blake3> = file.hash.and_then(|text| text.parse().ok());
        let known = match hash {
            None => KnownContentView::Unread,
            Some(hash) if index::is_content_known(connection, &hash)? => KnownContentView::InLibrary,
            Some(_) => KnownContentView::OnlyThere,
        };
        files.push((file.path, file.size_bytes, known));
    }
    let count = |known: KnownContentView| {
        let (label, class, _) = known.words();
        let of = || files.iter().filter(|(_, _, one)| *one == known);
        InventoryCount { label, class, n: of().count() as u64, size_bytes: of().map(|(_, size, _)| size).sum() }
    };
    let counts = KnownContentView::ALL.map(count).into();
    let n_more = files.len().saturating_sub(ROWS);
    let rows = files.into_iter().take(ROWS).map(|(path, size_bytes, known)| {
        let (word, class, icon) = known.words();
        InventoryRow { path, size_bytes, class, icon, word }
    });
    Ok(InventoryPage { counts, rows: rows.collect(), n_more, n_errors: inventory.n_errors })
}
