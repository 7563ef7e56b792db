//! How the room on both disks went, sampled hourly and after scans. Idle in between.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::context::ServiceContext;
use super::{Event, Indexer, Roots, ServiceError};
use crate::domain::root::Root;
use crate::storage::space::{self, Sample};
use crate::storage::views::space::{totals, trash};
use crate::storage::{Database, now_ms};

const HOUR: Duration = Duration::from_hours(1);

/// After a scan nothing is noted that was noted so shortly before.
const SOON_MS: i64 = 10 * 60 * 1000;

/// Scans tell of their progress often; only the quiet after it counts.
const QUIET: Duration = Duration::from_millis(500);

pub(super) fn start(context: &ServiceContext, indexer: Indexer) {
    let ServiceContext { database, roots, events, tasks, .. } = context.clone();
    let own = tasks.clone();
    tasks.spawn(async move {
        let mut heard = events.subscribe();
        let mut due = tokio::time::interval(HOUR);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                _ = due.tick() => None,
                event = heard.recv() => Some(event),
                () = own.token().cancelled() => return,
            };
            let after_scan = match event {
                None => false,
                Some(Ok(Event::ScanChanged(_)) | Err(RecvError::Lagged(_))) => {
                    if !own.pause(QUIET).await {
                        return;
                    }
                    heard = heard.resubscribe();
                    if indexer.current().is_some() {
                        continue;
                    }
                    true
                }
                Some(Ok(_)) => continue,
                Some(Err(RecvError::Closed)) => return,
            };
            for root in Root::ALL {
                if let Err(error) = sample(&database, &roots, root, after_scan).await {
                    tracing::warn!(root = root.as_str(), %error, "the free space could not be noted");
                }
            }
        }
    });
}

/// Notes how much room there is on a root's disk; nothing while it can't be reached.
async fn sample(database: &Database, roots: &Roots, root: Root, after_scan: bool) -> Result<(), ServiceError> {
    let Ok(live) = roots.live(root) else { return Ok(()) };
    let status = roots.status(root);
    let (Some(free_bytes), Some(total_bytes)) = (status.free_bytes, status.total_bytes) else { return Ok(()) };
    let (last, size_bytes, trash_bytes) = database
        .read(move |connection| {
            let last = space::samples(connection, live.row)?.pop();
            Ok((last, totals(connection, root)?.size_bytes, trash(connection, root)?.size_bytes))
        })
        .await?;
    let now = Sample { at: now_ms(), free_bytes, total_bytes, size_bytes, trash_bytes };
    if last.is_some_and(|last| after_scan && is_no_news(&last, &now)) {
        return Ok(());
    }
    Ok(database.write(move |tx| space::add(tx, live.row, &now)).await?)
}

/// A scan that finds nothing new writes nothing.
fn is_no_news(last: &Sample, now: &Sample) -> bool {
    now.at - last.at < SOON_MS || Sample { at: last.at, ..*now } == *last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_something_new_is_noted_after_a_scan() {
        let last = Sample { at: 0, free_bytes: 5, total_bytes: 9, size_bytes: 3, trash_bytes: 0 };
        assert!(is_no_news(&last, &Sample { at: SOON_MS - 1, free_bytes: 1, ..last }), "just noted");
        assert!(is_no_news(&last, &Sample { at: SOON_MS * 9, ..last }), "all the same");
        assert!(!is_no_news(&last, &Sample { at: SOON_MS, free_bytes: 1, ..last }));
    }
}
