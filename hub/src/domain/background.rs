//! Work that runs in the background: scans, hash jobs, searches for duplicates.

use serde::{Deserialize, Serialize};

/// The state of a background job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum WorkState {
    /// Not begun.
    Queued,
    /// Under way, perhaps waiting for something.
    Running,
    /// Everything was done.
    Complete,
    /// Something could not be read; what was read counts.
    Partial,
    /// Stopped by a person.
    Cancelled,
    /// Nothing counts.
    Failed,
}

impl WorkState {
    /// Nothing more happens.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The state of two pieces of work taken together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |state| match state {
            Self::Running => 0,
            Self::Queued => 1,
            Self::Cancelled => 2,
            Self::Failed => 3,
            Self::Partial => 4,
            Self::Complete => 5,
        };
        let (worse, better) = if rank(self) <= rank(other) { (self, other) } else { (other, self) };
        // One root that was read makes the whole more than a failure.
        if worse == Self::Failed && better != Self::Failed { Self::Partial } else { worse }
    }
}

/// How much of a background job there is, and how much of it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Counts {
    /// Files that are done.
    pub n_done: u64,
    /// Files in all, 0 while that is unknown.
    pub n_total: u64,
    /// Files that could not be read, or were not as the index has them.
    pub n_failed: u64,
    pub bytes_done: u64,
    /// Bytes in all, 0 where only names are looked at.
    pub bytes_total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_taken_together() {
        use WorkState as S;
        assert_eq!(S::Complete.and(S::Complete), S::Complete);
        assert_eq!(S::Complete.and(S::Failed), S::Partial);
        assert_eq!(S::Failed.and(S::Failed), S::Failed);
        assert_eq!(S::Running.and(S::Failed), S::Running);
        assert_eq!(S::Partial.and(S::Complete), S::Partial);
        assert_eq!(S::Cancelled.and(S::Complete), S::Cancelled);
    }
}
