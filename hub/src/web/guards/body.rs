//! Bodies that do not come, or never end.
//!
//! A body is held in memory until it is whole. So each has to move on and to end within a time, and all
//! of them together may hold so much and no more.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::{DeadlineBody, TimeoutBody};

use crate::web::error::Problem;
use crate::web::limits::{MAX_BODY_BYTES, TooMuch};
use crate::web::state::WebState;

/// Between two pieces of a body.
const IDLE: Duration = Duration::from_secs(20);

/// For a whole body: it comes from this very computer.
const WHOLE: Duration = Duration::from_mins(2);

/// Puts a time and a share of the room around the body of a request.
pub async fn bound(State(state): State<WebState>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if told.is_some_and(|bytes: u64| bytes > MAX_BODY_BYTES as u64) {
        let text = format!("The body is too large: at most {} MiB.", MAX_BODY_BYTES >> 20);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = Body::new(TimeoutBody::new(IDLE, DeadlineBody::new(WHOLE, body)));
    next.run(Request::from_parts(parts, within(body, state.unfinished))).await
}

/// The body, which takes its bytes from `room` until it is whole or dropped.
fn within(body: Body, room: Arc<Semaphore>) -> Body {
    let mut held: Option<OwnedSemaphorePermit> = None;
    let pieces = body.into_data_stream().map(move |piece| {
        let piece: Bytes = piece?;
        let taken = u32::try_from(piece.len()).ok().and_then(|n| room.clone().try_acquire_many_owned(n).ok());
        let taken = taken.ok_or_else(|| axum::Error::new(TooMuch))?;
        match &mut held {
            Some(held) => held.merge(taken),
            None => held = Some(taken),
        }
        Ok::<_, axum::Error>(piece)
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn unfinished_bodies_share_the_room() {
        let room = Arc::new(Semaphore::new(10));
        let endless = futures_util::stream::iter([Ok::<_, axum::Error>(Bytes::from_static(b"12345678"))])
            .chain(futures_util::stream::pending());
        let mut first = within(Body::from_stream(endless), room.clone()).into_data_stream();
        assert_eq!(first.next().await.unwrap().unwrap().len(), 8);
        let second = within(Body::from("1234"), room.clone());
        assert!(to_bytes(second, 100).await.is_err(), "8 of 10 are held");
        drop(first);
        assert_eq!(to_bytes(within(Body::from("1234"), room.clone()), 100).await.unwrap().len(), 4);
        assert_eq!(room.available_permits(), 10, "what is whole holds nothing");
    }
}
