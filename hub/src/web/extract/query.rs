//! The values behind the `?`.

use std::fmt::Display;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer};
use serde::{Deserialize, Deserializer};
use shared_protocol::RelPath;

use crate::domain::typed_path::TypedFolder;
use crate::web::error::Problem;

/// The values behind the `?`. Which of them a route of the API takes, and that each stands there once
/// and says something, is looked after by `web::api`.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        decoded(parts.uri.query().unwrap_or_default())?;
        let Query(value) = Query::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The names and values of a query or a form; what is not UTF-8 is refused, where others would put a
/// mark in its place and ask for something else.
pub(in crate::web) fn decoded(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let part = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8().map(std::borrow::Cow::into_owned);
        decoded.map_err(|_| Problem::malformed(format!("\"{text}\" is not UTF-8.")))
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((part(name)?, part(value)?))
        })
        .collect()
}

/// Most letters of a search: no path is longer.
pub const MAX_SEARCH: usize = 1_000;

/// Reads the words of a search; as [`optional`], and not longer than anything that could be found.
pub fn search<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.trim().is_empty());
    match text {
        Some(text) if text.chars().count() > MAX_SEARCH => {
            Err(D::Error::custom(format!("a search has at most {MAX_SEARCH} letters")))
        }
        text => Ok(text),
    }
}

/// Most letters of a word that is one of a few.
const MAX_WORD: usize = 100;

/// Reads a word that is one of a few, of which not all are known here; as [`optional`].
pub fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match optional::<D, String>(deserializer)? {
        Some(text) if text.chars().count() > MAX_WORD => {
            Err(D::Error::custom(format!("such a word has at most {MAX_WORD} letters")))
        }
        text => Ok(text),
    }
}

/// Reads a folder as people type it, which may be missing or empty.
pub fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RelPath>, D::Error> {
    let typed = Option::<TypedFolder>::deserialize(deserializer)?;
    Ok(typed.and_then(|folder| folder.readings(None).into_iter().next()).flatten())
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
        Some(text) if text.starts_with('+') => Err(D::Error::custom(format!("\"{text}\": leave the sign out"))),
        Some(text) if !text.trim().is_empty() => {
            text.parse().map(Some).map_err(|error| D::Error::custom(format!("\"{text}\": {error}")))
        }
        _ => Ok(None),
    }
}
