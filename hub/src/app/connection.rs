//! A connection of a listener: one of not too many, and cut when nothing moves or another one needs its place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower::Layer as _;

use super::places::{Place, Places};
use crate::web::remote::Acquaintance;

/// Takes so many connections; further ones are closed at once, or put out a stranger.
#[derive(Debug, Clone)]
pub(super) struct Limited {
    places: Places,
    idle: Duration,
    http1_only: bool,
}

impl Limited {
    /// At most so many at once, each cut when no byte went either way for so long.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self { places: Places::new(most), idle, http1_only: false }
    }

    /// At most so many of them for those who have shown no key: the oldest goes when another comes.
    pub(super) fn for_strangers(self, most: usize) -> Self {
        Self { places: self.places.for_strangers(most), ..self }
    }

    /// A connection that begins in HTTP/2 is closed: the server's own switch for it forgets upgrades.
    pub(super) fn http1_only(self) -> Self {
        Self { http1_only: true, ..self }
    }
}

impl<S> Accept<TcpStream, S> for Limited {
    type Stream = Watched<TcpStream>;
    type Service = AddExtension<S, Acquaintance>;
    type Future = std::future::Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (idle, opening) = (self.idle, self.http1_only.then_some(0));
        let place = self.places.take_place().ok_or_else(|| io::Error::other("too many connections at once"));
        std::future::ready(place.and_then(|place| {
            stream.set_nodelay(true)?;
            let service = Extension(place.acquaintance.clone()).layer(service);
            Ok((Watched { opening, ..Watched::new(stream, idle, Some(place)) }, service))
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
    /// Bytes of [`HTTP2`] that came, while it may still be one.
    opening: Option<usize>,
    /// Done when another one gets the place.
    put_out: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    is_out: bool,
    _place: Option<Place>,
}

/// How HTTP/2 begins, and no request of HTTP/1.1.
const HTTP2: &[u8] = b"PRI ";

impl<T> Watched<T> {
    fn new(stream: T, idle: Duration, place: Option<Place>) -> Self {
        Self {
            stream,
            idle,
            moved: Instant::now(),
            alarm: Box::pin(tokio::time::sleep(idle)),
            opening: None,
            put_out: place.as_ref().map(|place| Box::pin(place.put_out.clone().cancelled_owned())),
            is_out: false,
            _place: place,
        }
    }

    /// Fails where the first bytes are those of HTTP/2.
    fn judge_opening(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            let Some(n) = self.opening else { return Ok(()) };
            self.opening = HTTP2.get(n).filter(|expected| *expected == byte).map(|_| n + 1);
            if self.opening == Some(HTTP2.len()) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP/2 is not spoken here"));
            }
        }
        Ok(())
    }

    /// Notes that something moved, or fails if nothing has for too long or the place is another's.
    fn judge_polled<V>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<V>>) -> Poll<io::Result<V>> {
        if self.put_out.as_mut().is_some_and(|put_out| put_out.as_mut().poll(cx).is_ready()) {
            self.put_out = None;
            self.is_out = true;
        }
        if self.is_out {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "another one needs the place")));
        }
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
        let before = buffer.filled().len();
        let mut polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready()
            && let Err(error) = self.judge_opening(buffer.filled().get(before..).unwrap_or_default())
        {
            polled = Poll::Ready(Err(error));
        }
        self.judge_polled(cx, polled)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge_polled(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge_polled(cx, polled)
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
        let mut watched = Watched::new(ours, Duration::from_secs(90), None);
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(watched.read_u8().await.unwrap(), b'x');
        watched.write_all(b"y").await.unwrap();
        assert_eq!(theirs.read_u8().await.unwrap(), b'y');
    }
}
