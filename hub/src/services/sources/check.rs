//! Looking at addresses again, politely: at most two sites at once, each asked one thing at a time, and
//! one that wants peace is left alone for the rest of the round.
//!
//! A round is a background job. What was found is written every few seconds, so one that is stopped or killed loses
//! little; one that the end of the hub broke off does not begin again by itself.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, SourceUrl};

use super::Sources;
use super::probe::probe;
use super::store::unusable;
use crate::domain::background::WorkState;
use crate::domain::ids::BackgroundJobId;
use crate::domain::size::count;
use crate::domain::sources::verdict::Wanted;
use crate::domain::sources::{CheckStatus, Record, SourceVerdict};
use crate::services::background::{BackgroundJobView, Job, JobWork, Progress, Runner};
use crate::services::context::ServiceContext;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::history::{Level, NewLine};
use crate::storage::views::{PageRequest, contents};
use crate::storage::{StorageError, now_ms, timestamp};

/// Sites that are asked at once.
const AT_ONCE: usize = 2;

/// How long what was found may wait to be written.
const UNWRITTEN: Duration = Duration::from_secs(3);

/// Between two looks whether a round is to stop.
const UNTIL_NEXT_LOOK: Duration = Duration::from_millis(100);

/// A round of looks at addresses, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SourceCheckView {
    #[serde(flatten)]
    pub job: BackgroundJobView,
    /// Of those done, the addresses that are right.
    pub n_ok: u64,
    /// Addresses that were left out because their site wants peace.
    pub n_skipped: u64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

/// Which addresses are looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SourceCheckRequest {
    /// Those of these contents; all without.
    hashes: Option<Vec<Blake3>>,
    /// How many there were when that was asked for.
    n_addresses: u64,
}

/// What came of a round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct SourceCheckReport {
    n_ok: u64,
}

/// Rounds of looks at addresses; clones share them.
#[derive(Clone)]
pub struct SourceChecks {
    sources: Sources,
    runner: Runner<Checking>,
}

/// How addresses are looked at.
#[derive(Clone)]
struct Checking {
    sources: Sources,
}

#[derive(Debug, Clone)]
struct AddressToCheck {
    hash: Blake3,
    url: SourceUrl,
    wanted: Wanted,
}

struct CheckedAddress {
    target: AddressToCheck,
    verdict: SourceVerdict,
    at: Timestamp,
}

/// What is left of a round.
#[derive(Default)]
struct Round {
    waiting: VecDeque<AddressToCheck>,
    /// Sites that are being asked.
    busy: BTreeSet<String>,
    /// Sites that want peace.
    resting: BTreeSet<String>,
}

impl SourceChecks {
    pub(in crate::services) async fn start_service(
        sources: Sources,
        context: &ServiceContext,
    ) -> Result<Self, StorageError> {
        let runner = Runner::start(Checking { sources: sources.clone() }, context).await?;
        Ok(Self { sources, runner })
    }

    /// Looks again at all addresses, or at those of some contents. What waits already and does the same is joined.
    pub async fn start(&self, hashes: Option<Vec<Blake3>>) -> Result<SourceCheckView, ServiceError> {
        let n_addresses = self.sources.targets(hashes.clone()).await?.len() as u64;
        self.runner.show(self.runner.add(SourceCheckRequest { hashes, n_addresses }).await?).await
    }

    /// The round under way, or else the latest one.
    pub async fn latest(&self) -> Result<Option<SourceCheckView>, ServiceError> {
        if let Some(running) = self.runner.running().pop() {
            return Ok(Some(running));
        }
        Ok(self.runner.list(PageRequest::latest(1)).await?.items.into_iter().next())
    }

    /// Stops the round under way; what was found stays found.
    pub async fn cancel(&self) -> Result<SourceCheckView, ServiceError> {
        let Some(open) = self.latest().await?.filter(|check| !check.job.state.is_final()) else {
            return Err(ServiceError::said(ErrorKind::Conflict, "No check of addresses is under way."));
        };
        self.runner.cancel(open.job.id).await?;
        self.runner.show(open.job.id).await
    }
}

impl BackgroundKind for Checking {
    const KIND: &'static str = "source_check";
    type Payload = SourceCheckRequest;
    type Report = SourceCheckReport;

    fn queue(_: &SourceCheckRequest) -> &'static str {
        ""
    }
}

impl JobWork for Checking {
    const NAME: &'static str = "check of addresses";
    const QUEUES: &'static [&'static str] = &[""];
    const INTERRUPTED: Option<&'static str> = Some("The hub was stopped before the check had ended.");
    type Found = ();
    type View = SourceCheckView;

    fn covers(waiting: &SourceCheckRequest, asked: &SourceCheckRequest) -> bool {
        waiting.hashes.is_none() || waiting.hashes == asked.hashes
    }

    fn run(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        tokio::runtime::Handle::current().block_on(self.check_all(job))
    }

    fn history(row: &RowOf<Self>) -> Vec<NewLine> {
        let level = if row.state == WorkState::Failed { Level::Error } else { Level::Info };
        let n_total = count(i64::try_from(row.counts.n_total).unwrap_or(i64::MAX));
        let summary = format!("Looked at {} of {n_total} addresses: {} are right", row.counts.n_done, row.report.n_ok);
        let line = NewLine::new("sources", level, summary);
        vec![match &row.detail {
            Some(detail) => line.detail(detail.clone()),
            None => line,
        }]
    }

    fn tell_end(&self, _: &RowOf<Self>) {}

    fn event(_: BackgroundJobId) -> Event {
        Event::SourceCheckChanged
    }

    fn view(row: &RowOf<Self>, mut job: BackgroundJobView) -> SourceCheckView {
        if row.state == WorkState::Queued {
            job.counts.n_total = row.payload.n_addresses;
        }
        SourceCheckView { n_ok: row.report.n_ok, n_skipped: job.counts.n_failed, started_at: row.created_at, job }
    }
}

impl Checking {
    async fn check_all(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        let (sources, progress) = (&self.sources, &job.progress);
        let targets = sources.targets(job.row.payload.hashes.clone()).await?;
        progress.begin_stage(targets.len() as u64, 0);
        let mut round = Round { waiting: targets.into(), ..Round::default() };
        let mut looking = FuturesUnordered::new();
        let (mut unwritten, mut written) = (Vec::new(), Instant::now());
        while !progress.cancel.is_cancelled() {
            while looking.len() < AT_ONCE
                && let Some(target) = round.next(progress)
            {
                looking.push(sources.look_at(target));
            }
            tokio::select! {
                found = looking.next() => {
                    let Some(found) = found else { break };
                    round.note(&found);
                    job.report.lock().n_ok += u64::from(found.verdict.status == CheckStatus::Ok);
                    progress.count(|counts| counts.n_done += 1);
                    unwritten.push(found);
                }
                () = tokio::time::sleep(UNTIL_NEXT_LOOK) => {}
            }
            if written.elapsed() >= UNWRITTEN {
                sources.write_checked(std::mem::take(&mut unwritten)).await?;
                written = Instant::now();
            }
        }
        drop(looking);
        sources.write_checked(unwritten).await
    }
}

impl Sources {
    async fn targets(&self, hashes: Option<Vec<Blake3>>) -> Result<Vec<AddressToCheck>, ServiceError> {
        let file = self.read().await?;
        let allowed = self.allowed();
        let records: Vec<(Blake3, Record)> = match hashes {
            None => file.records().map(|(hash, record)| (hash, record.clone())).collect(),
            Some(hashes) => {
                let hashes: BTreeSet<Blake3> = hashes.into_iter().collect();
                let find = |hash: Blake3| match file.record(&hash) {
                    Ok(Some(record)) => Ok((hash, record.clone())),
                    Ok(None) => Err(ServiceError::said(
                        ErrorKind::Impossible,
                        format!("There are no addresses of {hash} to check."),
                    )),
                    Err(error) => Err(unusable(&error)),
                };
                hashes.into_iter().map(find).collect::<Result<_, _>>()?
            }
        };
        let read = move |connection: &_| {
            let mut targets = Vec::new();
            for (hash, record) in records {
                // What the hub read itself counts for more than what is written.
                let known = contents::show(connection, &hash)?.map(|content| content.facts);
                let names = known.as_ref().map_or_else(|| record.names(), |facts| facts.names.clone());
                let wanted = Wanted {
                    size_bytes: known.as_ref().map(|facts| facts.size_bytes).or_else(|| record.size_bytes()),
                    sha256: known.and_then(|facts| facts.sha256).or_else(|| record.sha256()),
                    is_text: names.iter().any(|name| is_text(name)),
                };
                let urls = record.addresses(allowed).into_iter().map(|address| address.url);
                targets.extend(urls.map(|url| AddressToCheck { hash, url, wanted: wanted.clone() }));
            }
            Ok(targets)
        };
        Ok(self.database.read(read).await?)
    }

    async fn look_at(&self, target: AddressToCheck) -> CheckedAddress {
        // Read anew for each look: a setting that closes something counts at once.
        let config = self.settings.current();
        let (verdict, _) = probe(&self.outbound, &config, &target.url, &target.wanted).await;
        CheckedAddress { target, verdict, at: timestamp(now_ms()) }
    }

    async fn write_checked(&self, found: Vec<CheckedAddress>) -> Result<(), ServiceError> {
        if found.is_empty() {
            return Ok(());
        }
        self.edit(move |file| {
            for CheckedAddress { target, verdict, at } in &found {
                let Ok(Some(record)) = file.record(&target.hash) else { continue };
                let mut record = record.clone();
                record.note(&target.url, verdict, *at).map_err(|error| unusable(&error))?;
                file.set(&target.hash, record);
            }
            Ok(())
        })
        .await?;
        self.events.send(Event::SourcesChanged);
        Ok(())
    }
}

impl Round {
    /// The next address whose site is neither being asked nor wants peace.
    fn next(&mut self, progress: &Progress) -> Option<AddressToCheck> {
        let before = self.waiting.len();
        self.waiting.retain(|target| !self.resting.contains(target.host()));
        let n_left_out = (before - self.waiting.len()) as u64;
        if n_left_out > 0 {
            progress.count(|counts| counts.n_failed += n_left_out);
        }
        let at = self.waiting.iter().position(|target| !self.busy.contains(target.host()))?;
        let target = self.waiting.remove(at)?;
        self.busy.insert(target.host().to_owned());
        Some(target)
    }

    fn note(&mut self, found: &CheckedAddress) {
        self.busy.remove(found.target.host());
        if found.verdict.status == CheckStatus::RateLimited {
            self.resting.insert(found.target.host().to_owned());
        }
    }
}

impl AddressToCheck {
    /// The site that is asked first; redirects lead to stores that stand more.
    fn host(&self) -> &str {
        self.url.web().host()
    }
}

/// Files that are text themselves come as text.
fn is_text(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".json", ".html", ".htm", ".info"].iter().any(|ending| name.ends_with(ending))
}
