//! The one shape of every list.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::described::CursorText;
use crate::storage::views::page::{DEFAULT_LIMIT, Page, PageRequest};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{optional, optional_parsed};

/// One page of a list. It is made of a [`Page`] only: who has no page has no list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListView<T> {
    /// The rows.
    items: Vec<T>,
    /// Asks for the next page; `null` on the last one.
    next_cursor: Option<String>,
    /// Rows of the whole list.
    total: u64,
}

/// Which page of a list. Every list takes these two beside its own values.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Most rows on the page, 1 to 1000.
    #[serde(deserialize_with = "optional_parsed")]
    #[param(minimum = 1, maximum = 1000, default = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(deserialize_with = "optional")]
    #[param(value_type = Option<CursorText>, inline)]
    cursor: Option<String>,
}

impl PageQuery {
    /// The page as the views take it.
    pub fn request(self) -> Answer<PageRequest> {
        PageRequest::new(self.limit.unwrap_or(DEFAULT_LIMIT), self.cursor)
            .map_err(|error| Problem::malformed(error.to_string()))
    }
}

impl<T> ListView<T> {
    /// The rows alone.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// A page with its rows shaped for the API.
    pub fn of<R>(page: Page<R>) -> Self
    where
        T: From<R>,
    {
        let Page { items, next_cursor, total } = page;
        Self { items: items.into_iter().map(T::from).collect(), next_cursor, total }
    }
}
