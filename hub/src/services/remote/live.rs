//! A session that agents may use, as those who serve under it see it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use shared_protocol::refusal::{Refusal, RefusalCode};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::storage::remote_sessions::{KeyDigest, SessionRow};
use crate::storage::{now_ms, timestamp};

/// What the remote listener does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Listening {
    /// Nobody follows the sessions: this program has no remote listener.
    #[default]
    Absent,
    /// Not bound: there is no session, or it began just now.
    Closed,
    /// Bound at this address.
    At(std::net::SocketAddr),
    /// It can't be bound, with what to do.
    Failed(String),
}

/// A session that agents may use; clones share it.
#[derive(Debug, Clone)]
pub struct LiveSession {
    pub(super) inner: Arc<LiveSessions>,
}

#[derive(Debug)]
pub(super) struct LiveSessions {
    row: i64,
    session: Uuid,
    pub(super) key_sha256: KeyDigest,
    created_at_ms: i64,
    pub(super) expires_at_ms: AtomicI64,
    ended: OnceLock<RefusalCode>,
    token: CancellationToken,
}

impl LiveSession {
    pub(super) fn new(row: &SessionRow) -> Self {
        Self {
            inner: Arc::new(LiveSessions {
                row: row.id,
                session: row.session,
                key_sha256: row.key_sha256,
                created_at_ms: row.created_at.as_millisecond(),
                expires_at_ms: AtomicI64::new(row.expires_at.as_millisecond()),
                ended: OnceLock::new(),
                token: CancellationToken::new(),
            }),
        }
    }

    /// Its row in the database.
    pub fn row(&self) -> i64 {
        self.inner.row
    }

    /// What agents know it by.
    pub fn session(&self) -> Uuid {
        self.inner.session
    }

    /// When it began.
    pub fn created_at(&self) -> jiff::Timestamp {
        timestamp(self.inner.created_at_ms)
    }

    /// When it ends by itself.
    pub fn expires_at(&self) -> jiff::Timestamp {
        timestamp(self.expires_at_ms())
    }

    pub(super) fn expires_at_ms(&self) -> i64 {
        self.inner.expires_at_ms.load(Ordering::Acquire)
    }

    /// Seconds that are left.
    pub fn expires_in_s(&self) -> u64 {
        u64::try_from((self.expires_at_ms() - now_ms()) / 1_000).unwrap_or(0)
    }

    /// Why it is over, if it is. Cheap enough to be asked for every piece of a stream.
    pub fn is_over(&self) -> Option<RefusalCode> {
        let by_time = || (now_ms() >= self.expires_at_ms()).then_some(RefusalCode::Expired);
        self.inner.ended.get().copied().or_else(by_time)
    }

    /// Cancelled when it is over.
    pub fn token(&self) -> &CancellationToken {
        &self.inner.token
    }

    pub(super) fn end(&self, why: RefusalCode) {
        self.inner.ended.set(why).ok();
        self.inner.token.cancel();
    }
}

/// Says that a session is over.
pub fn over(code: RefusalCode) -> Refusal {
    let detail = match code {
        RefusalCode::Expired => "The session's time is over. Start a new one on the hub's Remote page.",
        _ => "The session was ended. Start a new one on the hub's Remote page.",
    };
    Refusal { code, detail: detail.to_owned(), retry: false, retry_after_s: None }
}
