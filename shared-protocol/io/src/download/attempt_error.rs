//! What can be wrong with an attempt at a source, and what follows from it.

use std::time::Duration;

use shared_protocol::refusal::{Refusal, RefusalCode};

use crate::http::HttpFailure;

/// What follows from an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consequence {
    /// It may go better the next time.
    Retry,
    /// What came was kept, and was too little: as [`Self::Retry`], whatever came.
    Slow,
    /// Nobody else answers either: this machine is cut off, and the source is not at fault.
    CutOff,
    /// This address is over. If a redirect led to it, the original may lead to another.
    Address,
    /// The source is over.
    Final,
    /// It sent wrong bytes.
    Lied,
    /// Nobody answers for the hub right now: waited for with patience.
    OutOfReach,
    /// The hub ends the session.
    SessionOver(Refusal),
}

/// Why an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttemptError {
    /// A stable word.
    pub(super) code: &'static str,
    /// For people.
    pub(super) detail: String,
    /// What follows.
    pub(super) consequence: Consequence,
    /// How long the source asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl AttemptError {
    /// An error that may pass.
    pub(super) fn retry(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), consequence: Consequence::Retry, retry_after: None }
    }

    /// An error that ends the source.
    pub(super) fn last(code: &'static str, detail: impl Into<String>) -> Self {
        Self { consequence: Consequence::Final, ..Self::retry(code, detail) }
    }

    /// Nothing came for too long.
    pub(super) fn stalled(detail: impl Into<String>) -> Self {
        Self::retry("stalled", detail)
    }

    /// Too little came for too long.
    pub(super) fn slow(least: u64) -> Self {
        Self { consequence: Consequence::Slow, ..Self::stalled(format!("less than {least} bytes a second")) }
    }

    /// Whether it is one that a broken network makes.
    pub(super) fn is_of_network(&self) -> bool {
        self.consequence == Consequence::Retry
            && matches!(self.code, "dns" | "refused" | "reset" | "stalled" | "tls" | "truncated")
    }

    /// Bytes that are not the content's.
    pub(super) fn wrong_bytes(detail: impl Into<String>) -> Self {
        Self { consequence: Consequence::Lied, ..Self::retry("wrong_bytes", detail) }
    }

    /// What the hub's own word means for a download.
    pub(super) fn of_refusal(refusal: Refusal) -> Self {
        let detail = refusal.detail.clone();
        let retry_after = refusal.retry_after_s.map(Duration::from_secs);
        let (code, consequence) = match refusal.code {
            RefusalCode::Unauthorized | RefusalCode::Expired | RefusalCode::Revoked => {
                ("refused_by_hub", Consequence::SessionOver(refusal))
            }
            RefusalCode::NotFound => ("not_found", Consequence::Final),
            RefusalCode::Changed => ("changed", Consequence::Final),
            RefusalCode::Busy | RefusalCode::Unavailable => ("unavailable", Consequence::OutOfReach),
            _ if refusal.retry => ("refused_by_hub", Consequence::Retry),
            _ => ("refused_by_hub", Consequence::Final),
        };
        Self { code, detail, consequence, retry_after }
    }
}

impl From<HttpFailure> for AttemptError {
    fn from(failure: HttpFailure) -> Self {
        let consequence =
            if matches!(failure, HttpFailure::Address(_)) { Consequence::Final } else { Consequence::Retry };
        Self { code: failure.code(), detail: failure.to_string(), consequence, retry_after: None }
    }
}
