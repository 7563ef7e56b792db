//! Fetching the bytes, by the engine that agents have: this side tells how far it is, and stops it when asked, when
//! there is no room, and when the hours of downloads are over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared_io::PlaceError;
use shared_io::download::{Digests, Download, DownloadError, Order, PartFile};
use shared_io::report::{Reports, channel};
use shared_protocol::agent_to_hub::LogLevel;
use shared_protocol::job::{AssetSource, JobPhase};
use shared_protocol::outcome::SourceReport;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::super::failure::AttemptError;
use super::super::place::Destination;
use super::addresses::FoundAddresses;
use crate::domain::content_hash::ContentHash;
use crate::domain::transfer::Failure;
use crate::fs::copy::CopiedPart;
use crate::fs::{CancelFlag, FsError, parts};
use crate::services::Event;
use crate::services::queue::{Queue, downloads};
use crate::storage::queue::outcome::Reason;
use crate::storage::queue::{TransferRow, downloads as stored};

/// Between two looks how far it is.
const TICK: Duration = Duration::from_millis(200);

/// How often that is written down.
const STORED_EVERY: Duration = Duration::from_secs(5);

/// What ends a source for good, by the engine's words.
const FINAL: [&str; 6] = ["wrong_bytes", "wrong_size", "private_address", "address", "redirects", "encoded"];

/// Fetches a file to its part file. What is there already is gone on with.
pub(super) fn fetch(
    queue: &Queue,
    transfer: &TransferRow,
    place: &Destination,
    found: FoundAddresses,
) -> Result<CopiedPart, AttemptError> {
    let config = queue.settings.current();
    let file = parts::open_or_make(&place.part)?;
    let tools = queue.downloads.tools(place.dest.folder(), &config).map_err(of_place)?;
    let FoundAddresses { sources, expected, size_bytes, .. } = found;
    let path = place.part.path().to_owned();
    let part = PartFile::placed(file, path, expected.clone(), size_bytes, config.hash_sha256);
    let (dest, policy) = (place.to_path.clone(), downloads::policy(&config));
    drop(config);
    let order = Order { expected, size_bytes, dest, sources, policy };
    let digests = drive(queue, transfer, order, tools, part)?;
    let (stamp, identity) = (place.part.stamp()?, place.part.identity()?);
    let content = ContentHash { size_bytes, blake3: digests.blake3, sha256: digests.sha256, groups: None };
    Ok(CopiedPart { content, stamp, identity })
}

/// Runs the engine on this thread until it has ended, one way or another.
fn drive(
    queue: &Queue,
    transfer: &TransferRow,
    order: Order,
    tools: shared_io::download::DownloadTools,
    part: PartFile,
) -> Result<Digests, AttemptError> {
    let cancel = CancellationToken::new();
    let (reporter, reports) = channel(Arc::new(Notify::new()));
    let part = Arc::new(part);
    let download = Download::new(order, tools, cancel.clone(), reporter);
    let mut told = Vec::new();
    let mut watch = Watch::new(queue, transfer, reports);
    let result = Handle::current().block_on(async {
        let mut fetching = Box::pin(download.fetch(Arc::clone(&part), &mut told));
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                result = &mut fetching => return result,
                _ = tick.tick() => if watch.look() {
                    cancel.cancel();
                },
            }
        }
    });
    let is_full = watch.is_full;
    watch.end();
    match result {
        Ok(()) => part.digests().ok_or_else(|| AttemptError::last("impossible", "It came without its digests.")),
        Err(DownloadError::Cancelled) if is_full => Err(full()),
        Err(error) => Err(trouble(&download.order.sources, error, &told)),
    }
}

/// Looks after one download.
struct Watch<'a> {
    queue: &'a Queue,
    transfer: &'a TransferRow,
    reports: Reports,
    stop: CancelFlag,
    stored: Instant,
    is_full: bool,
}

impl<'a> Watch<'a> {
    fn new(queue: &'a Queue, transfer: &'a TransferRow, reports: Reports) -> Self {
        let stop = queue.live.flag(transfer.id);
        Self { queue, transfer, reports, stop, stored: Instant::now(), is_full: false }
    }

    /// Tells how far it is; whether it has to stop.
    fn look(&mut self) -> bool {
        let queue = self.queue;
        queue.downloads.follow_limit(&queue.settings.current());
        self.tell_lines();
        if let Some(state) = self.reports.take_news() {
            self.is_full |= state.phase == JobPhase::Paused;
            queue.live.progress(self.transfer.id, state.bytes_done);
            queue.events.progress(Event::TransferChanged(self.transfer.id));
        }
        if self.stored.elapsed() >= STORED_EVERY {
            self.store();
        }
        self.is_full || self.stop.is_cancelled() || queue.downloads_wait().is_some()
    }

    fn end(mut self) {
        self.tell_lines();
        self.store();
    }

    fn store(&mut self) {
        self.stored = Instant::now();
        let (id, bytes) = (self.transfer.id, self.reports.state().bytes_done);
        match self.queue.database.write_blocking(|tx| stored::came(tx, id, bytes)) {
            Ok(()) => self.queue.live.stored(id, bytes),
            Err(error) => tracing::warn!(%error, "how far a download is could not be stored"),
        }
    }

    /// What the engine says goes to the log: it holds neither tokens nor queries.
    fn tell_lines(&self) {
        for line in self.reports.take_lines() {
            let id = self.transfer.id.0;
            if line.level == LogLevel::Info {
                tracing::info!(id, "{}", line.text);
            } else {
                tracing::warn!(id, "{}", line.text);
            }
        }
    }
}

fn full() -> AttemptError {
    let detail = "the disk is full".to_owned();
    AttemptError::Failed(Failure::DiskFull, Reason { code: "disk_full", detail })
}

fn trouble(sources: &[AssetSource], error: DownloadError, told: &[SourceReport]) -> AttemptError {
    match error {
        DownloadError::Cancelled => AttemptError::Stopped,
        DownloadError::TooSmall(_) => full(),
        DownloadError::Disk(error) => of_place(error),
        DownloadError::NoSource => no_source(sources.len(), told),
        error @ (DownloadError::SessionOver(_) | DownloadError::NotItself | DownloadError::GivenUp) => {
            AttemptError::Failed(Failure::Transient, Reason { code: "io", detail: error.to_string() })
        }
    }
}

/// No source is left for now: tried again, unless all of them are over for good.
fn no_source(n_sources: usize, told: &[SourceReport]) -> AttemptError {
    let reasons: Vec<_> = told.iter().filter_map(|report| Some((report, report.reasons.last()?))).collect();
    let detail: Vec<String> =
        reasons.iter().map(|(report, reason)| format!("{}: {}", report.source, reason.detail)).collect();
    let detail = if detail.is_empty() { "no site brought it".to_owned() } else { detail.join("; ") };
    let final_code = |(_, reason): &(&SourceReport, &shared_protocol::outcome::Reason)| {
        FINAL.into_iter().find(|code| *code == reason.code)
    };
    let codes: Vec<&'static str> = reasons.iter().filter_map(final_code).collect();
    match codes.first() {
        Some(code) if codes.len() >= n_sources => AttemptError::last(code, format!("{detail}.")),
        _ => AttemptError::Failed(Failure::Transient, Reason { code: "no_source", detail: format!("{detail}.") }),
    }
}

fn of_place(error: PlaceError) -> AttemptError {
    match error {
        PlaceError::File(error) => FsError::new(error.verb, &error.path, error.source).into(),
        other => AttemptError::last("exists", other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests may panic")]
mod tests {
    use shared_protocol::outcome::{Reason as Told, Verdict};

    use super::*;

    fn report(source: &str, code: &str) -> SourceReport {
        let reasons = vec![Told { code: code.to_owned(), detail: "it is so".to_owned(), n: 1 }];
        let (source, verdict) = (source.to_owned(), Verdict::GaveUp);
        SourceReport { source, bytes: 0, wasted_bytes: 0, attempts: 1, duration_ms: 1, verdict, reasons }
    }

    #[test]
    fn what_ends_for_good_is_told_apart_from_what_may_pass() {
        let of = |n, told: &[SourceReport]| match no_source(n, told) {
            AttemptError::Failed(failure, reason) => (failure, reason.code),
            AttemptError::Stopped => panic!("nobody stopped it"),
        };
        assert_eq!(of(1, &[report("a", "wrong_bytes")]), (Failure::Final, "wrong_bytes"));
        assert_eq!(of(1, &[report("a", "stalled")]), (Failure::Transient, "no_source"));
        let both = [report("a", "wrong_size"), report("b", "stalled")];
        assert_eq!(of(2, &both), (Failure::Transient, "no_source"));
        assert_eq!(of(2, &both[..1]), (Failure::Transient, "no_source"), "one was not asked");
        assert_eq!(of(1, &[]), (Failure::Transient, "no_source"));
    }
}
