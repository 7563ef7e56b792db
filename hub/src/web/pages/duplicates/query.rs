//! What the page of duplicates shows, as it stands in the address.

use serde::{Deserialize, Serialize};

use crate::domain::duplicates::{DuplicateAction, GroupKind, KeepRule};
use crate::domain::root::Root;
use crate::storage::views::duplicates::GroupFilter;
use crate::storage::views::page::PageRequest;
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::optional;

/// Groups on one page.
const GROUPS: u32 = 50;

/// Which copies are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum DuplicatesView {
    /// Within Local.
    Local,
    /// Within the Lake.
    Lake,
    /// Both folders taken together.
    Both,
    /// Models that differ in their headers only.
    Weights,
}

impl DuplicatesView {
    pub(in crate::web) const ALL: [Self; 4] = [Self::Local, Self::Lake, Self::Both, Self::Weights];

    pub(in crate::web) fn as_str(self) -> &'static str {
        self.into()
    }

    pub(in crate::web) const fn filter(self) -> GroupFilter {
        let (kind, within) = match self {
            Self::Local => (GroupKind::Content, Some(Root::Local)),
            Self::Lake => (GroupKind::Content, Some(Root::Lake)),
            Self::Both => (GroupKind::Content, None),
            Self::Weights => (GroupKind::Weights, None),
        };
        GroupFilter { kind, within }
    }
}

/// Everything behind the `?` of the page of duplicates.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct DuplicatesPageQuery {
    #[serde(deserialize_with = "optional")]
    pub view: Option<DuplicatesView>,
    #[serde(deserialize_with = "optional")]
    pub keep: Option<KeepRule>,
    #[serde(deserialize_with = "optional")]
    pub action: Option<DuplicateAction>,
    /// The selection's id.
    #[serde(deserialize_with = "optional")]
    pub s: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub cursor: Option<String>,
}

impl DuplicatesPageQuery {
    pub(in crate::web) fn view(&self) -> DuplicatesView {
        self.view.unwrap_or(DuplicatesView::Local)
    }

    pub(in crate::web) fn filter(&self) -> GroupFilter {
        self.view().filter()
    }

    pub(in crate::web) fn keep(&self) -> KeepRule {
        self.keep.unwrap_or_default()
    }

    pub(in crate::web) fn action(&self) -> DuplicateAction {
        self.action.unwrap_or(DuplicateAction::Delete)
    }

    pub(in crate::web) fn request(&self) -> Answer<PageRequest> {
        Ok(PageRequest::new(GROUPS, self.cursor.clone())?)
    }

    fn list(&self) -> QueryString {
        QueryString::new()
            .with("view", self.view().as_str())
            .with("keep", self.keep().as_str())
            .with("action", self.action().as_str())
    }

    /// The list itself, without its selection.
    pub(in crate::web) fn state(&self) -> String {
        self.list().into_text()
    }

    /// The page that begins after `cursor`.
    pub(in crate::web) fn following(&self, cursor: &str) -> String {
        self.list().with_some("s", self.s.as_ref()).with("cursor", cursor).into_text()
    }
}
