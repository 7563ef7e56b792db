//! What agents say, and what follows from it.
//!
//! Progress is kept in memory and told to browsers at their pace; the database hears of it when a
//! state changes, and every few seconds. A result is acknowledged only after it is on the disk (`acks`).

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
use super::job_view::Moment;
use crate::domain::remote_job::{Ending, JobEffect, JobEvent, JobState};
use crate::services::{Event, ServiceError};
use crate::storage::agents;
use crate::storage::history::{Level, NewLine};
use crate::storage::jobs::{self, JobRow, JobTask};

/// Lines of one frame that are kept.
const MOST_LINES: usize = 50;

impl Remote {
    /// Takes a frame's text from a transport. A refusal has ended the connection already.
    pub async fn hear_text(&self, connection: &Arc<Connection>, text: &str) -> Result<(), Refusal> {
        match Decoded::decode(text) {
            Ok(frame) => self.hear(connection, frame).await,
            Err(error) => {
                let refusal = protocol(error.to_string());
                connection.close(refusal.clone());
                Err(refusal)
            }
        }
    }

    /// Takes a frame from a transport. A refusal has ended the connection already.
    pub async fn hear(&self, connection: &Arc<Connection>, frame: Decoded<AgentToHub>) -> Result<(), Refusal> {
        if connection.is_closed() {
            return Err(connection.reason());
        }
        let Some(message) = connection.receive(frame)? else { return Ok(()) };
        let heard = self.react(connection, message).await.map_err(|error| trouble(&error));
        if let Err(refusal) = &heard {
            // It was counted as received and is lost: the next connection brings it again.
            connection.close(refusal.clone());
        }
        heard
    }

    async fn react(&self, connection: &Arc<Connection>, message: AgentToHub) -> Result<(), ServiceError> {
        match message {
            AgentToHub::Hello(_) => connection.close(protocol("a connection has one \"hello\"")),
            AgentToHub::JobAccepted(JobRef { job, attempt }) => {
                self.happens(connection, job, JobEvent::Accepted(attempt), None).await?;
            }
            AgentToHub::JobRejected(rejected) => {
                let JobRef { job, attempt } = rejected.job;
                let line = format!("The agent can't take it: {}", rejected.detail);
                self.note(connection, job, attempt, vec![("warning", line)]).await?;
                let outcome = super::job_view::rejection(rejected.reason, rejected.detail);
                self.happens(connection, job, JobEvent::Rejected(attempt, rejected.reason), outcome).await?;
            }
            AgentToHub::Progress(progress) => {
                for job in progress.jobs {
                    self.progress(connection, job).await?;
                }
            }
            AgentToHub::JobLog(log) => self.log(connection, log).await?,
            AgentToHub::JobResult(result) => self.result(connection, result).await?,
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
            AgentToHub::Pong(_) => {}
            AgentToHub::Bye(bye) => {
                tracing::info!(agent = %connection.agent(), reason = %bye.reason.escape_debug(), "an agent says good-bye");
                connection.close(protocol("the agent has said good-bye"));
            }
        }
        Ok(())
    }

    async fn progress(&self, connection: &Arc<Connection>, progress: JobProgress) -> Result<(), ServiceError> {
        let JobRef { job, attempt } = progress.job;
        let known = self.inner.moments.lock().get(&job).map(|moment| (moment.attempt, moment.state));
        let event = JobEvent::Progress(attempt, progress.phase);
        let state = match known {
            // The usual case costs the database nothing.
            Some((of, state)) if of == attempt && state == super::job_view::state_of(progress.phase) => state,
            _ => match self.happens(connection, job, event, None).await? {
                Some(row) if row.life.attempt == attempt && row.life.state.is_with_agent() => row.life.state,
                _ => return Ok(()),
            },
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

    async fn result(&self, connection: &Arc<Connection>, result: JobResult) -> Result<(), ServiceError> {
        let JobRef { job, attempt } = result.job;
        let ending = match &result.outcome {
            Outcome::Succeeded { .. } => Ending::Succeeded,
            Outcome::Failed { .. } => Ending::Failed,
            Outcome::Cancelled {} => Ending::Cancelled,
        };
        let before = self.happens(connection, job, JobEvent::Result(attempt, ending), Some(result.outcome)).await?;
        if before.is_none() {
            // Of a job that is no more, or of another agent: it may be forgotten.
            connection.say(HubToAgent::ResultAck(JobRef { job, attempt }));
        }
        Ok(())
    }

    /// Puts an event to a job of this agent; `None` if there is no such job. What follows is carried out
    /// after it is committed.
    pub(super) async fn happens(
        &self,
        connection: &Arc<Connection>,
        job: JobId,
        event: JobEvent,
        outcome: Option<Outcome>,
    ) -> Result<Option<JobRow>, ServiceError> {
        let _turn = self.inner.turn.lock().await;
        let Some(happened) = self.apply(job, Some(connection.agent()), event, outcome).await? else { return Ok(None) };
        for effect in happened.effects {
            self.carry_out(connection, &happened.job, effect).await;
        }
        Ok(Some(happened.job))
    }

    /// Tells people that a job ended.
    pub(super) async fn tell_end(&self, job: &JobRow) {
        self.inner.moments.lock().remove(&job.id);
        self.inner.wake.notify_one();
        let what = match &job.task {
            JobTask::AssetDownload(file) => file.path.as_str(),
            JobTask::ComfyGitClone(_) => "ComfyUI's repository",
        };
        let line = match job.life.state {
            JobState::Succeeded => NewLine::new("remote", Level::Info, format!("An agent has {what}")),
            JobState::Failed => {
                let line = NewLine::new("remote", Level::Error, format!("An agent could not get {what}"));
                match &job.outcome {
                    Some(Outcome::Failed { detail, .. }) => line.detail(detail.clone()),
                    _ => line,
                }
            }
            _ => return,
        };
        self.inner.history.add_lightly(line).await;
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
