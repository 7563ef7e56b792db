//! Everything that runs in the background, so that the end of the program can wait for it.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fs::CancelFlag;

/// The tasks of one hub and the token that ends them; clones share both.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    token: CancellationToken,
}

/// Raises a flag when dropped.
#[derive(Debug)]
pub struct StopGuard {
    flag: CancelFlag,
    _done: tokio_util::sync::DropGuard,
}

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.flag.cancel();
    }
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the program ends.
    pub const fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// For tasks that others spawn, such as sockets.
    pub const fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Runs a task that the end of the program waits for. It must watch [`Tasks::token`].
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Runs blocking work on a thread of its own and waits for it; a panic goes on here.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self.tracker.spawn_blocking(work).await {
            Ok(result) => Some(result),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    /// Raises `flag` when the program ends, or when nobody waits for the work any more; blocking work
    /// looks at flags.
    pub fn cancel_at_shutdown(&self, flag: CancelFlag) -> StopGuard {
        let (token, done) = (self.token.clone(), CancellationToken::new());
        let guard = StopGuard { flag: flag.clone(), _done: done.clone().drop_guard() };
        self.tracker.spawn(async move {
            tokio::select! {
                () = token.cancelled() => flag.cancel(),
                () = done.cancelled() => {}
            }
        });
        guard
    }

    /// Sleeps, or returns `false` at once when the program ends.
    pub async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => true,
            () = self.token.cancelled() => false,
        }
    }

    /// Ends everything and waits; `false` if the deadline came first.
    pub async fn shut_down(&self, deadline: Duration) -> bool {
        self.token.cancel();
        self.tracker.close();
        tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok()
    }
}
