//! Removing temporary files that nobody goes on with, whichever way the work ended: a kill, a lost row, a disk that
//! was away. Looked for when the trash is, which is at the start, when a root comes back and after each scan.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::temporary::{Owner, owner_of};
use crate::fs::entry::{Entry, OpenRoot};
use crate::fs::parts;
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::Database;
use crate::storage::queue::strays;

/// A temporary file of this age is written by nobody any more.
const OLD: Duration = Duration::from_hours(1);

/// Removes those beside files that the last scan saw, and those of the hub's own files.
pub(super) fn clear(database: &Database, live: &LiveRoot, root: &Arc<OpenRoot>) -> Result<(), ServiceError> {
    if !live.writable {
        return Ok(());
    }
    let mut n = parts::remove_old_own(&live.dir, OLD).unwrap_or_else(|error| {
        tracing::warn!(%error, "old temporary files could not be removed");
        0
    });
    for path in database.read_blocking(|connection| strays::seen(connection, live.row))? {
        match Entry::find(root, &path).and_then(|entry| entry.map_or(Ok(false), |entry| discard(&entry))) {
            Ok(gone) => n += usize::from(gone),
            Err(error) => tracing::warn!(%error, "a temporary file stays"),
        }
    }
    if n > 0 {
        tracing::info!(n, root = live.root.as_str(), "temporary files that nobody goes on with were removed");
    }
    Ok(())
}

/// Removes those that lie in a trash.
pub(super) fn clear_in_trash(database: &Database, found: &[Entry]) -> Result<(), ServiceError> {
    for entry in found {
        if database.read_blocking(|connection| strays::is_stray(connection, entry.name()))? {
            entry.clean_up();
        }
    }
    Ok(())
}

/// What the hub wrote in one go may be under way.
fn discard(entry: &Entry) -> Result<bool, crate::fs::FsError> {
    if owner_of(entry.name()) == Some(Owner::Hub) && !parts::is_older(entry, OLD) {
        return Ok(false);
    }
    let is_there = entry.stamp_if_there()?.is_some();
    entry.discard().map(|()| is_there)
}
