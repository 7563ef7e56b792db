//! One content on its way out: the piece that is sent, and the next one being read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use shared_io::rate_limiter::piece_bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::meter::Counted;
use super::{ContentPlace, OpenedContent, ServeError, Serving};
use crate::fs::rename::TouchError;
use crate::fs::served::ServedFile;
use crate::services::Event;
use crate::services::remote::LiveSession;

/// Buffers kept for later streams.
const KEPT_BUFFERS: usize = 16;

/// Why a stream broke off.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The session is over.
    #[error("the session is over")]
    Over,
    /// The file has changed.
    #[error("the file has changed while it was sent")]
    Changed,
    /// The file can't be read.
    #[error("{0}")]
    Read(TouchError),
    /// The hub ends.
    #[error("the hub is shutting down")]
    ShuttingDown,
}

/// The pieces of one answer.
pub struct Pieces {
    serving: Serving,
    place: ContentPlace,
    /// Where the read after the one under way begins.
    next: u64,
    end: u64,
    reading: Option<JoinHandle<Result<(ServedFile, Bytes), TouchError>>>,
    session: LiveSession,
    counted: Counted,
    _place: OwnedSemaphorePermit,
}

impl Serving {
    /// Begins to send a part of a content; it breaks off when the session is over.
    pub async fn send(
        &self,
        opened: OpenedContent,
        part: Range<u64>,
        session: LiveSession,
    ) -> Result<Pieces, ServeError> {
        let Ok(place) = self.inner.streams.clone().try_acquire_owned() else { return Err(ServeError::Busy) };
        let counted = self.inner.meter.begin(opened.place.hash);
        let mut pieces = Pieces {
            serving: self.clone(),
            place: opened.place,
            next: part.start,
            end: part.end,
            reading: None,
            session,
            counted,
            _place: place,
        };
        pieces.read_ahead(opened.file).await;
        self.inner.events.progress(Event::UplinkChanged);
        Ok(pieces)
    }
}

impl Pieces {
    /// The next piece; none after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        let Some(reading) = self.reading.take() else { return Ok(None) };
        // Time runs out on the wall clock, which the token follows with a delay.
        if self.session.is_over().is_some() {
            return Err(Cut::Over);
        }
        let over = self.session.token().clone();
        let read = tokio::select! {
            biased;
            () = over.cancelled() => return Err(Cut::Over),
            read = reading => read,
        };
        let (file, piece) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(self.failed(error)),
            Err(_) => return Err(Cut::ShuttingDown),
        };
        let bytes = piece.len() as u64;
        let limit = self.serving.inner.settings.current().remote.upload_limit;
        let inner = self.serving.inner.clone();
        tokio::select! {
            biased;
            () = over.cancelled() => return Err(Cut::Over),
            () = async {
                self.read_ahead(file).await;
                inner.rate_limiter.wait(bytes, limit).await;
            } => {}
        }
        self.counted.add(bytes);
        self.serving.inner.events.progress(Event::UplinkChanged);
        Ok(Some(piece))
    }

    /// Begins to read the piece after the one at hand, if there is one.
    async fn read_ahead(&mut self, mut file: ServedFile) {
        let inner = &self.serving.inner;
        let bytes = piece_bytes(inner.settings.current().remote.upload_limit).min(self.end - self.next);
        let Some(len) = usize::try_from(bytes).ok().filter(|len| *len > 0) else { return };
        let (offset, pool) = (self.next, inner.pool.clone());
        let Ok(permit) = inner.reads.get(self.place.root).clone().acquire_owned().await else { return };
        self.next += bytes;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let _permit = permit;
            file = file.reopen_where_it_locks()?;
            let mut buffer = pool.take_buffer();
            file.read_at(offset, buffer.room(len))?;
            Ok((file, Bytes::from_owner(buffer)))
        }));
    }

    fn failed(&self, error: TouchError) -> Cut {
        match error {
            TouchError::Changed => {
                let (serving, place) = (self.serving.clone(), self.place.clone());
                self.serving.inner.tasks.spawn(async move { serving.forget(&place).await });
                Cut::Changed
            }
            error @ TouchError::Fs(_) => {
                self.serving.inner.roots.look_again();
                Cut::Read(error)
            }
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.serving.inner.events.send(Event::UplinkChanged);
    }
}

/// Buffers that go round among all streams.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A buffer on loan.
struct Lent {
    buffer: Vec<u8>,
    len: usize,
    pool: Pool,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { free: Arc::default() }
    }

    fn take_buffer(&self) -> Lent {
        let buffer = self.free.lock().pop().unwrap_or_default();
        Lent { buffer, len: 0, pool: self.clone() }
    }
}

impl Lent {
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        self.len = len;
        self.buffer.get_mut(..len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock();
        if free.len() < KEPT_BUFFERS {
            free.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_home_when_the_last_bytes_of_them_are_sent() {
        let pool = Pool::new();
        let mut lent = pool.take_buffer();
        lent.room(4).copy_from_slice(b"0123");
        let bytes = Bytes::from_owner(lent);
        let rest = bytes.slice(2..);
        drop(bytes);
        assert!(pool.free.lock().is_empty());
        assert_eq!(&rest[..], b"23");
        drop(rest);
        assert_eq!(pool.free.lock().len(), 1);
    }
}
