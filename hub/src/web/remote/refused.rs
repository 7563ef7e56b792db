//! A refusal as an HTTP answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared_protocol::refusal::{Refusal, RefusalBody, RefusalCode};

use crate::services::serving::ServeError;
use crate::services::{ErrorKind, ServiceError};
use crate::web::error::Problem;

/// How long an agent waits for a folder that is off, or for a place among the streams.
const COME_BACK_S: u64 = 5;

/// What the hub says no with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPeer(Refusal);

impl From<Refusal> for RefusedPeer {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl RefusedPeer {
    /// Not there, or not for this session: the two are told apart to nobody.
    pub(super) fn not_found(detail: &str) -> Self {
        Self::final_word(RefusalCode::NotFound, detail)
    }

    /// Not now.
    pub(super) fn unavailable(detail: &str) -> Self {
        Self::for_now(RefusalCode::Unavailable, detail)
    }

    pub(super) fn final_word(code: RefusalCode, detail: &str) -> Self {
        Self(Refusal { code, detail: detail.to_owned(), retry: false, retry_after_s: None })
    }

    fn for_now(code: RefusalCode, detail: &str) -> Self {
        Self(Refusal { code, detail: detail.to_owned(), retry: true, retry_after_s: Some(COME_BACK_S) })
    }
}

impl From<ServeError> for RefusedPeer {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Changed => Self::final_word(RefusalCode::Changed, "The file has changed since it was hashed."),
            ServeError::Unavailable(why) => Self::unavailable(&why),
            ServeError::Busy => Self::for_now(RefusalCode::Busy, &error.to_string()),
            ServeError::Service(error) => error.into(),
        }
    }
}

impl From<ServiceError> for RefusedPeer {
    fn from(error: ServiceError) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::not_found(&error.to_string()),
            ErrorKind::Unavailable => Self::unavailable(&error.to_string()),
            // The cause goes to the log, as for every other reader.
            _ => Self::unavailable(&Problem::internal(&error).detail),
        }
    }
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal.code {
        RefusalCode::Unauthorized | RefusalCode::Expired | RefusalCode::Revoked => StatusCode::UNAUTHORIZED,
        RefusalCode::NotFound => StatusCode::NOT_FOUND,
        RefusalCode::Changed => StatusCode::GONE,
        RefusalCode::Busy => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::Superseded => StatusCode::CONFLICT,
        RefusalCode::Version | RefusalCode::Protocol => StatusCode::BAD_REQUEST,
        RefusalCode::Unavailable | RefusalCode::Other => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for RefusedPeer {
    fn into_response(self) -> Response {
        let (status, wait) = (status(&self.0), self.0.retry_after_s);
        let mut response = (status, Json(RefusalBody::new(self.0))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}
