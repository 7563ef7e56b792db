//! Watches the disk that the hub's own data lies on: that the database can't be written is said
//! before anything fails, and found out to be over.

use std::time::Duration;

use crate::domain::size;
use crate::fs::volume;
use crate::services::Event;
use crate::services::context::ServiceContext;
use crate::storage::facts;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(3);

/// With less room than this nothing new begins: what is under way needs it to be written down.
const LOW_BYTES: u64 = 24 << 20;

/// With more than this there is room again; in between nothing changes.
const ENOUGH_BYTES: u64 = 32 << 20;

/// A fact that is written to find out whether it can be.
const TEST: &str = "write_test";

pub(super) fn start(context: &ServiceContext) {
    let context = context.clone();
    let tasks = context.tasks.clone();
    tasks.clone().spawn(async move {
        let mut told = None;
        loop {
            let this = context.clone();
            tasks.blocking(move || look_at_space(&this)).await;
            let now = context.database.troubles().now();
            if now != told {
                if let Some(trouble) = &now {
                    tracing::error!(why = trouble.why, "the database can't be written");
                } else {
                    tracing::info!("the database can be written again");
                }
                // The notices of every page follow the queue, which waits or goes on.
                context.events.send(Event::QueueChanged);
                told = now;
            }
            if !tasks.pause(EVERY).await {
                return;
            }
        }
    });
}

fn look_at_space(context: &ServiceContext) {
    let troubles = context.database.troubles();
    let folder = &context.settings.current().app_data_dir;
    let known = troubles.now();
    // A file system that says 0 of 0 says nothing.
    let space = volume::space(folder).ok().flatten().filter(|space| space.total_bytes > 0);
    if let Some(space) = space {
        let limit = if known.is_some() { ENOUGH_BYTES } else { LOW_BYTES };
        troubles.foresee((space.free_bytes < limit).then(|| {
            (
                format!(
                    "the disk of the hub's data folder ({}) is full, with {} free",
                    folder.display(),
                    size::bytes(space.free_bytes)
                ),
                format!("Make room there, {} at least; what waits then goes on by itself.", size::bytes(ENOUGH_BYTES)),
            )
        }));
    }
    if known.is_some() {
        let now = crate::storage::now_ms().to_string();
        if let Err(error) = context.database.write_blocking(|tx| facts::set(tx, TEST, &now)) {
            tracing::debug!(%error, "the database still can't be written");
        }
    }
}
