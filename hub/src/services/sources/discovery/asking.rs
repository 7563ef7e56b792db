//! Sending the questions of a run one by one to each site, and writing what is proved.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use lookups::planner::{Outcome, Step, Ticket};
use lookups::{Answer, AnswerError, Ask, Finder as _, Site, Sites};

use super::Discovering;
use super::round::{Known, Moment, Round};
use crate::domain::sources::Facts;
use crate::fs::head::read_small;
use crate::services::background::Job;
use crate::services::sources::store::unusable;
use crate::services::{Event, ServiceError};
use crate::storage::lookups::{self as stored, SiteAnswer};
use crate::storage::{now_ms, timestamp};

/// How long what was found may wait to be written.
const UNWRITTEN: Duration = Duration::from_secs(3);

/// Between two looks whether a run is to stop.
const UNTIL_NEXT_LOOK: Duration = Duration::from_millis(100);

/// Bytes of ComfyUI-Manager's list where it is a file.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// What came of sending a question.
enum Came {
    Answer(Answer, Option<Duration>),
    Nothing(String),
    /// Nobody may ask this site any more.
    Forbidden,
}

impl Discovering {
    pub(super) async fn ask_all(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        let mut round = self.plan(job).await?;
        job.progress.begin_stage(round.sought.len() as u64, 0);
        let sites = round.sites.clone();
        let (began, mut written) = (Instant::now(), Instant::now());
        let mut asking = FuturesUnordered::new();
        while !job.progress.cancel.is_cancelled() {
            let wait = loop {
                match round.run.next(began.elapsed()) {
                    Step::Ask(ticket, ask) => asking.push(self.send(ticket, ask, &sites)),
                    Step::WaitUntil(moment) => break Some(moment.saturating_sub(began.elapsed()).min(UNTIL_NEXT_LOOK)),
                    Step::WaitForAnswer => break Some(UNTIL_NEXT_LOOK),
                    Step::Done => break None,
                }
            };
            let Some(wait) = wait else { break };
            tokio::select! {
                Some((ticket, ask, came)) = asking.next() => round.hear(ticket, &ask, &came, began.elapsed()),
                () = tokio::time::sleep(wait) => {}
            }
            if written.elapsed() >= UNWRITTEN {
                self.write(&mut round, job).await?;
                written = Instant::now();
            }
        }
        drop(asking);
        self.write(&mut round, job).await?;
        self.probe_all(&mut round, job).await?;
        if !job.progress.cancel.is_cancelled() {
            round.finish(now_ms());
        }
        self.write(&mut round, job).await?;
        if !job.progress.cancel.is_cancelled() {
            let n_asked = round.report().n_asked;
            job.progress.count(|counts| counts.n_done = n_asked.max(counts.n_done));
        }
        Ok(())
    }

    async fn plan(&self, job: &Job<Self>) -> Result<Round, ServiceError> {
        let sources = &self.sources;
        sources.models.refresh_to_show().await?;
        let file = sources.read().await?;
        let allowed = sources.allowed();
        let addresses = file.records().map(|(hash, record)| {
            let states = record.addresses(allowed).iter().filter_map(crate::domain::sources::Address::state).collect();
            (hash, states)
        });
        let addresses = addresses.collect();
        let scope = job.row.payload.clone();
        let is_anew = scope.hashes.is_some();
        let read = move |connection: &_| Ok((stored::sought(connection, &scope)?, stored::answers(connection)?));
        let (contents, answers) = sources.database.read(read).await?;
        let config = sources.settings.current();
        let known = Known { answers, addresses };
        let sites = config.lookups.sites.clone();
        Ok(Round::new(contents, known, sites, &config.lookups.allowed, is_anew, SystemTime::now()))
    }

    async fn send(&self, ticket: Ticket, ask: Ask, sites: &Sites) -> (Ticket, Ask, Came) {
        // Read anew for each question: who is not allowed any more is not asked any more.
        let config = self.sources.settings.current();
        if !config.lookups.allowed.contains(&ask.site()) {
            return (ticket, ask, Came::Forbidden);
        }
        if let Some(path) = config.lookups.manager_list.clone().filter(|_| ask.site() == Site::ManagerList) {
            let came = self.read_list(path).await;
            return (ticket, ask, came);
        }
        let Some(request) = ask.request(sites) else { return (ticket, ask, Came::Nothing("nothing to ask".into())) };
        let came = match self.sources.outbound.ask(&request, sites, &config).await {
            Ok(asked) => Came::Answer(asked.answer, asked.wait),
            Err(error) => Came::Nothing(error.to_string()),
        };
        (ticket, ask, came)
    }

    async fn read_list(&self, path: PathBuf) -> Came {
        let read = self.tasks.blocking(move || read_small(path.as_path(), MAX_LIST_BYTES)).await;
        match read {
            Some(Ok(body)) => Came::Answer(Answer { status: 200, body, ..Answer::default() }, None),
            Some(Err(error)) => {
                tracing::warn!(%error, "ComfyUI-Manager's list can't be read");
                Came::Answer(Answer { status: 404, ..Answer::default() }, None)
            }
            None => Came::Nothing("the hub is shutting down".into()),
        }
    }

    /// Writes what was proved and what was answered, the addresses first: an answer that is kept is not asked for again.
    pub(super) async fn write(&self, round: &mut Round, job: &Job<Self>) -> Result<(), ServiceError> {
        let n_new = self.write_entries(round).await?;
        let answers: Vec<SiteAnswer> = std::mem::take(&mut round.answers);
        if !answers.is_empty() {
            self.sources.database.write(move |tx| stored::note(tx, &answers)).await?;
        }
        let n_new = job.report.lock().n_new + n_new;
        *job.report.lock() = super::DiscoveryReport { n_new, ..round.report() };
        let n_settled = round.n_settled();
        job.progress.count(|counts| counts.n_done = n_settled);
        Ok(())
    }

    async fn write_entries(&self, round: &mut Round) -> Result<u64, ServiceError> {
        let entries = std::mem::take(&mut round.entries);
        if entries.is_empty() {
            return Ok(0);
        }
        let mut by_content = HashMap::<_, (Facts, Vec<_>)>::new();
        for (at, entry) in entries {
            let Some(one) = round.sought.get(at) else { continue };
            let facts =
                Facts { size_bytes: one.of.size_bytes, names: vec![one.of.name.clone()], sha256: one.of.sha256 };
            by_content.entry(one.of.hash).or_insert_with(|| (facts, Vec::new())).1.push(entry);
        }
        let (allowed, now) = (self.sources.allowed(), timestamp(now_ms()));
        let n_new = self.sources.edit(move |file| {
            let mut n_new = 0;
            for (hash, (facts, entries)) in &by_content {
                // An entry that is damaged is left for a person to mend.
                let Ok(known) = file.record(hash) else { continue };
                let mut record = known.cloned().unwrap_or_default();
                if record.size_bytes().is_none() {
                    record.set_facts(facts).map_err(|error| unusable(&error))?;
                }
                for entry in entries {
                    let is_known = record.addresses(allowed).iter().any(|address| address.url == *entry.url());
                    if is_known || record.addresses(allowed).len() < super::super::MOST_ADDRESSES {
                        n_new += u64::from(record.admit(entry, now).map_err(|error| unusable(&error))?);
                    }
                }
                file.set(hash, record);
            }
            Ok(n_new)
        });
        let n_new = n_new.await?;
        self.sources.events.send(Event::SourcesChanged);
        Ok(n_new)
    }
}

impl Round {
    fn hear(&mut self, ticket: Ticket, ask: &Ask, came: &Came, passed: Duration) {
        let read = match came {
            Came::Answer(answer, wait) => {
                ask.read(answer, &self.sites).map(|found| (found, *wait)).map_err(|error| (error, *wait))
            }
            Came::Nothing(why) => {
                tracing::info!(
                    site = ask.site().as_str(),
                    why,
                    "a site that was asked where models can be had does not answer"
                );
                return self.run.answered(ticket, &Outcome::Unreachable, passed);
            }
            Came::Forbidden => Err((AnswerError::Refused(0), None)),
        };
        match read {
            Ok((found, wait)) => self.take(ticket, ask, &found, wait, Moment { at: now_ms(), passed }),
            Err((error, wait)) => {
                tracing::info!(site = ask.site().as_str(), %error, "nothing came of a question where models can be had");
                self.run.answered(ticket, &Outcome::Failed(&error, wait), passed);
            }
        }
    }
}
