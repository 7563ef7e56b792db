//! What handlers take from a request. These differ from axum's own in what they answer when a
//! request can't be read: a problem document.

use std::fmt::Display;

use axum::Json;
use axum::extract::{Form, FromRequest, FromRequestParts, OptionalFromRequest, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer};
use serde::{Deserialize, Deserializer};

use super::error::Problem;

/// A body of JSON.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(value) = <Json<T> as FromRequest<S>>::from_request(request, state).await?;
        Ok(Self(value))
    }
}

/// No body at all is allowed where everything in it has a default.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let found = <Json<T> as OptionalFromRequest<S>>::from_request(request, state).await?;
        Ok(found.map(|Json(value)| Self(value)))
    }
}

/// The fields of a form of our pages.
#[derive(Debug)]
pub struct FormBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FormBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Form(value) = Form::from_request(request, state).await?;
        Ok(Self(value))
    }
}

/// The values behind the `?`.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The values inside the path.
#[derive(Debug)]
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// Reads a value of a query that may be missing or empty: forms send a field that was left empty.
pub fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if !text.trim().is_empty() => T::deserialize(text.into_deserializer()).map(Some),
        _ => Ok(None),
    }
}

/// The same for what is parsed from a text, such as numbers.
pub fn optional_parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: Display>,
{
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if !text.trim().is_empty() => {
            text.trim().parse().map(Some).map_err(|error| D::Error::custom(format!("\"{text}\": {error}")))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use axum::http::{StatusCode, Uri};
    use shared_protocol::RelPath;

    use super::*;
    use crate::domain::diff::DiffStatus;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Asked {
        #[serde(deserialize_with = "optional")]
        folder: Option<RelPath>,
        #[serde(deserialize_with = "optional")]
        status: Option<DiffStatus>,
        #[serde(deserialize_with = "optional_parsed")]
        limit: Option<u32>,
    }

    fn ask(query: &str) -> Result<Asked, Problem> {
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        Ok(Query::try_from_uri(&uri).map(|Query(asked)| asked)?)
    }

    #[test]
    fn what_is_left_empty_is_not_asked_for() {
        assert_eq!(ask("folder=&status=&limit=").unwrap(), Asked::default());
        assert_eq!(ask("").unwrap(), Asked::default());
        let asked = ask("folder=loras%2Fsd%20xl&status=lake_only&limit=7").unwrap();
        assert_eq!(asked.folder.unwrap().as_str(), "loras/sd xl");
        assert_eq!((asked.status, asked.limit), (Some(DiffStatus::LakeOnly), Some(7)));
    }

    #[test]
    fn what_is_wrong_is_malformed() {
        for query in ["folder=..%2Fetc", "folder=C%3A%5Cx", "status=none", "limit=-1", "limit=many", "folder=%00"] {
            assert_eq!(ask(query).unwrap_err().status, StatusCode::BAD_REQUEST, "{query}");
        }
    }
}
