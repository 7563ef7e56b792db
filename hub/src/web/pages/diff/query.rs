//! What a page of differences shows, as it stands in the address.

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use crate::domain::diff::DiffStatus;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::views::diff::PairFilter;
use crate::storage::views::page::{DEFAULT_LIMIT, MAX_LIMIT, PageRequest};
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{folder, optional, optional_parsed, search};
use crate::web::spelled;
use crate::web::state::WebState;

/// Everything behind the `?` of a page of differences.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct DiffQuery {
    #[serde(deserialize_with = "optional")]
    pub status: Option<DiffStatus>,
    #[serde(deserialize_with = "folder")]
    pub folder: Option<RelPath>,
    #[serde(deserialize_with = "search")]
    pub q: Option<String>,
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

impl DiffQuery {
    /// The tab that is shown.
    pub(in crate::web) fn status(&self) -> DiffStatus {
        self.status.unwrap_or(DiffStatus::LakeOnly)
    }

    /// With the folder as a side spells it.
    pub(in crate::web) async fn resolved(self, state: &WebState) -> Answer<Self> {
        let folder = self.folder.map(TypedFolder::from);
        Ok(Self { folder: spelled::folder_of_both(state, Root::Lake, folder).await?.any(), ..self })
    }

    /// Which rows are meant.
    pub(in crate::web) fn filter(&self) -> PairFilter {
        PairFilter { folder: self.folder.clone(), status: Some(self.status()), search: self.q.clone() }
    }

    /// The page of rows. A list that is fetched again holds as many rows as it did.
    pub(in crate::web) fn request(&self) -> Answer<PageRequest> {
        let limit = self.keep.unwrap_or(DEFAULT_LIMIT).clamp(DEFAULT_LIMIT, MAX_LIMIT);
        PageRequest::new(limit, self.cursor.clone()).map_err(|error| Problem::malformed(error.to_string()))
    }

    fn list(&self) -> QueryString {
        QueryString::new()
            .with("status", self.status().as_str())
            .with_some("folder", self.folder.as_ref())
            .with_some("q", self.q.as_ref())
    }

    /// The list itself, without its selection.
    pub(in crate::web) fn state(&self) -> String {
        self.list().into_text()
    }

    /// The page that shows this list.
    pub(in crate::web) fn page(&self) -> String {
        self.list().with_some("s", self.s.as_ref()).into_text()
    }

    /// The page that begins after `cursor`.
    pub(in crate::web) fn following(&self, cursor: &str, shown: Option<u32>) -> String {
        let shown = shown.map(|n| n.to_string());
        self.list()
            .with_some("s", self.s.as_ref().filter(|_| shown.is_none()))
            .with("cursor", cursor)
            .with_some("shown", shown)
            .into_text()
    }
}
