//! Bodies: JSON that says so, read to the letter. What was sent and can't be read is never dropped.

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::json;
use crate::web::error::Problem;

/// A body of JSON. As an `Option` it may be missing, where everything in it has a default.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match read(request, state).await? {
            Ok(value) => Ok(Self(value)),
            Err(headers) => {
                judge_type(&headers)?;
                Err(Problem::malformed("This needs a body of JSON, and none was sent."))
            }
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        Ok(read(request, state).await?.ok().map(Self))
    }
}

/// The value, or the headers where there is no body.
async fn read<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Result<T, HeaderMap>, Problem> {
    let headers = request.headers().clone();
    let bytes = Bytes::from_request(request, state).await?;
    if bytes.is_empty() {
        return Ok(Err(headers));
    }
    judge_type(&headers)?;
    let wrong = |wrong| Problem::malformed(format!("The body can't be read: {wrong}."));
    json::read(&bytes).map(Ok).map_err(wrong)
}

/// Exactly one `Content-Type`, of JSON, in the one character set that JSON has.
pub(in crate::web) fn judge_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |text: &str| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    if !is_json(headers) {
        return refused("A body has to be JSON and to say so: Content-Type: application/json.");
    }
    match headers.get(header::CONTENT_ENCODING).map(axum::http::HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => refused("A body has to be sent as it is, without a Content-Encoding."),
    }
}

/// Whether a body says that it is JSON. No form of another site can say so.
pub(in crate::web) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = one.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use axum::body::Body as RawBody;
    use rstest::rstest;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        n: u32,
    }

    async fn ask(types: &[&str], body: &'static [u8]) -> (Result<u32, u16>, Result<Option<u32>, u16>) {
        let request = || {
            let mut request = Request::builder();
            for one in types {
                request = request.header("content-type", *one);
            }
            request.body(RawBody::from(body)).unwrap()
        };
        let needed = <Body<Asked> as FromRequest<()>>::from_request(request(), &()).await;
        let optional = <Body<Asked> as OptionalFromRequest<()>>::from_request(request(), &()).await;
        let status = |problem: Problem| problem.status.as_u16();
        (
            needed.map(|Body(asked)| asked.n).map_err(status),
            optional.map(|body| body.map(|Body(asked)| asked.n)).map_err(status),
        )
    }

    #[rstest]
    #[case(&["application/json"], br#"{"n": 1}"#, Ok(1), Ok(Some(1)))]
    #[case(&["Application/JSON; Charset=\"UTF-8\""], br#"{"n": 1}"#, Ok(1), Ok(Some(1)))]
    #[case(&[], br#"{"n": 1}"#, Err(415), Err(415))]
    #[case(&["text/plain"], br#"{"n": 1}"#, Err(415), Err(415))]
    #[case(&["application/x-www-form-urlencoded"], br#"{"n": 1}"#, Err(415), Err(415))]
    #[case(&["application/jsonp"], br#"{"n": 1}"#, Err(415), Err(415))]
    #[case(&["application/json; charset=utf-16"], br#"{"n": 1}"#, Err(415), Err(415))]
    #[case(&["application/json", "text/plain"], br#"{"n": 1}"#, Err(415), Err(415))]
    #[case(&["application/json"], b"", Err(400), Ok(None))]
    #[case(&[], b"", Err(415), Ok(None))]
    #[case(&["application/json"], b" ", Err(400), Err(400))]
    #[case(&["application/json"], b"null", Err(400), Err(400))]
    #[case(&["application/json"], b"[1]", Err(400), Err(400))]
    #[case(&["application/json"], b"\xef\xbb\xbf{\"n\": 1}", Err(400), Err(400))]
    #[tokio::test]
    async fn a_body_is_read_or_refused(
        #[case] types: &[&str],
        #[case] body: &'static [u8],
        #[case] needed: Result<u32, u16>,
        #[case] optional: Result<Option<u32>, u16>,
    ) {
        assert_eq!(ask(types, body).await, (needed, optional));
    }
}
