//! What the downloads of the queue share: the way to sites, and what they may take together.

use std::time::Duration;

use jiff::Zoned;
use shared_io::download::{DownloadTools, Lines, Pace, Patience, Room};
use shared_io::http::Http;
use shared_io::{ConfinedFolder, PlaceError};
use shared_protocol::job::SourcePolicy;

use super::Queue;
use crate::config::Config;
use crate::fs::entry::Folder;
use crate::services::{Sources, hours, outbound};

/// Downloads at once. They are beside the places for work on files, which they hold up as little as those hold up them.
pub(super) const AT_ONCE: usize = 2;

/// Connections per site, as agents have.
const CONNECTIONS: usize = 4;

/// Shared by all downloads; clones share it, too.
#[derive(Clone)]
pub(super) struct Downloads {
    pub(super) sources: Sources,
    http: Http,
    room: Room,
    lines: Lines,
    pace: Pace,
}

impl Downloads {
    pub(super) fn new(sources: Sources) -> Self {
        // The queue itself keeps room free, and tells how much is missing.
        let room = Room::without_spare();
        let (lines, pace) = (Lines::default(), Pace::default());
        Self { sources, http: outbound::for_downloads(), room, lines, pace }
    }

    /// What a download into a folder works with.
    pub(super) fn tools(&self, folder: &Folder, config: &Config) -> Result<DownloadTools, PlaceError> {
        // A site that stays silent gives its place to others: the transfer waits for it in the queue.
        let give_up = config.remote.source_patience.max(config.remote.stall_timeout * 2);
        Ok(DownloadTools {
            models: ConfinedFolder::open(folder.path())?,
            http: self.http.clone(),
            hub: None,
            allow_private: config.remote.allow_private_sources,
            connections: CONNECTIONS,
            room: self.room.clone(),
            lines: self.lines.clone(),
            pace: self.pace.clone(),
            patience: Patience { give_up, list: Duration::ZERO, ..Patience::default() },
        })
    }

    /// Takes the limit of this moment over.
    pub(super) fn follow_limit(&self, config: &Config) {
        self.pace.set(config.downloads.limit);
    }
}

/// How patient a download is with its sites.
pub(super) fn policy(config: &Config) -> SourcePolicy {
    let remote = &config.remote;
    // What is held back by the limit is not slow; several share it.
    let slowest = config.downloads.limit.map_or(u64::MAX, |limit| limit / (2 * AT_ONCE as u64));
    SourcePolicy {
        stall_timeout_s: remote.stall_timeout.as_secs(),
        min_speed: remote.min_speed.min(slowest),
        retry_per_source: remote.retry_per_source,
        source_patience_s: remote.source_patience.as_secs(),
        allow_private: remote.allow_private_sources,
    }
}

impl Queue {
    /// Why no download may go on now, if this is none of their hours.
    pub(super) fn downloads_wait(&self) -> Option<String> {
        let hours = self.settings.current().downloads.hours?;
        let is_time = hours::are_now(Some(hours), &Zoned::now());
        (!is_time).then(|| format!("Downloads wait for their hours, {hours}: see DOWNLOAD_HOURS in Settings."))
    }
}
