//! What services could not do, as problems: the one place where a kind of "no" becomes a status.

use axum::http::StatusCode;

use super::{Problem, ValueProblem};
use crate::config;
use crate::services::{ErrorKind, ServiceError, SettingsError};
use crate::storage::StorageError;
use crate::storage::views::page::LimitError;

/// Values told one by one.
const MOST_TOLD: usize = 1_000;

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let status = match error.kind() {
            ErrorKind::Malformed => StatusCode::BAD_REQUEST,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Impossible => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => return internal(&error),
        };
        let mut problem = Self::new(status, sentence(&error.to_string()));
        if let ServiceError::NothingThere { why, named } = error {
            let told = |value: String| ValueProblem { key: "named".into(), value: Some(value), message: why.clone() };
            problem.problems = named.into_iter().take(MOST_TOLD).map(told).collect();
        }
        problem
    }
}

impl From<LimitError> for Problem {
    fn from(error: LimitError) -> Self {
        Self::malformed(error.to_string())
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        ServiceError::Storage(error).into()
    }
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Wrong(problems) => {
                let mut problem = Self::impossible("Nothing was saved: some values are not as expected.");
                problem.problems = problems.into_iter().map(ValueProblem::from).collect();
                problem
            }
            SettingsError::File(cause) => {
                let mut problem = Self::internal(&cause);
                problem.detail = format!("config.toml can't be written: {cause}");
                problem
            }
        }
    }
}

impl From<config::ConfigProblem> for ValueProblem {
    fn from(problem: config::ConfigProblem) -> Self {
        Self { key: problem.key, value: Some(problem.value), message: format!("expected {}", problem.expected) }
    }
}

/// Most internal causes help no reader; a full disk does.
fn internal(error: &ServiceError) -> Problem {
    let mut problem = Problem::internal(error);
    if matches!(error, ServiceError::Storage(cause) if cause.is_disk_full()) {
        problem.detail = "The disk that holds the hub's database is full. Free some space there.".into();
    }
    problem
}

/// Errors and reasons are phrases; a reader gets a sentence.
pub(in crate::web) fn sentence(phrase: &str) -> String {
    let mut characters = phrase.chars();
    let first: String = characters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if phrase.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::root::Root;

    #[test]
    fn each_kind_of_no_has_its_status() {
        for (error, status) in [
            (ServiceError::said(ErrorKind::Malformed, "x"), 400),
            (ServiceError::DeleteForbidden(Root::Lake), 403),
            (ServiceError::not_found("scan"), 404),
            (ServiceError::said(ErrorKind::Conflict, "x"), 409),
            (ServiceError::NotConfigured(Root::Local), 422),
            (ServiceError::Offline { root: Root::Lake, why: "it is off".into() }, 503),
            (ServiceError::Storage(StorageError::MalformedCursor), 400),
            (ServiceError::Storage(StorageError::Cursor), 404),
            (ServiceError::Storage(StorageError::Closed), 500),
        ] {
            assert_eq!(Problem::from(error).status.as_u16(), status);
        }
    }

    #[test]
    fn the_reader_gets_a_sentence_with_what_to_do() {
        let problem = Problem::from(ServiceError::DeleteForbidden(Root::Lake));
        assert_eq!(problem.detail, "Nothing may be deleted in Lake: set LAKE_ALLOW_DELETE to true to allow it.");
    }

    #[test]
    fn an_internal_cause_stays_inside() {
        let cause = StorageError::Damaged { what: "a row", detail: "secret".into() };
        assert!(!Problem::from(cause).detail.contains("secret"));
    }
}
