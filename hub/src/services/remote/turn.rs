//! One turn after the other changes jobs, each in one commit, and what passes by itself: leases, cancels that nobody
//! answers, silence, the end of a session.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use shared_protocol::hub_to_agent::{HubToAgent, SessionUpdate};
use shared_protocol::outcome::Outcome;
use shared_protocol::{AgentId, JobId, hub_to_agent, version};

use super::Remote;
use super::connection::protocol;
use super::job_view::Moment;
use crate::domain::remote_job::{JobEffect, JobEvent, JobState, Life, step};
use crate::services::{Event, ServiceError};
use crate::storage::jobs::{self, JobRow};
use crate::storage::{Connection, StorageError, now_ms};

/// Between two looks while there is something to look at.
const LOOK: Duration = Duration::from_secs(1);

/// A busy agent is asked again after this.
const BUSY: Duration = Duration::from_secs(10);

/// How often the database hears of progress.
const FLUSH: Duration = Duration::from_secs(5);

/// An event for a job.
pub(super) struct Step {
    pub(super) job: JobId,
    /// Whose it has to be; anyone's if none.
    pub(super) agent: Option<AgentId>,
    pub(super) event: JobEvent,
    /// How it ended, if that is the event.
    pub(super) outcome: Option<Outcome>,
}

/// An event that a job took.
pub(super) struct Happened {
    pub(super) job: JobRow,
    pub(super) effects: Vec<JobEffect>,
}

/// What became of a step in the database, with where the job was before.
type Taken = Option<(Happened, Life)>;

impl Remote {
    /// [`Self::apply_all`] of a single event.
    pub(super) async fn apply(
        &self,
        job: JobId,
        agent: Option<AgentId>,
        event: JobEvent,
        outcome: Option<Outcome>,
    ) -> Result<Option<Happened>, ServiceError> {
        let mut happened = self.apply_all(vec![Step { job, agent, event, outcome }]).await?;
        Ok(happened.pop().flatten())
    }

    /// Puts events to jobs and commits what becomes of them, together; the caller holds the turn. `None` where there is
    /// no such job (of this agent). An event that the job drops comes back without effects. The commit survives a kill of
    /// the hub; before anything is said that must survive a power cut, too, [`Self::make_durable`] is called.
    pub(super) async fn apply_all(&self, steps: Vec<Step>) -> Result<Vec<Option<Happened>>, ServiceError> {
        let moments: Vec<Option<Moment>> = {
            let moments = self.inner.moments.lock();
            steps.iter().map(|step| moments.get(&step.job).cloned()).collect()
        };
        let taken = self.inner.database.write_lightly(move |tx| {
            steps
                .into_iter()
                .zip(moments)
                .map(|(step, moment)| take_step(tx, step, moment))
                .collect::<Result<Vec<_>, _>>()
        });
        let (mut all, mut ended) = (Vec::new(), Vec::new());
        for taken in taken.await? {
            let Some((happened, before)) = taken else {
                all.push(None);
                continue;
            };
            let Happened { job, .. } = &happened;
            if job.life != before {
                if let Some(moment) = self.inner.moments.lock().get_mut(&job.id) {
                    moment.state = job.life.state;
                }
                if job.life.state.is_final() {
                    ended.push(job.clone());
                }
                self.inner.events.send(Event::JobChanged(job.id));
            }
            all.push(Some(happened));
        }
        self.tell_ends(&ended).await;
        Ok(all)
    }

    /// Makes all commits so far last, with one sync for however many there are.
    pub(super) async fn make_durable(&self) -> Result<(), ServiceError> {
        Ok(self.inner.database.make_durable().await?)
    }

    /// Runs until the program ends. Asleep while there is neither an agent nor an open job.
    pub(super) async fn run(self) {
        let mut session = self.sessions.watch();
        let mut flushed = Instant::now();
        let mut looked = None;
        let shutdown = self.inner.tasks.token().clone();
        let mut is_busy = true;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK), if is_busy => {}
                () = self.inner.wake.notified() => {}
                changed = session.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.tell_time_left();
                }
                () = shutdown.cancelled() => break,
            }
            // What passes by time is looked at at its own pace, however often something is to be assigned.
            let round = if looked.is_some_and(|at: Instant| at.elapsed() < LOOK) {
                self.dispatch().await.map(|()| true)
            } else {
                looked = Some(Instant::now());
                self.look_after_jobs(&mut flushed).await
            };
            match round {
                Ok(busy) => is_busy = busy,
                Err(error) => {
                    tracing::error!(%error, "the remote side could not look after its jobs");
                    is_busy = true;
                }
            }
        }
        self.flush().await.inspect_err(|error| tracing::error!(%error, "progress could not be stored")).ok();
    }

    async fn look_after_jobs(&self, flushed: &mut Instant) -> Result<bool, ServiceError> {
        let silent: Vec<_> = self.inner.connections.lock().values().filter(|c| c.is_silent()).cloned().collect();
        for connection in silent {
            connection.close(protocol("nothing was heard for too long"));
            self.disconnected(&connection).await;
        }
        if flushed.elapsed() >= FLUSH {
            *flushed = Instant::now();
            self.flush().await?;
        }
        let held = self.inner.database.read(|c| jobs::held(c, None)).await?;
        let away = self.away(&held);
        for job in &held {
            let event = match job.cancel_at_ms {
                Some(at) if now_ms() - at > overdue_ms() => JobEvent::CancelOverdue,
                _ if job.life.state != JobState::Unknown
                    && job.life.state.is_with_agent()
                    && away.get(&job.agent).is_some_and(|since| since.elapsed() > version::LEASE) =>
                {
                    JobEvent::LeaseOver
                }
                _ => continue,
            };
            let _turn = self.inner.turn.lock().await;
            self.apply(job.id, None, event, None).await?;
        }
        self.dispatch().await?;
        let n_connections = self.inner.connections.lock().len();
        Ok(n_connections > 0 || held.iter().any(|job| job.life.state != JobState::Unknown))
    }

    /// Since when the agents of these jobs are out of touch. After a start of the hub the time begins anew:
    /// it is the hub that was away.
    fn away(&self, open: &[JobRow]) -> HashMap<AgentId, Instant> {
        let connections = self.inner.connections.lock();
        let mut away = self.inner.away.lock();
        for job in open {
            if !connections.contains_key(&job.agent) {
                away.entry(job.agent).or_insert_with(Instant::now);
            }
        }
        away.clone()
    }

    /// Tells the database how far jobs are.
    async fn flush(&self) -> Result<(), ServiceError> {
        let new: Vec<(JobId, u64, Option<u64>)> = {
            let mut moments = self.inner.moments.lock();
            let mut new = Vec::new();
            for (id, moment) in moments.iter_mut() {
                if std::mem::take(&mut moment.is_new) {
                    new.push((*id, moment.bytes_done, moment.bytes_total));
                }
            }
            new
        };
        if new.is_empty() {
            return Ok(());
        }
        let stored = self
            .inner
            .database
            .write(move |tx| new.into_iter().try_for_each(|(id, done, total)| jobs::set_progress(tx, id, done, total)));
        Ok(stored.await?)
    }

    fn tell_time_left(&self) {
        let Some(session) = self.sessions.current() else { return };
        for connection in self.inner.connections.lock().values() {
            if connection.session().row() == session.row() {
                let expires_in_s = session.expires_in_s();
                connection.say(HubToAgent::SessionUpdate(SessionUpdate { expires_in_s }));
            }
        }
    }
}

/// One step within the transaction of all that come together.
fn take_step(tx: &Connection, asked: Step, moment: Option<Moment>) -> Result<Taken, StorageError> {
    let Step { job: id, agent, event, outcome } = asked;
    let Some(mut job) = jobs::show(tx, id)?.filter(|job| agent.is_none_or(|agent| job.agent == agent)) else {
        return Ok(None);
    };
    let before = job.life;
    let Ok((life, effects)) = step(job.life, event) else {
        return Ok(Some((Happened { job, effects: Vec::new() }, before)));
    };
    job.life = life;
    if let Some(moment) = moment.filter(|moment| moment.attempt == life.attempt) {
        job.bytes_done = moment.bytes_done;
        job.bytes_total = moment.bytes_total.or(job.bytes_total);
    }
    job.not_before_ms =
        effects.contains(&JobEffect::Wait).then(|| now_ms() + i64::try_from(BUSY.as_millis()).unwrap_or(0));
    job.cancel_at_ms = if life.cancel { job.cancel_at_ms.or_else(|| Some(now_ms())) } else { None };
    if life.state.is_final() && !before.state.is_final() {
        job.outcome = match life.state {
            JobState::Cancelled => Some(Outcome::Cancelled {}),
            _ => outcome,
        };
        if life.state == JobState::Succeeded {
            job.bytes_done = job.bytes_total.unwrap_or(job.bytes_done);
        }
    } else if before.state.is_final() && !life.state.is_final() {
        job.outcome = None;
        job.bytes_done = 0;
    }
    if life != before || !effects.is_empty() {
        jobs::save(tx, &job)?;
    }
    Ok(Some((Happened { job, effects }, before)))
}

fn overdue_ms() -> i64 {
    i64::try_from(hub_to_agent::CANCEL_WITHIN.as_millis()).unwrap_or(i64::MAX)
}
