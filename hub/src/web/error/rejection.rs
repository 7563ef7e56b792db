//! Bodies, queries and path parts that axum could not read, as problems.
//!
//! A body of the right syntax and the wrong shape is 400 here, not axum's 422: 422 is kept for
//! requests that are well-formed and still impossible.

use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;

use super::Problem;

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        read_problem(rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        read_problem(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        read_problem(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        match rejection {
            // `/api/scans/abc` names no scan.
            PathRejection::FailedToDeserializePathParams(_) => {
                Self::not_found(format!("Nothing has this address: {}", rejection.body_text()))
            }
            _ => read_problem(rejection.status(), rejection.body_text()),
        }
    }
}

fn read_problem(status: StatusCode, detail: String) -> Problem {
    let status = if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status };
    Problem::new(status, detail)
}
