//! Verifying a share of the library in idle hours, what was verified longest ago first.
//!
//! The work itself is a hash job like any other: it waits for transfers, goes on after a restart, and reads as many files
//! at once as the disk likes. Here it is decided when one begins and ends, and how much it is about. What was read is
//! counted in the commits that store the results.

use std::time::Duration;

use jiff::Zoned;

use super::context::ServiceContext;
use super::hasher::{HashKind, HashScope};
use super::{Hasher, Roots, ServiceError, Settings, Tasks, hours};
use crate::config::ScrubConfig;
use crate::domain::root::Root;
use crate::domain::scrub::Spent;
use crate::storage::{Database, scrub};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(20);

/// Bytes of one job: so much is left of it at most when the hours end.
const JOB_BYTES: u64 = 8 << 30;

/// The work of idle hours; clones share it.
#[derive(Clone)]
pub struct Scrub {
    settings: Settings,
    database: Database,
    roots: Roots,
    hasher: Hasher,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubStatus {
    pub config: ScrubConfig,
    /// Whether this is one of the hours.
    pub is_time: bool,
    pub bytes_today: u64,
}

impl Scrub {
    pub(super) fn start(context: &ServiceContext, hasher: Hasher) -> Self {
        let (settings, database, roots) = (context.settings.clone(), context.database.clone(), context.roots.clone());
        let scrub = Self { settings, database, roots, hasher };
        let (this, tasks): (Self, Tasks) = (scrub.clone(), context.tasks.clone());
        context.tasks.spawn(async move {
            while tasks.pause(PAUSE).await {
                if let Err(error) = this.look_at_time(&Zoned::now()).await {
                    tracing::warn!(%error, "what is to be verified in idle hours can't be told");
                }
            }
        });
        scrub
    }

    /// How it stands at this time.
    pub async fn status(&self, now: &Zoned) -> Result<ScrubStatus, ServiceError> {
        let config = self.settings.current().scrub;
        let spent = self.spent(now, config.bytes_per_day).await?;
        Ok(ScrubStatus { is_time: is_time(config, now), bytes_today: spent.bytes, config })
    }

    /// Begins or ends work, as it is right at this time.
    pub(crate) async fn look_at_time(&self, now: &Zoned) -> Result<(), ServiceError> {
        let config = self.settings.current().scrub;
        if config.bytes_per_day == 0 || !is_time(config, now) {
            for root in Root::ALL {
                self.hasher.stop_scrub(root);
            }
            return Ok(());
        }
        let mut spent = self.spent(now, config.bytes_per_day).await?;
        for root in Root::ALL {
            let left = config.bytes_per_day.saturating_sub(spent.bytes);
            if left == 0 {
                return Ok(());
            }
            let Ok(live) = self.roots.live(root) else { continue };
            let due = self
                .database
                .write(move |tx| {
                    scrub::set_spent(tx, &spent)?;
                    scrub::forget_jobs(tx)?;
                    // Whatever a person asked for comes first.
                    if Hasher::is_asked(tx, root)? {
                        return Ok(Vec::new());
                    }
                    scrub::due(tx, live.row, spent.since, left.min(JOB_BYTES))
                })
                .await?;
            if !due.is_empty() {
                self.hasher.start(root, HashScope::Paths(due), HashKind::Scrub).await?;
                spent = self.spent(now, config.bytes_per_day).await?;
            }
        }
        Ok(())
    }

    async fn spent(&self, now: &Zoned, share: u64) -> Result<Spent, ServiceError> {
        let (day, at) = (day(now), now.timestamp().as_millisecond());
        Ok(self.database.read(scrub::spent).await?.on(day, at, share))
    }
}

fn is_time(config: ScrubConfig, now: &Zoned) -> bool {
    hours::are_now(config.hours, now)
}

/// The local day, as a number.
pub(super) fn day(now: &Zoned) -> i32 {
    let date = now.date();
    i32::from(date.year()) * 366 + i32::from(date.day_of_year())
}
