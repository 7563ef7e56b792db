//! Forgets what is old, in commits so small that nobody waits for them.

use std::time::Duration;

use super::goes_on;
use crate::config::Config;
use crate::services::Tasks;
use crate::storage::retention::{self, Limits};
use crate::storage::{Database, StorageError, now_ms};

/// Between two commits: other writers come first.
const PAUSE: Duration = Duration::from_millis(20);

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn run(database: &Database, tasks: &Tasks, config: &Config) -> Result<(), StorageError> {
    let limits = Limits {
        before: now_ms() - i64::from(config.history_days.get()) * DAY_MS,
        n_rows: u64::from(config.history_rows.get()),
    };
    let mut n = 0;
    while goes_on(tasks) {
        let Some(batch) = database.read_blocking(|connection| retention::next(connection, limits))? else { break };
        loop {
            let removed = database.write_blocking(|tx| retention::forget(tx, batch))?;
            n += removed;
            if removed == 0 || !goes_on(tasks) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }
    if n > 0 {
        tracing::info!(n, "transfers that ended long ago were removed; their batches keep what came of them");
    }
    database.write_blocking(|tx| retention::forget_jobs(tx, limits))
}
