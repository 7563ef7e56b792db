//! What a request asks for beside its path, held against the description.
//!
//! A parameter that a route does not know, that stands there twice or says nothing, and a body where
//! none is read, would be dropped: the caller would believe that it had decided something. The
//! description is the one list of what a route reads, so a new route is guarded as soon as it is
//! described.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};

use crate::web::error::Problem;
use crate::web::extract::{decoded, judge_type};

/// Largest body that is looked at where none is read: enough for `{}`.
const MAX_IDLE_BODY: usize = 1 << 10;

/// Texts that say something when they are empty: the root's own folder, no words.
pub(super) const MAY_BE_EMPTY: &[&str] = &["folder", "path", "q"];

/// What an operation reads.
#[derive(Debug)]
struct Reads {
    query: BTreeMap<String, ValueKind>,
    body: bool,
}

/// What the value of a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Number,
    Text,
}

impl ValueKind {
    fn of(parameter: &Parameter) -> Self {
        let described = serde_json::to_value(&parameter.schema).unwrap_or_default();
        let kind = described.get("type");
        let is = |kind: &serde_json::Value| kind == "integer";
        let is_number = kind.is_some_and(|kind| is(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is)));
        if is_number { Self::Number } else { Self::Text }
    }
}

/// By path and method.
static READS: LazyLock<HashMap<String, HashMap<Method, Reads>>> = LazyLock::new(|| {
    let paths = super::description().paths.paths;
    let of = |operation: &Operation| Reads {
        query: operation
            .parameters
            .iter()
            .flatten()
            .filter_map(|parameter| match parameter {
                RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
                    Some((parameter.name.clone(), ValueKind::of(parameter)))
                }
                _ => None,
            })
            .collect(),
        body: operation.request_body.is_some(),
    };
    let methods = |item: utoipa::openapi::PathItem| {
        let all = [
            (Method::GET, item.get),
            (Method::POST, item.post),
            (Method::PUT, item.put),
            (Method::DELETE, item.delete),
        ];
        all.into_iter().filter_map(|(method, operation)| Some((method, of(&operation?)))).collect()
    };
    paths.into_iter().map(|(path, item)| (path, methods(item))).collect()
});

/// Answers 400 to what would be dropped.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let Some(reads) = reads(&request) else { return next.run(request).await };
    if let Err(problem) = judge_query(request.uri().query().unwrap_or_default(), &reads.query) {
        return problem.into_response();
    }
    if reads.body || request.body().is_end_stream() {
        return next.run(request).await;
    }
    match without_body(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn reads(request: &Request) -> Option<&'static Reads> {
    let path = request.extensions().get::<MatchedPath>()?;
    // Whoever answers GET answers HEAD.
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    READS.get(path.as_str())?.get(method)
}

fn judge_query(query: &str, known: &BTreeMap<String, ValueKind>) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for (name, value) in decoded(query)? {
        let Some(kind) = known.get(&name) else {
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Problem::malformed(format!("\"{name}\" is no parameter here; there are: {takes}.")));
        };
        // What the database holds.
        if *kind == ValueKind::Number && value.parse::<u64>().is_ok_and(|value| i64::try_from(value).is_err()) {
            return Err(Problem::malformed(format!("\"{name}\" is at most {}.", i64::MAX)));
        }
        if value.trim().is_empty() && !MAY_BE_EMPTY.contains(&name.as_str()) {
            return Err(Problem::malformed(format!("\"{name}\" is empty: give it a value or leave it out.")));
        }
        if !seen.insert(name.clone()) {
            return Err(Problem::malformed(format!("\"{name}\" stands there twice.")));
        }
    }
    Ok(())
}

/// The request, if its body decides nothing: some clients send `{}` with every POST.
async fn without_body(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let dropped = || Problem::malformed("This reads no body: what it says would be dropped. Send none.");
    let bytes = to_bytes(body, MAX_IDLE_BODY).await.map_err(|_| dropped())?;
    if !bytes.is_empty() {
        judge_type(&parts.headers)?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| dropped())?;
        if value.as_object().is_none_or(|members| !members.is_empty()) {
            return Err(dropped());
        }
    }
    Ok(Request::from_parts(parts, Body::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_known_and_says_something_once() {
        let known = BTreeMap::from([("limit".to_owned(), ValueKind::Number), ("q".to_owned(), ValueKind::Text)]);
        for right in ["", "limit=1", "q=a%20b&limit=1", "q=%25", "q=%", "q=", "q=%20&limit=1", "q=9223372036854775808"]
        {
            assert!(judge_query(right, &known).is_ok(), "{right}");
        }
        for wrong in [
            "limit=",
            "limit",
            "limit=%20",
            "limit=1&limit=1",
            "lim=1",
            "=1",
            "q=%FF",
            "Q=a",
            "q=a&q=b",
            "limit=9223372036854775808",
        ] {
            assert!(judge_query(wrong, &known).is_err(), "{wrong}");
        }
    }
}
