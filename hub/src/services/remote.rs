//! The remote side: sessions in which agents may come, the agents that came, and their jobs.
//!
//! The truth is in the database. What is in memory (connections, frames on their way, progress of
//! the moment) may be lost at any time: an agent comes back, says what it has, and both go on from
//! there.

mod awake;
pub mod conversation;
mod limiter;
pub mod live;
pub mod session;
pub mod session_view;

pub use live::{Listening, LiveSession};
pub use session::Sessions;

use shared_protocol::{Blake3, RelPath};

use super::needs::Needs;
use super::{Hasher, Roots, ServiceError};
use crate::domain::root::Root;
use crate::storage::{Database, index, jobs};

/// The remote side; clones share it.
#[derive(Clone)]
pub struct Remote {
    /// The session and its key.
    pub sessions: Sessions,
    database: Database,
    roots: Roots,
}

/// A file that holds a content which an agent may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServableContent {
    /// Where it lies.
    pub root: Root,
    /// Its path there.
    pub path: RelPath,
    /// Its size, as the index has it.
    pub size_bytes: u64,
    /// What it holds.
    pub hash: Blake3,
}

impl Remote {
    /// Goes on where the last run ended.
    pub(super) async fn start(needs: Needs, _hasher: Hasher) -> Result<Self, ServiceError> {
        let sessions = Sessions::start(&needs).await?;
        Ok(Self { sessions, database: needs.database, roots: needs.roots })
    }

    /// Where a content lies, if an open job of the live session names it. Local first: it is nearer.
    pub async fn may_serve(&self, hash: &Blake3) -> Result<Option<ServableContent>, ServiceError> {
        let Some(session) = self.sessions.current() else { return Ok(None) };
        let (hash, row) = (*hash, session.row());
        let live: Vec<_> = Root::ALL.into_iter().filter_map(|root| self.roots.live(root).ok()).collect();
        let found = self.database.read(move |connection| {
            if !jobs::is_wanted(connection, row, &hash)? {
                return Ok(None);
            }
            for root in live {
                if let Some(file) = index::file_holding(connection, root.row, &hash)? {
                    let (root, path, size_bytes) = (root.root, file.path, file.size_bytes);
                    return Ok(Some(ServableContent { root, path, size_bytes, hash }));
                }
            }
            Ok(None)
        });
        Ok(found.await?)
    }
}
