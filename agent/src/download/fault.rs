//! What can be wrong with an attempt at a source, and what follows from it.

use std::time::Duration;

use shared_protocol::refusal::{Refusal, RefusalCode};

use crate::http::HttpFailure;

/// What follows from a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It may go better the next time.
    Retry,
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
pub(crate) struct Fault {
    /// A stable word.
    pub(crate) code: &'static str,
    /// For a person.
    pub(crate) detail: String,
    /// What follows.
    pub(crate) weight: Weight,
    /// How long the source asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Fault {
    /// A fault that may pass.
    pub(crate) fn retry(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), weight: Weight::Retry, retry_after: None }
    }

    /// A fault that ends the source.
    pub(crate) fn last(code: &'static str, detail: impl Into<String>) -> Self {
        Self { weight: Weight::Final, ..Self::retry(code, detail) }
    }

    /// Nothing came for too long, or too little.
    pub(crate) fn stalled(detail: impl Into<String>) -> Self {
        Self::retry("stalled", detail)
    }

    /// Bytes that are not the content's.
    pub(crate) fn wrong_bytes(detail: impl Into<String>) -> Self {
        Self { weight: Weight::Lied, ..Self::retry("wrong_bytes", detail) }
    }

    /// What the hub's own word means for a download.
    pub(crate) fn of_refusal(refusal: Refusal) -> Self {
        let detail = refusal.detail.clone();
        let retry_after = refusal.retry_after_s.map(Duration::from_secs);
        let (code, weight) = match refusal.code {
            RefusalCode::Unauthorized | RefusalCode::Expired | RefusalCode::Revoked => {
                ("refused_by_hub", Weight::SessionOver(refusal))
            }
            RefusalCode::NotFound => ("not_found", Weight::Final),
            RefusalCode::Changed => ("changed", Weight::Final),
            RefusalCode::Busy | RefusalCode::Unavailable => ("unavailable", Weight::OutOfReach),
            _ if refusal.retry => ("refused_by_hub", Weight::Retry),
            _ => ("refused_by_hub", Weight::Final),
        };
        Self { code, detail, weight, retry_after }
    }
}

impl From<HttpFailure> for Fault {
    fn from(failure: HttpFailure) -> Self {
        let weight = if matches!(failure, HttpFailure::Address(_)) { Weight::Final } else { Weight::Retry };
        Self { code: failure.code(), detail: failure.to_string(), weight, retry_after: None }
    }
}
