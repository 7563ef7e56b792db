//! How fast all downloads together may go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::rate_limiter::RateLimiter;

/// A limit per second that may change at any time; clones share it, and take turns.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Paced>);

#[derive(Debug, Default)]
struct Paced {
    limiter: RateLimiter,
    /// 0 for none.
    limit: AtomicU64,
}

impl Pace {
    /// So many bytes per second from now on; as fast as it goes without.
    pub fn set(&self, limit: Option<u64>) {
        self.0.limit.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// Waits until as many bytes may come again.
    pub(super) async fn wait(&self, bytes: u64) {
        let limit = Some(self.0.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0);
        self.0.limiter.wait(bytes, limit).await;
    }
}
