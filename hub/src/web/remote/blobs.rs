//! A content that an open job of the session names, whole or in part, and its group values.
//!
//! The answer's length is always said beforehand. What can't be sent to the end (the file changes, the
//! session ends) breaks the connection, so that nobody takes a part for the whole.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use shared_protocol::Blake3;
use shared_protocol::refusal::RefusalCode;

use super::conditions::{self, ConditionVerdict};
use super::range::{self, WantedRange};
use super::{RefusedPeer, RemoteState};
use crate::services::remote::LiveSession;
use crate::services::serving::{ContentPlace, Cut, Pieces};

/// For this agent alone, and byte for byte.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store, no-transform");

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Sends a content.
pub(super) async fn content(
    State(state): State<RemoteState>,
    Extension(session): Extension<LiveSession>,
    Path(digits): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, RefusedPeer> {
    let place = place(&state, &digits).await?;
    let tag = conditions::tag(&place.hash);
    let opened = state.services.serving.open(place).await?;
    let size_bytes = opened.size_bytes;
    let verdict = conditions::judge(&headers, &tag);
    let wanted = match verdict {
        ConditionVerdict::Failed => {
            let refused = RefusedPeer::final_word(RefusalCode::Changed, "This is not the content that was meant.");
            return Ok((StatusCode::PRECONDITION_FAILED, refused.into_response().into_body()).into_response());
        }
        ConditionVerdict::NotModified => {
            return Ok((StatusCode::NOT_MODIFIED, described(&tag)).into_response());
        }
        // A range is defined for GET only.
        ConditionVerdict::Answer if method == Method::GET => range::wanted(&headers, size_bytes),
        ConditionVerdict::Answer | ConditionVerdict::AnswerWhole => WantedRange::Whole,
    };
    let mut described = described(&tag);
    let (status, part) = match wanted {
        WantedRange::Whole => (StatusCode::OK, 0..size_bytes),
        WantedRange::Part(part) => {
            described.insert(header::CONTENT_RANGE, range::content_range(&part, size_bytes));
            (StatusCode::PARTIAL_CONTENT, part)
        }
        WantedRange::Nothing => {
            described.insert(header::CONTENT_RANGE, range::no_range(size_bytes));
            described.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, described).into_response());
        }
    };
    described.insert(header::CONTENT_TYPE, BYTES);
    described.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if method == Method::HEAD || part.is_empty() {
        return Ok((status, described, Body::empty()).into_response());
    }
    let pieces = state.services.serving.send(opened, part, session).await?;
    let body = Body::from_stream(stream::try_unfold(pieces, next_piece));
    Ok((status, described, body).into_response())
}

/// Sends a content's group values, whole or in part: on a slow line a long list breaks off.
pub(super) async fn groups(
    State(state): State<RemoteState>,
    Path(digits): Path<String>,
    headers: HeaderMap,
) -> Result<Response, RefusedPeer> {
    let place = place(&state, &digits).await?;
    let Some(groups) = state.services.serving.groups(place.hash).await? else {
        return Err(RefusedPeer::not_found("No group values are known of this content."));
    };
    let all = Bytes::from(groups.to_bytes());
    let n_bytes = all.len() as u64;
    let mut described = HeaderMap::from_iter([
        (header::CONTENT_TYPE, BYTES),
        (header::CACHE_CONTROL, PRIVATE),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ]);
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(all.len());
    let (status, part) = match range::wanted(&headers, n_bytes) {
        WantedRange::Whole => (StatusCode::OK, all),
        WantedRange::Part(part) => {
            described.insert(header::CONTENT_RANGE, range::content_range(&part, n_bytes));
            (StatusCode::PARTIAL_CONTENT, all.slice(place(part.start)..place(part.end)))
        }
        WantedRange::Nothing => {
            described.insert(header::CONTENT_RANGE, range::no_range(n_bytes));
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new())
        }
    };
    Ok((status, described, part).into_response())
}

/// Where the content lies, if it is for this session.
async fn place(state: &RemoteState, digits: &str) -> Result<ContentPlace, RefusedPeer> {
    let unknown = || RefusedPeer::not_found("No open job of this session names such a content.");
    let hash: Blake3 = format!("blake3:{digits}").parse().map_err(|_| unknown())?;
    let found = state.services.remote.may_serve(&hash).await?.ok_or_else(unknown)?;
    Ok(ContentPlace { root: found.root, path: found.path, hash: found.hash })
}

/// What every answer about a content says of it.
fn described(tag: &HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([
        (header::ETAG, tag.clone()),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CACHE_CONTROL, PRIVATE),
    ])
}

async fn next_piece(mut pieces: Pieces) -> Result<Option<(Bytes, Pieces)>, Cut> {
    let piece = pieces.next().await;
    if let Err(cut) = &piece {
        tracing::info!(%cut, "an upload broke off");
    }
    Ok(piece?.map(|piece| (piece, pieces)))
}
