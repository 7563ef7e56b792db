//! Bodies, queries and forms that axum could not read, as problems.
//!
//! A body of the right syntax and the wrong shape is 400 here, not axum's 422: 422 is kept for
//! requests that are well-formed and still impossible.

use axum::extract::rejection::{BytesRejection, FormRejection, QueryRejection};
use axum::http::StatusCode;
use tower_http::timeout::TimeoutError;

use super::Problem;

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::unread_body(&rejection, rejection.status(), &rejection.body_text())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        read_problem(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let text = rejection.body_text();
        let what = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        read_problem(rejection.status(), format!("What stands behind the \"?\" can't be read: {what}."))
    }
}

impl Problem {
    /// A body that did not come whole.
    pub(in crate::web) fn unread_body(
        error: &(dyn std::error::Error + 'static),
        status: StatusCode,
        text: &str,
    ) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<TimeoutError>() {
                return Self::new(StatusCode::REQUEST_TIMEOUT, "The rest of the body did not come in time.");
            }
            if error.is::<crate::web::limits::TooMuch>() {
                let text = "Too much of unfinished requests is held already. Try again in a moment.";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, text);
            }
            cause = error.source();
        }
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                status,
                format!("The body is too large: at most {} MiB.", crate::web::limits::MAX_BODY_BYTES >> 20),
            ),
            _ => read_problem(status, text.to_owned()),
        }
    }
}

fn read_problem(status: StatusCode, detail: String) -> Problem {
    let status = if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status };
    Problem::new(status, detail)
}
