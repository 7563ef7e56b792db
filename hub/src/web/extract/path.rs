//! The values inside the path of an address.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::json::in_plain_words;
use crate::web::error::Problem;

/// The values inside the path.
#[derive(Debug)]
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(failed)) => {
                Err(Problem::malformed(words_of(&failed.into_kind())))
            }
            Err(other) => Err(Problem::new(other.status(), other.body_text())),
        }
    }
}

fn words_of(kind: &ErrorKind) -> String {
    let expected = |value: &str, kind: &str| {
        format!("\"{value}\" in the address is not understood: expected {}.", in_plain_words(kind))
    };
    match kind {
        ErrorKind::ParseErrorAtKey { value, expected_type, .. }
        | ErrorKind::ParseErrorAtIndex { value, expected_type, .. }
        | ErrorKind::ParseError { value, expected_type } => expected(value, expected_type),
        ErrorKind::DeserializeError { value, message, .. } => {
            format!("\"{value}\" in the address is not understood: {message}.")
        }
        ErrorKind::InvalidUtf8InPathParam { .. } => "The address is not UTF-8.".to_owned(),
        other => format!("The address is not understood: {other}."),
    }
}
