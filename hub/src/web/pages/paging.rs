//! What stands in the address of a list that grows while one scrolls, and what follows its last row.

use minijinja::value::Value;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use crate::services::selection::Selection;
use crate::storage::views::page::{DEFAULT_LIMIT, LimitError, MAX_LIMIT, PageRequest};
use crate::web::address::QueryString;
use crate::web::extract::{optional, optional_parsed};

/// The part of an address that says which rows of a list are shown, and which are ticked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Paging {
    /// The selection's id.
    #[serde(deserialize_with = "optional")]
    pub s: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub cursor: Option<String>,
    /// Rows that a list which fetches itself again holds.
    #[serde(deserialize_with = "optional_parsed")]
    pub keep: Option<u32>,
    /// Rows that the page holds already, when more are fetched to follow them.
    #[serde(deserialize_with = "optional_parsed")]
    pub shown: Option<u32>,
}

/// What follows the last row.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Pager {
    /// Fetches more rows into this page, while it holds less than a thousand.
    append: Option<String>,
    /// Leads to the next page.
    next: String,
    /// Rows that come with it.
    size: u32,
}

impl Paging {
    /// The page of rows. A list that is fetched again holds as many rows as it did.
    pub(in crate::web) fn request(&self) -> Result<PageRequest, LimitError> {
        let limit = self.keep.unwrap_or(DEFAULT_LIMIT).clamp(DEFAULT_LIMIT, MAX_LIMIT);
        PageRequest::new(limit, self.cursor.clone())
    }

    /// How many rows the page holds with so many more, and what follows them in this list.
    pub(in crate::web) fn follow(&self, list: &QueryString, n: usize, next: Option<String>) -> (u32, Option<Pager>) {
        let shown = self.shown.unwrap_or(0).saturating_add(u32::try_from(n).unwrap_or(MAX_LIMIT));
        let pager = next.map(|cursor| {
            let more = || list.clone().with("cursor", &cursor).with("shown", &shown.to_string()).into_text();
            Pager {
                append: (shown + DEFAULT_LIMIT <= MAX_LIMIT).then(more),
                next: list.clone().with_some("s", self.s.as_ref()).with("cursor", &cursor).into_text(),
                size: DEFAULT_LIMIT,
            }
        });
        (shown, pager)
    }
}

/// Tells templates whether a row is ticked: `page.is_selected(row.path)`.
pub(in crate::web) fn is_selected(selection: Selection) -> Value {
    Value::from_function(move |path: &str| RelPath::parse(path).is_ok_and(|path| selection.contains(&path)))
}
