//! What a page of differences shows, as it stands in the address.

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use crate::domain::diff::DiffStatus;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::views::diff::PairFilter;
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::{folder, optional, search};
use crate::web::pages::paging::Paging;
use crate::web::spelled;
use crate::web::state::WebState;

/// Everything behind the `?` of a page of differences.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct DiffPageQuery {
    #[serde(deserialize_with = "optional")]
    pub status: Option<DiffStatus>,
    #[serde(deserialize_with = "folder")]
    pub folder: Option<RelPath>,
    #[serde(deserialize_with = "search")]
    pub q: Option<String>,
    #[serde(flatten)]
    pub paging: Paging,
}

impl DiffPageQuery {
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

    /// What says which list it is, without selection and page.
    pub(in crate::web) fn list(&self) -> QueryString {
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
        self.list().with_some("s", self.paging.s.as_ref()).into_text()
    }
}
