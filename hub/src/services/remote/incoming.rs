//! What agents say, and what follows from it.
//!
//! Progress is kept in memory and told to browsers at their pace; the database hears of it when a
//! state changes, and every few seconds. A result is acknowledged only after it is on the disk (`acks`).

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use shared_protocol::JobId;
use shared_protocol::agent_to_hub::{AgentToHub, JobLog, JobProgress, JobResult, LogLevel};
use shared_protocol::envelope::Decoded;
use shared_protocol::hub_to_agent::{HubToAgent, JobRef};
use shared_protocol::outcome::Outcome;
use shared_protocol::refusal::Refusal;

use super::Remote;
use super::connection::{Connection, protocol, trouble};
use super::job_view::{Moment, state_of};
use super::turn::{Happened, Step};
use crate::domain::remote_job::{Ending, JobEffect, JobEvent, JobState, Life};
use crate::services::{Event, ServiceError};
use crate::storage::agents;
use crate::storage::history::{Level, NewLine};
use crate::storage::jobs::{self, JobRow, JobTask};

/// Lines of one frame that are kept.
const MOST_LINES: usize = 50;

impl Remote {
    /// Takes the texts of frames that came together from a transport. A refusal has ended the connection already.
    pub async fn hear_texts(
        &self,
        connection: &Arc<Connection>,
        texts: &[impl Deref<Target = str> + Sync],
    ) -> Result<(), Refusal> {
        let decode = |text: &str| Decoded::decode(text).map_err(|error| protocol(error.to_string()));
        self.hear_frames(connection, texts.iter().map(|text| decode(text)).collect()).await
    }

    /// Takes frames that came together from a transport. A refusal has ended the connection already. What is said of
    /// jobs one right after the other is committed together.
    pub async fn hear_frames(
        &self,
        connection: &Arc<Connection>,
        frames: Vec<Result<Decoded<AgentToHub>, Refusal>>,
    ) -> Result<(), Refusal> {
        let mut steps = Vec::new();
        for frame in frames {
            if connection.is_closed() {
                return Err(connection.reason());
            }
            let message = match frame.and_then(|frame| connection.receive(frame)) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(refusal) => {
                    // What was right before it counts.
                    heard(connection, self.all_happen(connection, steps).await)?;
                    connection.close(refusal.clone());
                    return Err(refusal);
                }
            };
            match step_of(message) {
                Ok(step) => steps.push(step),
                Err(message) => {
                    heard(connection, self.all_happen(connection, std::mem::take(&mut steps)).await)?;
                    heard(connection, self.react(connection, message).await)?;
                }
            }
        }
        heard(connection, self.all_happen(connection, steps).await)
    }

    async fn react(&self, connection: &Arc<Connection>, message: AgentToHub) -> Result<(), ServiceError> {
        match message {
            AgentToHub::Hello(_) => connection.close(protocol("a connection has one \"hello\"")),
            AgentToHub::JobRejected(rejected) => {
                let JobRef { job, attempt } = rejected.job;
                let line = format!("The agent can't take it: {}", rejected.detail);
                self.note(connection, job, attempt, vec![("warning", line)]).await?;
                let outcome = super::job_view::rejection(rejected.reason, rejected.detail);
                self.apply_event(connection, rejected.job, JobEvent::Rejected(attempt, rejected.reason), outcome)
                    .await?;
            }
            AgentToHub::Progress(progress) => self.progress(connection, progress.jobs).await?,
            AgentToHub::JobLog(log) => self.log(connection, log).await?,
            AgentToHub::CancelAck(JobRef { job, attempt }) => {
                self.note(connection, job, attempt, vec![("info", "The agent stops it.".to_owned())]).await?;
            }
            AgentToHub::Facts(facts) => {
                let agent = connection.agent();
                self.inner.database.write(move |tx| agents::set_facts(tx, agent, &facts)).await?;
                self.inner.events.send(Event::AgentChanged(agent));
            }
            AgentToHub::Inventory(part) => super::inventory::add(connection, part),
            AgentToHub::Ping(ping) => connection.say(HubToAgent::Pong(ping)),
            AgentToHub::Pong(_) | AgentToHub::JobAccepted(_) | AgentToHub::JobResult(_) => {}
            AgentToHub::Bye(bye) => {
                tracing::info!(agent = %connection.agent(), reason = %bye.reason.escape_debug(), "an agent says good-bye");
                connection.close(protocol("the agent has said good-bye"));
            }
        }
        Ok(())
    }

    async fn progress(&self, connection: &Arc<Connection>, told: Vec<JobProgress>) -> Result<(), ServiceError> {
        // The usual case costs the database nothing.
        let is_news = |progress: &&JobProgress| {
            let known = self.inner.moments.lock().get(&progress.job.job).map(|moment| (moment.attempt, moment.state));
            known != Some((progress.job.attempt, state_of(progress.phase)))
        };
        let event = |progress: &JobProgress| JobEvent::Progress(progress.job.attempt, progress.phase);
        let steps = told.iter().filter(is_news).map(|progress| (progress.job, event(progress), None)).collect();
        let changed: HashMap<JobId, Life> =
            self.happen(connection, steps).await?.into_iter().flatten().map(|row| (row.id, row.life)).collect();
        for progress in told {
            let JobRef { job, attempt } = progress.job;
            let known = self.inner.moments.lock().get(&job).map(|moment| (moment.attempt, moment.state));
            let state = match (changed.get(&job), known) {
                (Some(life), _) if life.attempt == attempt && life.state.is_with_agent() => life.state,
                (None, Some((of, state))) if of == attempt => state,
                _ => continue,
            };
            let doing = progress.doing.map(|text| text.chars().filter(|c| !c.is_control()).take(300).collect());
            let moment = Moment {
                attempt,
                state,
                bytes_done: progress.bytes_done,
                bytes_total: progress.bytes_total,
                bytes_per_second: progress.bytes_per_second,
                doing,
                is_new: true,
                at: Instant::now(),
            };
            self.inner.moments.lock().insert(job, moment);
            self.inner.events.progress(Event::JobChanged(job));
        }
        Ok(())
    }

    async fn log(&self, connection: &Arc<Connection>, log: JobLog) -> Result<(), ServiceError> {
        if !connection.takes_lines(log.lines.len()) {
            return Ok(());
        }
        let level = |level| match level {
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        };
        let lines = log.lines.into_iter().take(MOST_LINES).map(|line| (level(line.level), line.text)).collect();
        self.note(connection, log.job.job, log.job.attempt, lines).await
    }

    /// Adds lines to a job of this agent, if they are about its newest try.
    async fn note(
        &self,
        connection: &Arc<Connection>,
        job: JobId,
        attempt: u32,
        lines: Vec<(&'static str, String)>,
    ) -> Result<(), ServiceError> {
        let agent = connection.agent();
        let noted = self.inner.database.write(move |tx| {
            let row = jobs::show(tx, job)?.filter(|row| row.agent == agent && row.life.attempt == attempt);
            if row.is_some() {
                jobs::add_lines(tx, job, &lines)?;
            }
            Ok(row.is_some())
        });
        if noted.await? {
            self.inner.events.progress(Event::JobChanged(job));
        }
        Ok(())
    }

    /// Puts what an agent said to its jobs. What is of a job that is no more, or of another agent, may be forgotten.
    async fn all_happen(&self, connection: &Arc<Connection>, said: Vec<Said>) -> Result<(), ServiceError> {
        let jobs: Vec<JobRef> = said.iter().map(|(job, ..)| *job).collect();
        let results: Vec<bool> = said.iter().map(|(_, event, _)| matches!(event, JobEvent::Result(..))).collect();
        let happened = self.happen(connection, said).await?;
        for ((job, is_result), row) in jobs.into_iter().zip(results).zip(happened) {
            if is_result && row.is_none() {
                connection.say(HubToAgent::ResultAck(job));
            }
        }
        Ok(())
    }

    /// Puts an event to a job of this agent; `None` if there is no such job.
    pub(super) async fn apply_event(
        &self,
        connection: &Arc<Connection>,
        job: JobRef,
        event: JobEvent,
        outcome: Option<Outcome>,
    ) -> Result<Option<JobRow>, ServiceError> {
        Ok(self.happen(connection, vec![(job, event, outcome)]).await?.pop().flatten())
    }

    /// Puts events to jobs of this agent. What follows is carried out after all of them are committed.
    async fn happen(&self, connection: &Arc<Connection>, said: Vec<Said>) -> Result<Vec<Option<JobRow>>, ServiceError> {
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let agent = Some(connection.agent());
        let step = |(JobRef { job, .. }, event, outcome)| Step { job, agent, event, outcome };
        let _turn = self.inner.turn.lock().await;
        let mut rows = Vec::new();
        for happened in self.apply_all(said.into_iter().map(step).collect()).await? {
            let Some(Happened { job, effects }) = happened else {
                rows.push(None);
                continue;
            };
            for effect in effects {
                self.carry_out(connection, &job, effect).await;
            }
            rows.push(Some(job));
        }
        Ok(rows)
    }

    /// Tells people that jobs ended.
    pub(super) async fn tell_ends(&self, ended: &[JobRow]) {
        if ended.is_empty() {
            return;
        }
        self.inner.wake.notify_one();
        let mut lines = Vec::new();
        for job in ended {
            self.inner.moments.lock().remove(&job.id);
            lines.extend(line_of_end(job));
        }
        self.inner.history.add_lightly(lines).await;
    }

    /// Does what a step asks for, towards the job's agent.
    pub(super) async fn carry_out(&self, connection: &Arc<Connection>, job: &JobRow, effect: JobEffect) {
        let which = JobRef { job: job.id, attempt: job.life.attempt };
        match effect {
            JobEffect::SendOrder => match self.order(job).await {
                Ok(order) => connection.say(HubToAgent::JobAssign(order)),
                // It stays assigned: the next connection asks again.
                Err(error) => tracing::error!(%error, job = %job.id, "an order can't be made"),
            },
            JobEffect::SendCancel => connection.say(HubToAgent::JobCancel(which)),
            JobEffect::AckResult(attempt) => self.inner.acks.push(connection, JobRef { job: job.id, attempt }),
            JobEffect::Wait => {}
        }
    }
}

/// What an agent said about a job.
type Said = (JobRef, JobEvent, Option<Outcome>);

/// A message that says something about one job and nothing else; any other comes back.
fn step_of(message: AgentToHub) -> Result<Said, AgentToHub> {
    match message {
        AgentToHub::JobAccepted(job) => Ok((job, JobEvent::Accepted(job.attempt), None)),
        AgentToHub::JobResult(JobResult { job, outcome }) => {
            let ending = match &outcome {
                Outcome::Succeeded { .. } => Ending::Succeeded,
                Outcome::Failed { .. } => Ending::Failed,
                Outcome::Cancelled {} => Ending::Cancelled,
            };
            Ok((job, JobEvent::Result(job.attempt, ending), Some(outcome)))
        }
        other => Err(other),
    }
}

/// The line of history about a job that ended; cancelled ones have none.
fn line_of_end(job: &JobRow) -> Option<NewLine> {
    let what = match &job.task {
        JobTask::AssetDownload(file) => file.path.as_str(),
        JobTask::ComfyGitClone(_) => "ComfyUI's repository",
    };
    match job.life.state {
        JobState::Succeeded => Some(NewLine::new("remote", Level::Info, format!("An agent has {what}"))),
        JobState::Failed => {
            let line = NewLine::new("remote", Level::Error, format!("An agent could not get {what}"));
            Some(match &job.outcome {
                Some(Outcome::Failed { detail, .. }) => line.detail(detail.clone()),
                _ => line,
            })
        }
        _ => None,
    }
}

fn heard(connection: &Connection, heard: Result<(), ServiceError>) -> Result<(), Refusal> {
    heard.map_err(|error| {
        let refusal = trouble(&error);
        // It was counted as received and is lost: the next connection brings it again.
        connection.close(refusal.clone());
        refusal
    })
}
