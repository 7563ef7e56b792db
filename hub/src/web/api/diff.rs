//! The comparison of the two roots.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{FolderText, SearchText};
use crate::domain::diff::DiffStatus;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::views::diff::{self, PairFilter, PairView, StatusTotals};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional, search};
use crate::web::spelled;

/// Rows and bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountView {
    /// Rows.
    pub n: u64,
    /// Bytes; of a pair the larger side's.
    pub size_bytes: u64,
}

/// Rows and bytes of every status, in the folder that was asked for.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiffSummaryView {
    pub local_only: CountView,
    pub lake_only: CountView,
    /// Both have it.
    pub same: CountView,
    /// Both have another content.
    pub different: CountView,
    /// The same content under another path.
    pub moved: CountView,
    /// Names that differ in case only.
    pub conflict: CountView,
    /// Equal in size, not in time, and not hashed.
    pub unverified: CountView,
    /// A side was not seen there.
    pub unknown: CountView,
}

impl FromIterator<StatusTotals> for DiffSummaryView {
    fn from_iter<I: IntoIterator<Item = StatusTotals>>(totals: I) -> Self {
        let mut summary = Self::default();
        for StatusTotals { status, n, size_bytes } in totals {
            let slot = match status {
                DiffStatus::LocalOnly => &mut summary.local_only,
                DiffStatus::LakeOnly => &mut summary.lake_only,
                DiffStatus::Same => &mut summary.same,
                DiffStatus::Different => &mut summary.different,
                DiffStatus::Moved => &mut summary.moved,
                DiffStatus::Conflict => &mut summary.conflict,
                DiffStatus::Unverified => &mut summary.unverified,
                DiffStatus::Unknown => &mut summary.unknown,
            };
            *slot = CountView { n, size_bytes };
        }
        summary
    }
}

/// One page of the comparison, with the totals of all statuses.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiffView {
    #[serde(flatten)]
    pub rows: ListView<PairView>,
    /// Rows and bytes by status, for the folder, whatever the other filters.
    pub summary: DiffSummaryView,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// With `path` in this folder or below it.
    #[param(value_type = Option<FolderText>, inline)]
    folder: Option<TypedFolder>,
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    status: Option<DiffStatus>,
    /// Words that `path` has, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
}

/// Lists the differences, brought up to date first.
#[utoipa::path(
    get, path = "/api/diff", tag = "library", params(DiffQuery, PageQuery),
    responses((status = 200, body = DiffView), (status = 422))
)]
pub(super) async fn list_diff(
    State(state): State<WebState>,
    Params(query): Params<DiffQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<DiffView>> {
    let request = page.request()?;
    state.services.comparer.refresh_to_show().await?;
    let folder = spelled::folder_of_both(&state, Root::Lake, query.folder).await?.or_not_found("Local and Lake")?;
    let filter = PairFilter { folder, status: query.status, search: query.q };
    let counts = state.counts.clone();
    let read = move |connection: &_| {
        let summary = diff::summary(connection, &PairFilter { search: None, ..filter.clone() }, &counts)?;
        Ok((diff::list(connection, &filter, &request, &counts)?, summary))
    };
    let (page, summary) = state.services.database.read(read).await?;
    Ok(Json(DiffView { rows: page, summary: summary.into_iter().collect() }))
}
