//! A connection of the remote listener: one of not too many, and cut when nothing moves.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at once. A tunnel brings one per request, an agent keeps a few.
const MAX_CONNECTIONS: usize = 256;

/// A connection on which no byte went either way for so long is dead: agents ping more often, and no
/// poll is held as long.
const IDLE: Duration = Duration::from_secs(90);

/// Takes so many connections; further ones are closed at once.
#[derive(Debug, Clone)]
pub(super) struct Limited {
    places: Arc<Semaphore>,
}

impl Limited {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }
}

impl<S> Accept<TcpStream, S> for Limited {
    type Stream = Watched<TcpStream>;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| io::Error::other("too many connections at once"));
        std::future::ready(place.and_then(|place| {
            stream.set_nodelay(true)?;
            Ok((Watched::new(stream, IDLE, Some(place)), service))
        }))
    }
}

/// A stream that fails when nothing has moved for a time.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    idle: Duration,
    moved: Instant,
    alarm: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<T> Watched<T> {
    fn new(stream: T, idle: Duration, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, idle, moved: Instant::now(), alarm: Box::pin(tokio::time::sleep(idle)), _place: place }
    }

    /// Notes that something moved, or fails if nothing has for too long.
    fn judge<V>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<V>>) -> Poll<io::Result<V>> {
        if polled.is_ready() {
            self.moved = Instant::now();
            return polled;
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let end = self.moved + self.idle;
            if Instant::now() >= end {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing moved on the connection")));
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.judge(cx, polled)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_fails_both_ways() {
        let idle = Duration::from_millis(20);
        let (ours, theirs) = tokio::io::duplex(4);
        let mut watched = Watched::new(ours, idle, None);
        let error = watched.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (ours, _theirs) = tokio::io::duplex(4);
        let mut watched = Watched::new(ours, idle, None);
        let error = watched.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn what_moves_is_left_alone() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut watched = Watched::new(ours, IDLE, None);
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(watched.read_u8().await.unwrap(), b'x');
        watched.write_all(b"y").await.unwrap();
        assert_eq!(theirs.read_u8().await.unwrap(), b'y');
    }
}
