//! What the hub does for its own data, without being asked: watches the disk that it lies on, puts
//! what was committed into the database's own file, copies it once a day, and forgets what is old.

mod evictions_list;
mod retention;
mod watch;

use std::time::Duration;

use super::context::ServiceContext;
use super::{Tasks, upkeep};
use crate::fs::{private, volume};
use crate::storage::{Database, StorageError, backups, open};

pub use evictions_list::{EvictionsList, Lost};

/// Between two times that the log is folded in: what a copy of the database's file may lack.
const FOLD_EVERY: Duration = Duration::from_mins(1);

/// Between two copies.
const COPY_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Rounds between two times that what is old is forgotten.
const ROUNDS: u32 = 30;

/// Begins with all of it.
pub(super) fn start(context: &ServiceContext) {
    watch::start(context);
    let context = context.clone();
    let tasks = context.tasks.clone();
    tasks.clone().spawn(async move {
        let mut round = 0_u32;
        loop {
            let this = context.clone();
            tasks.blocking(move || upkeep::round(&this, round)).await;
            round = round.wrapping_add(1);
            if !tasks.pause(FOLD_EVERY).await {
                return;
            }
        }
    });
}

/// One round, about once a minute.
fn round(context: &ServiceContext, round: u32) {
    let config = context.settings.current();
    log_failure("the database's log could not be folded in", context.database.fold_in_blocking());
    // A new day has a new log file.
    private::tighten_files(&config.app_data_dir.join("logs"), |_| true);
    // Not in the first minute: whoever has just begun has nothing to copy, and other work to do.
    if round > 0 && context.database.troubles().now().is_none() {
        log_failure("the database could not be copied", copy(&context.database));
    }
    if round % ROUNDS == 1 {
        log_failure("what is old could not be removed", retention::run(&context.database, &context.tasks, &config));
    }
}

fn log_failure(what: &str, done: Result<(), StorageError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}

/// Makes the copy of the day, once there is anything in the database.
fn copy(database: &Database) -> Result<(), StorageError> {
    let is_empty = database.read_blocking(crate::storage::roots::is_empty)?;
    if is_empty {
        return Ok(());
    }
    let path = database.path();
    let room = || volume::space(path.parent().unwrap_or(path)).ok().flatten().map(|space| space.free_bytes);
    if let Some(copy) = backups::daily(path, open::schema(), COPY_EVERY, &room)? {
        tracing::info!(copy = %copy.display(), "the database was copied");
    }
    Ok(())
}

/// Stops with the program. For work in several commits.
fn goes_on(tasks: &Tasks) -> bool {
    !tasks.token().is_cancelled()
}
