//! The one shape of every list.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::described::CursorText;
pub use crate::storage::views::page::Page as ListView;

use crate::storage::views::page::{DEFAULT_LIMIT, PageRequest};
use crate::web::error::Answer;
use crate::web::extract::{optional, optional_parsed};

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
        Ok(PageRequest::new(self.limit.unwrap_or(DEFAULT_LIMIT), self.cursor)?)
    }
}
