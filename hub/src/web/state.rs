//! What every handler may reach.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::limits::MAX_UNFINISHED_BYTES;
use crate::services::{Services, Tasks};
use crate::storage::views::CountCache;

/// Listeners of `/ws/events` at once; tools open one each.
pub(super) const MAX_EVENT_CLIENTS: usize = 64;

/// Pages with a live socket at once.
const MAX_PAGES: usize = 64;

/// Handed to every handler; cloning it is cheap.
#[derive(Clone)]
pub struct WebState {
    /// What the hub can do. Shared as a whole, because every request clones the state.
    pub services: Arc<Services>,
    /// Proves that a form was made by a page of this very run.
    pub token: LaunchToken,
    /// The port that the listener really has, for the check of the `Host` header.
    pub port: u16,
    /// Holds upgraded sockets, which the server's own shutdown doesn't wait for, and tells them
    /// when the hub ends.
    pub tasks: Tasks,
    /// Totals of lists that are dear to take.
    pub counts: CountCache,
    /// A place for each listener of `/ws/events`.
    pub(super) event_clients: Arc<Semaphore>,
    /// Room for bodies that are not whole yet.
    pub(super) unfinished: Arc<Semaphore>,
    /// A place for each page's socket.
    pub(super) live_pages: Arc<Semaphore>,
}

impl WebState {
    /// The state of a listener at this port.
    pub fn new(services: Services, token: LaunchToken, port: u16, tasks: Tasks) -> Self {
        let event_clients = Arc::new(Semaphore::new(MAX_EVENT_CLIENTS));
        let live_pages = Arc::new(Semaphore::new(MAX_PAGES));
        Self {
            services: Arc::new(services),
            token,
            port,
            tasks,
            counts: CountCache::default(),
            event_clients,
            live_pages,
            unfinished: Arc::new(Semaphore::new(MAX_UNFINISHED_BYTES)),
        }
    }

    /// A state over a new, empty data folder.
    #[cfg(test)]
    pub(crate) async fn for_tests(token: LaunchToken, port: u16) -> Self {
        let tasks = Tasks::new();
        Self::new(Services::for_tests(&tasks).await, token, port, tasks)
    }
}

/// A secret of this run that pages carry in their forms. Another site can make a browser send a
/// request here, but it can't read a page and so never learns the token.
#[derive(Clone)]
pub struct LaunchToken(Arc<str>);

impl LaunchToken {
    /// A fresh random token of 256 bits.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(blake3::Hash::from_bytes(bytes).to_hex().as_str().into()))
    }

    /// The text that pages embed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names this run without telling the token: a page that hears another name is out of date.
    pub fn launch(&self) -> String {
        blake3::hash(self.0.as_bytes()).to_hex().chars().take(16).collect()
    }

    /// Whether `candidate` is the token, in a time that tells nothing about it.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(candidate).into()
    }
}

impl fmt::Debug for LaunchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaunchToken(…)")
    }
}
