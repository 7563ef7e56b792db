//! Looking at addresses again, politely: at most two sites at once, each asked one thing at a time, and
//! one that wants peace is left alone for the rest of the round.
//!
//! One round runs at a time; what is asked for meanwhile joins it. What was found is written every few
//! seconds, so a round that is stopped or killed loses little. Rounds are not kept over a restart.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use shared_protocol::{Blake3, SourceUrl};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Sources;
use super::probe::probe;
use super::store::unusable;
use crate::domain::background::WorkState;
use crate::domain::size::count;
use crate::domain::sources::verdict::Wanted;
use crate::domain::sources::{CheckStatus, Record, SourceVerdict};
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::history::{Level, NewLine};
use crate::storage::views::contents;
use crate::storage::{now_ms, timestamp};

/// Sites that are asked at once.
const AT_ONCE: usize = 2;

/// How long what was found may wait to be written.
const UNWRITTEN: Duration = Duration::from_secs(3);

/// The latest round of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CheckView {
    pub state: WorkState,
    /// Addresses that were looked at.
    pub n_done: u64,
    /// Addresses to look at.
    pub n_total: u64,
    /// Of those done, the ones that are right.
    pub n_ok: u64,
    /// Addresses that were left out because their site wants peace.
    pub n_skipped: u64,
    /// Why it ended as it did.
    pub detail: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

/// A round with what is left of it.
pub(super) struct Round {
    state: Mutex<RoundState>,
    wake: Notify,
    cancel: CancellationToken,
}

struct RoundState {
    view: CheckView,
    waiting: VecDeque<AddressToCheck>,
    /// Nothing joins any more: it is about to end.
    is_closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Sources {
    /// Looks again at all addresses, or at those of some contents. Joins a round under way.
    pub async fn start_check(&self, hashes: Option<Vec<Blake3>>) -> Result<CheckView, ServiceError> {
        let targets = self.targets(hashes).await?;
        let view = {
            let mut latest = self.round.lock();
            match latest.as_ref().and_then(|round| round.join(&targets)) {
                Some(view) => view,
                None => self.begin(&mut latest, targets),
            }
        };
        self.events.send(Event::SourceCheckChanged);
        Ok(view)
    }

    fn begin(&self, latest: &mut Option<Arc<Round>>, targets: Vec<AddressToCheck>) -> CheckView {
        let view = CheckView {
            state: WorkState::Running,
            n_done: 0,
            n_total: targets.len() as u64,
            n_ok: 0,
            n_skipped: 0,
            detail: None,
            started_at: timestamp(now_ms()),
            finished_at: None,
        };
        let state = RoundState { view: view.clone(), waiting: targets.into(), is_closed: false };
        let cancel = self.tasks.token().child_token();
        let round = Arc::new(Round { state: Mutex::new(state), wake: Notify::new(), cancel });
        *latest = Some(Arc::clone(&round));
        let this = self.clone();
        self.tasks.spawn(async move { this.run(&round).await });
        view
    }

    /// The latest round since the hub's start.
    pub fn check(&self) -> Option<CheckView> {
        self.round.lock().as_ref().map(|round| round.state.lock().view.clone())
    }

    /// Stops the round under way; what was found stays found.
    pub fn cancel_check(&self) -> Result<CheckView, ServiceError> {
        let latest = self.round.lock();
        let open = latest.as_ref().map(|round| (round, round.state.lock().view.clone()));
        let Some((round, view)) = open.filter(|(_, view)| !view.state.is_final()) else {
            return Err(ServiceError::said(ErrorKind::Conflict, "No check of addresses is under way."));
        };
        round.cancel.cancel();
        Ok(view)
    }

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

    async fn run(&self, round: &Round) {
        let mut looking = FuturesUnordered::new();
        // Sites that are being asked, and those that want peace.
        let mut busy: BTreeSet<String> = BTreeSet::new();
        let mut resting: BTreeSet<String> = BTreeSet::new();
        let mut unwritten: Vec<CheckedAddress> = Vec::new();
        let mut rhythm = tokio::time::interval(UNWRITTEN);
        let mut written = Ok(());
        while written.is_ok() && !round.cancel.is_cancelled() {
            while looking.len() < AT_ONCE
                && let Some(target) = round.next(&busy, &resting)
            {
                busy.insert(target.host().to_owned());
                looking.push(self.look(target));
            }
            if looking.is_empty() && round.close_if_done() {
                break;
            }
            tokio::select! {
                Some(found) = looking.next() => {
                    busy.remove(found.target.host());
                    if found.verdict.status == CheckStatus::RateLimited {
                        resting.insert(found.target.host().to_owned());
                    }
                    round.count(&found);
                    self.events.progress(Event::SourceCheckChanged);
                    unwritten.push(found);
                }
                _ = rhythm.tick(), if !unwritten.is_empty() => written = self.write(&mut unwritten).await,
                () = round.wake.notified() => {}
                () = round.cancel.cancelled() => {}
            }
        }
        drop(looking);
        if written.is_ok() {
            written = self.write(&mut unwritten).await;
        }
        self.end(round, written.err()).await;
    }

    async fn look(&self, target: AddressToCheck) -> CheckedAddress {
        // Read anew for each look: a setting that closes something counts at once.
        let config = self.settings.current();
        let verdict = probe(&self.outbound, &config, &target.url, &target.wanted).await;
        CheckedAddress { target, verdict, at: timestamp(now_ms()) }
    }

    async fn write(&self, unwritten: &mut Vec<CheckedAddress>) -> Result<(), ServiceError> {
        if unwritten.is_empty() {
            return Ok(());
        }
        let found = std::mem::take(unwritten);
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

    async fn end(&self, round: &Round, failure: Option<ServiceError>) {
        let view = round.end(failure.as_ref());
        self.events.send(Event::SourceCheckChanged);
        let level = if failure.is_some() { Level::Error } else { Level::Info };
        let n_total = count(i64::try_from(view.n_total).unwrap_or(i64::MAX));
        let summary = format!("Looked at {} of {n_total} addresses: {} are right", view.n_done, view.n_ok);
        let line = NewLine::new("sources", level, summary);
        let line = match view.detail {
            Some(detail) => line.detail(detail),
            None => line,
        };
        self.history.add(line).await;
    }
}

impl Round {
    /// Adds what is not waiting yet; none if the round takes nothing more.
    fn join(&self, targets: &[AddressToCheck]) -> Option<CheckView> {
        let mut state = self.state.lock();
        if state.is_closed || state.view.state.is_final() || self.cancel.is_cancelled() {
            return None;
        }
        for target in targets {
            if !state.waiting.contains(target) {
                state.waiting.push_back(target.clone());
                state.view.n_total += 1;
            }
        }
        self.wake.notify_one();
        Some(state.view.clone())
    }

    /// The next address whose site is neither being asked nor wants peace.
    fn next(&self, busy: &BTreeSet<String>, resting: &BTreeSet<String>) -> Option<AddressToCheck> {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.waiting.retain(|target| !resting.contains(target.host()));
        state.view.n_skipped += (before - state.waiting.len()) as u64;
        let at = state.waiting.iter().position(|target| !busy.contains(target.host()))?;
        state.waiting.remove(at)
    }

    /// In one step, so that whatever is asked for afterwards begins a round of its own.
    fn close_if_done(&self) -> bool {
        let mut state = self.state.lock();
        state.is_closed = state.waiting.is_empty();
        state.is_closed
    }

    fn count(&self, found: &CheckedAddress) {
        let view = &mut self.state.lock().view;
        view.n_done += 1;
        view.n_ok += u64::from(found.verdict.status == CheckStatus::Ok);
    }

    fn end(&self, failure: Option<&ServiceError>) -> CheckView {
        let mut state = self.state.lock();
        state.is_closed = true;
        let view = &mut state.view;
        view.state = match failure {
            Some(_) => WorkState::Failed,
            None if self.cancel.is_cancelled() => WorkState::Cancelled,
            None if view.n_skipped > 0 => WorkState::Partial,
            None => WorkState::Complete,
        };
        view.detail = failure.map(ToString::to_string);
        view.finished_at = Some(timestamp(now_ms()));
        view.clone()
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
