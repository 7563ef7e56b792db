//! A job as it is shown.

use serde::Serialize;

use super::progress::Shown;
use super::{Job, JobWork};
use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::BackgroundJobId;
use crate::domain::rate::Rate;
use crate::storage::background::RowOf;

/// How far a background job is: what all kinds show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BackgroundJobView {
    pub id: BackgroundJobId,
    pub state: WorkState,
    /// How much there is, and how much of it is done.
    #[serde(flatten)]
    pub counts: Counts,
    /// How fast it reads.
    pub bytes_per_second: u64,
    /// How long it will take at this rate.
    pub eta_seconds: Option<u64>,
    /// Why it does not go on at the moment.
    pub waiting: Option<String>,
    /// The files that are being read.
    pub files: Vec<String>,
    /// Why it ended as it did.
    pub detail: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<jiff::Timestamp>,
}

/// A job that is not under way.
pub(in crate::services) fn stored<K: JobWork>(row: &RowOf<K>) -> K::View {
    view::<K>(row, Shown { rate: Rate::default(), waiting: None, files: Vec::new() })
}

/// The job under way.
pub(super) fn running<K: JobWork>(job: &Job<K>) -> K::View {
    view::<K>(&job.now(), job.progress.shown())
}

fn view<K: JobWork>(row: &RowOf<K>, shown: Shown) -> K::View {
    let Counts { bytes_done, bytes_total, .. } = row.counts;
    let goes_on = shown.waiting.is_none();
    let left = bytes_total.saturating_sub(bytes_done);
    let job = BackgroundJobView {
        id: row.id,
        state: row.state,
        counts: row.counts,
        bytes_per_second: if goes_on { shown.rate.bytes_per_second() } else { 0 },
        eta_seconds: if goes_on && left > 0 { shown.rate.seconds_for(left) } else { None },
        waiting: shown.waiting,
        files: shown.files,
        detail: row.detail.clone(),
        created_at: row.created_at,
        finished_at: row.finished_at,
    };
    K::view(row, job)
}
