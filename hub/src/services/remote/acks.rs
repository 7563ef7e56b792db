//! Results that are committed, and whose agents are to hear so.
//!
//! A commit survives a kill of the hub; an acknowledgement says that it survives a power cut, too. Syncing takes a disk
//! some milliseconds, so what ended meanwhile is acknowledged together: one sync for however many results there are.

use std::sync::Arc;

use parking_lot::Mutex;
use shared_protocol::hub_to_agent::{HubToAgent, JobRef};
use tokio::sync::Notify;

use super::Remote;
use super::connection::{Connection, trouble};

/// What is to be acknowledged.
#[derive(Default)]
pub(super) struct Acks {
    waiting: Mutex<Vec<(Arc<Connection>, JobRef)>>,
    wake: Notify,
}

impl Acks {
    /// The result of a try is committed.
    pub(super) fn push(&self, connection: &Arc<Connection>, job: JobRef) {
        self.waiting.lock().push((Arc::clone(connection), job));
        self.wake.notify_one();
    }
}

impl Remote {
    /// Acknowledges until the program ends. What is not acknowledged by then is said again by its agent.
    pub(super) async fn acknowledge(self) {
        let shutdown = self.inner.tasks.token().clone();
        loop {
            tokio::select! {
                () = self.inner.acks.wake.notified() => {}
                () = shutdown.cancelled() => return,
            }
            let ended = std::mem::take(&mut *self.inner.acks.waiting.lock());
            if ended.is_empty() {
                continue;
            }
            match self.make_durable().await {
                Ok(()) => {
                    for (connection, job) in ended {
                        connection.say(HubToAgent::ResultAck(job));
                    }
                }
                Err(error) => {
                    // The next connection brings the results again.
                    for (connection, _) in ended {
                        connection.close(trouble(&error));
                    }
                }
            }
        }
    }
}
