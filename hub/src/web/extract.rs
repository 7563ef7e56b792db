//! What handlers take from a request: one extractor for bodies, one for queries, one for paths, one for
//! forms. They read to the letter, and answer with a problem document in plain words what they can't.

mod body;
mod form;
mod json;
mod list;
mod path;
mod query;

pub use body::Body;
pub use form::{FormBody, values_of};
pub use list::{distinct, distinct_if_any};
pub use path::InPath;
pub use query::{Params, folder, optional, optional_parsed, search, word};

pub(super) use body::{is_json, judge_type};
pub(super) use query::decoded;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use axum::extract::FromRequestParts;
    use axum::http::{Request, StatusCode};
    use serde::Deserialize;
    use shared_protocol::RelPath;

    use super::*;
    use crate::domain::diff::DiffStatus;
    use crate::web::error::Problem;

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

    async fn ask(query: &str) -> Result<Asked, Problem> {
        let (mut parts, ()) = Request::builder().uri(format!("/x?{query}")).body(()).unwrap().into_parts();
        Params::from_request_parts(&mut parts, &()).await.map(|Params(asked)| asked)
    }

    #[tokio::test]
    async fn what_is_left_empty_is_not_asked_for() {
        assert_eq!(ask("folder=&status=&limit=").await.unwrap(), Asked::default());
        assert_eq!(ask("").await.unwrap(), Asked::default());
        let asked = ask("folder=loras%2Fsd%20xl&status=lake_only&limit=7").await.unwrap();
        assert_eq!(asked.folder.unwrap().as_str(), "loras/sd xl");
        assert_eq!((asked.status, asked.limit), (Some(DiffStatus::LakeOnly), Some(7)));
    }

    #[tokio::test]
    async fn what_is_wrong_is_malformed() {
        for query in [
            "folder=..%2Fetc",
            "folder=C%3A%5Cx",
            "status=none",
            "limit=-1",
            "limit=many",
            "folder=%00",
            "limit=%2B7",
            "limit=%207",
            "folder=%FF",
            "status=a&status=b",
            "limit=1&limit=1",
        ] {
            assert_eq!(ask(query).await.unwrap_err().status, StatusCode::BAD_REQUEST, "{query}");
        }
    }
}
