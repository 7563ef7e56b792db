//! From queued jobs to orders: who has room, what is ready to be sent, and what the order says.
//!
//! A download names its content by hash, so a file without one waits for the hasher, and a file that is
//! no longer what the job was made from is looked at anew: the order always speaks of what lies
//! there now. Tokens are put into an order when it is sent and are kept nowhere.

use std::sync::Arc;

use shared_protocol::hub_to_agent::{JobAssign, JobRef};
use shared_protocol::job::{AssetDownload, AssetSource, ComfyGitClone, JobSpec, SourcePolicy};
use shared_protocol::outcome::{FailureCode, Outcome};
use shared_protocol::{AgentId, Blake3, JobId};

use super::Remote;
use super::connection::Connection;
use super::turn::{Happened, Step};
use crate::config::RemoteConfig;
use crate::domain::remote_job::JobEvent;
use crate::domain::root::Root;
use crate::services::hasher::{HashKind, HashScope};
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index::{self, FileRow};
use crate::storage::jobs::{self, JobFile, JobRow, JobTask};
use crate::storage::now_ms;

/// Queued jobs of one agent that are looked at in one round; the others are behind them anyway.
const LOOKED_AT: usize = 100;

/// Whether a download can be sent.
enum Ready {
    Yes,
    /// Not now, and why.
    Waits(String),
    /// Never, and why.
    Never(String),
}

impl Remote {
    /// Gives agents with room what waits for them.
    pub(super) async fn dispatch(&self) -> Result<(), ServiceError> {
        let connections: Vec<Arc<Connection>> = self.inner.connections.lock().values().cloned().collect();
        for connection in connections.into_iter().filter(|connection| !connection.is_closed()) {
            let _turn = self.inner.turn.lock().await;
            self.fill(&connection).await?;
        }
        Ok(())
    }

    async fn fill(&self, connection: &Arc<Connection>) -> Result<(), ServiceError> {
        let agent = connection.agent();
        let n_held = self.inner.database.read(move |c| jobs::n_held(c, agent)).await?;
        let mut room = (connection.slots() as usize).saturating_sub(n_held);
        let (mut assigned, mut n_looked_at, mut after) = (Vec::new(), 0, 0);
        while room > 0 && n_looked_at < LOOKED_AT {
            let (now, most) = (now_ms(), room.min(LOOKED_AT - n_looked_at));
            let queued = self.inner.database.read(move |c| jobs::next_queued(c, agent, now, after, most)).await?;
            let Some(last) = queued.last() else { break };
            after = last.number;
            n_looked_at += queued.len();
            let mut ready = Vec::new();
            for job in queued {
                if self.is_ready(agent, &job).await? {
                    ready.push(Step { job: job.id, agent: Some(agent), event: JobEvent::Assign, outcome: None });
                }
            }
            let happened: Vec<Happened> = self.apply_all(ready).await?.into_iter().flatten().collect();
            room -= happened.len();
            assigned.extend(happened);
        }
        if !assigned.is_empty() {
            // An order that was sent must be known after a power cut, too: its number is its agent's proof of it.
            self.make_durable().await?;
        }
        for Happened { job, effects } in assigned {
            for effect in effects {
                self.carry_out(connection, &job, effect).await;
            }
        }
        Ok(())
    }

    /// Whether the order of a queued job can be made now. If it never can, the job ends.
    async fn is_ready(&self, agent: AgentId, job: &JobRow) -> Result<bool, ServiceError> {
        match self.prepare(job).await? {
            Ready::Yes => {
                self.inner.waiting.lock().remove(&job.id);
                return Ok(true);
            }
            Ready::Waits(why) => self.wait_for(job.id, &why),
            Ready::Never(why) => {
                self.inner.waiting.lock().remove(&job.id);
                let outcome =
                    Outcome::Failed { code: FailureCode::NoSource, detail: why, duration_ms: 0, sources: Vec::new() };
                self.apply(job.id, Some(agent), JobEvent::Impossible, Some(outcome)).await?;
            }
        }
        Ok(false)
    }

    fn wait_for(&self, job: JobId, why: &str) {
        if self.inner.waiting.lock().insert(job, why.to_owned()).as_deref() != Some(why) {
            self.inner.events.progress(Event::JobChanged(job));
        }
    }

    async fn prepare(&self, job: &JobRow) -> Result<Ready, ServiceError> {
        let file = match &job.task {
            JobTask::AssetDownload(file) => file,
            JobTask::ComfyGitClone(_) => return Ok(Ready::Yes),
        };
        let live = match self.inner.roots.live(file.root) {
            Ok(live) => live,
            Err(error) => return Ok(Ready::Waits(error.to_string())),
        };
        let path = file.path.clone();
        let now = self.inner.database.read(move |c| index::file_at(c, live.row, &path)).await?;
        let Some(now) = now else {
            let gone = format!("{} is no longer on {}", file.path, file.root.label());
            let elsewhere = match file.hash {
                Some(hash) => self.holder_of(hash).await?.is_some(),
                None => false,
            };
            return Ok(if elsewhere { Ready::Yes } else { Ready::Never(gone) });
        };
        if now.placeholder {
            return Ok(Ready::Never("its content lies in a cloud and is not on this disk".to_owned()));
        }
        match now.hash {
            Some(hash) => {
                if file.hash != Some(hash) {
                    self.set_content(job.id, &now).await?;
                }
                Ok(Ready::Yes)
            }
            None => self.hash_first(job.id, file, &now).await,
        }
    }

    /// The file has no hash (any more): waits for one, or asks for it.
    async fn hash_first(&self, job: JobId, file: &JobFile, now: &FileRow) -> Result<Ready, ServiceError> {
        let is_same = file.hash.is_none() && file.modified == now.modified && file.size_bytes == now.size_bytes;
        if let Some(hash_job) = file.hash_job.filter(|_| is_same) {
            match self.inner.hasher.show(hash_job).await {
                Ok(view) if !view.job.state.is_final() => {
                    let why = view
                        .job
                        .waiting
                        .unwrap_or_else(|| format!("{} of {} files", view.job.counts.n_done, view.job.counts.n_total));
                    return Ok(Ready::Waits(format!("Its content is hashed first: {why}")));
                }
                Ok(view) => {
                    let why = view.job.detail.unwrap_or_else(|| "it could not be read".to_owned());
                    return Ok(Ready::Never(format!("{} could not be hashed: {why}", file.path)));
                }
                // The job is no more: asked for anew.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.set_content(job, now).await?;
        let hash_job =
            self.inner.hasher.start(file.root, HashScope::Paths(vec![file.path.clone()]), HashKind::Missing).await?;
        self.inner.database.write(move |tx| jobs::set_hash_job(tx, job, hash_job)).await?;
        Ok(Ready::Waits("Its content is hashed first".to_owned()))
    }

    async fn set_content(&self, job: JobId, now: &FileRow) -> Result<(), ServiceError> {
        let (size, modified, hash) = (now.size_bytes, now.modified, now.hash);
        Ok(self.inner.database.write(move |tx| jobs::set_content(tx, job, size, modified, hash)).await?)
    }

    /// A file that holds a content now, on any root that can be reached. Local first: it is nearer.
    pub(super) async fn holder_of(&self, hash: Blake3) -> Result<Option<(Root, FileRow)>, ServiceError> {
        let live: Vec<_> = Root::ALL.into_iter().filter_map(|root| self.inner.roots.live(root).ok()).collect();
        let found = self.inner.database.read(move |connection| {
            for root in live {
                if let Some(file) = index::file_holding(connection, root.row, &hash)? {
                    return Ok(Some((root.root, file)));
                }
            }
            Ok(None)
        });
        Ok(found.await?)
    }

    /// The order of a job's newest try, with the tokens of this moment.
    pub(super) async fn order(&self, job: &JobRow) -> Result<JobAssign, ServiceError> {
        let which = JobRef { job: job.id, attempt: job.life.attempt };
        let config = self.inner.settings.current();
        let spec = match &job.task {
            JobTask::AssetDownload(file) => {
                let hash = file.hash.ok_or_else(|| internal("a download without a content"))?;
                let mut sources = super::addresses::public(self, &hash).await;
                sources.push(AssetSource::Hub);
                JobSpec::AssetDownload(AssetDownload {
                    blake3: hash,
                    size_bytes: file.size_bytes,
                    dest: file.path.clone(),
                    sources,
                    policy: policy(&config.remote),
                })
            }
            JobTask::ComfyGitClone(clone) => {
                let allow_private = config.remote.allow_private_sources;
                JobSpec::ComfyGitClone(ComfyGitClone { allow_private, ..clone.clone() })
            }
        };
        Ok(JobAssign { job: which, spec })
    }
}

fn internal(what: &'static str) -> ServiceError {
    ServiceError::Storage(crate::storage::StorageError::damaged(what, "it is not there"))
}

fn policy(config: &RemoteConfig) -> SourcePolicy {
    SourcePolicy {
        stall_timeout_s: config.stall_timeout.as_secs(),
        min_speed: config.min_speed,
        retry_per_source: config.retry_per_source,
        source_patience_s: config.source_patience.as_secs(),
        allow_private: config.allow_private_sources,
    }
}
