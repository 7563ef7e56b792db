//! One shape for everything that goes wrong: RFC 9457 "problem" documents.
//!
//! The reader gets what to do; the cause of an internal failure goes to the log only. The problem
//! also travels in the response's extensions, so that a layer can show it as a page to a browser
//! instead of as JSON.

mod rejection;
mod service;

pub(in crate::web) use service::sentence;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16)]
    pub status: StatusCode,
    /// What happened here and what to do about it.
    pub detail: String,
    /// What is wrong with single values, where a whole set of them was judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ValueProblem>,
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValueProblem {
    pub key: String,
    pub value: Option<String>,
    pub message: String,
}

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// A problem of any status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            type_: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status,
            detail: detail.into(),
            problems: Vec::new(),
        }
    }

    /// 400: the request can't be understood.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 403: understood and not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422: understood and impossible.
    pub fn impossible(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 500: the cause goes to the log.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(cause = %chain(cause), "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The hub could not do this. Its log says why.")
    }

    /// 500 after a panic, which the panic hook has logged already.
    pub fn panicked() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The hub stumbled over this request. Its log says why.")
    }
}

/// An error with everything that led to it, in one line. Many tell their cause themselves: it is not told twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A struct of texts and a number always serialises.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_four_members() {
        let json = serde_json::to_value(Problem::not_found("No file of this path.")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "about:blank", "title": "Not Found", "status": 404, "detail": "No file of this path."
            })
        );
    }

    #[test]
    fn each_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        enum Outer {
            #[error("the lock can't be taken: {0} (try again)")]
            Telling(#[source] std::io::Error),
            #[error("the lock can't be taken")]
            Silent(#[source] std::io::Error),
        }
        let busy = || std::io::Error::other("it is busy");
        assert_eq!(chain(&Outer::Telling(busy())), "the lock can't be taken: it is busy (try again)");
        assert_eq!(chain(&Outer::Silent(busy())), "the lock can't be taken: it is busy");
    }

    #[test]
    fn an_internal_cause_is_not_told() {
        let problem = Problem::internal(&std::io::Error::other("secret path"));
        assert!(!problem.detail.contains("secret"));
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
