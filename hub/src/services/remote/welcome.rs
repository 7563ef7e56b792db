//! An agent says hello: who it is, and what becomes of each job it has or should have.
//!
//! Everything is decided in one transaction, so that a kill in the middle leaves either the old
//! connection or the new one. The newest connection of an id wins. An id whose earlier start comes
//! back after a later one has spoken is a cloned disk: the one that came back gets an id of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use shared_protocol::agent_to_hub::{AgentToHub, Hello};
use shared_protocol::envelope::Decoded;
use shared_protocol::hub_to_agent::{Answer, HubToAgent, JobRef, Limits, Reconciled, Welcome};
use shared_protocol::job::JobPhase;
use shared_protocol::refusal::{Refusal, RefusalCode};
use shared_protocol::{AgentId, JobId, version};
use uuid::Uuid;

use super::Remote;
use super::connection::{Connection, busy, protocol, trouble};
use super::conversation::Conversation;
use super::live::{LiveSession, over};
use crate::domain::remote_job::{Back, JobEffect, JobEvent, step};
use crate::services::Event;
use crate::storage::agents::{self, AgentRow};
use crate::storage::jobs::{self, JobRow};
use crate::storage::{Connection as Db, StorageError};

/// Connections at once.
const MOST_CONNECTIONS: usize = 64;

/// Jobs that an agent may say it holds, and slots it may offer.
const MOST_SLOTS: u32 = 64;

/// What the database made of a hello.
struct Greeted {
    agent: AgentRow,
    answers: Vec<Reconciled>,
    follow: Vec<(JobRow, JobEffect)>,
}

enum Judged {
    Greeted(Box<Greeted>),
    Removed,
    Full,
}

impl Remote {
    /// Opens a connection with its first frame, which has to be a hello.
    pub async fn connect(&self, session: LiveSession, first: Decoded<AgentToHub>) -> Result<Arc<Connection>, Refusal> {
        let mut conversation = Conversation::default();
        let message = conversation.receive(first).map_err(|broken| protocol(broken.to_string()))?;
        let Some(AgentToHub::Hello(hello)) = message else {
            return Err(protocol("the first frame has to be \"hello\", with number 1"));
        };
        let ours = (version::PROTO, version::PROTO);
        let Some(proto) = version::negotiate(ours, (hello.proto_min, hello.proto_max)) else {
            return Err(Refusal {
                code: RefusalCode::Version,
                detail: format!(
                    "This hub speaks version {} of the protocol, this agent {} to {}: it takes this hub's program, or run the install command again.",
                    version::PROTO,
                    hello.proto_min,
                    hello.proto_max
                ),
                retry: false,
                retry_after_s: None,
            });
        };
        let _turn = self.inner.turn.lock().await;
        if let Some(code) = session.is_over() {
            return Err(over(code));
        }
        let connected = self.connected_agents();
        // One that comes back takes the place that it has.
        if !connected.contains(&hello.agent_id) && connected.len() >= MOST_CONNECTIONS {
            return Err(busy("Too many agents are connected.", Duration::from_secs(30)));
        }
        let (hello, row) = (*hello, session.row());
        let slots = hello.slots.clamp(1, MOST_SLOTS);
        let judged = self.inner.database.write(move |tx| judge_hello(tx, hello, row, slots, &connected)).await;
        let greeted = match judged.map_err(|error| trouble(&error))? {
            Judged::Greeted(greeted) => *greeted,
            Judged::Removed => return Err(over(RefusalCode::Revoked)),
            Judged::Full => return Err(busy("This hub knows too many agents.", Duration::from_mins(5))),
        };
        let Greeted { agent, answers, follow } = greeted;
        let connection = Arc::new(Connection::new(agent.id, agent.generation, slots, session.clone(), conversation));
        connection.say(HubToAgent::Welcome(Welcome {
            proto,
            session: session.session(),
            generation: agent.generation,
            heartbeat_s: version::PING_EVERY.as_secs(),
            lease_s: version::LEASE.as_secs(),
            expires_in_s: session.expires_in_s(),
            limits: Limits {
                max_frame_bytes: version::MAX_FRAME_BYTES as u64,
                progress_every_ms: u64::try_from(version::PROGRESS_EVERY.as_millis()).unwrap_or(u64::MAX),
            },
            agent_id: agent.id,
            jobs: answers,
        }));
        let before = self.inner.connections.lock().insert(agent.id, Arc::clone(&connection));
        if let Some(before) = before {
            before.close(superseded());
        }
        self.inner.away.lock().remove(&agent.id);
        for (job, effect) in follow {
            self.carry_out(&connection, &job, effect).await;
            self.inner.events.send(Event::JobChanged(job.id));
        }
        tracing::info!(agent = %agent.id, generation = agent.generation, "an agent is connected");
        self.inner.events.send(Event::AgentChanged(agent.id));
        self.inner.wake.notify_one();
        Ok(connection)
    }

    /// Agents whose connection is open.
    fn connected_agents(&self) -> HashSet<AgentId> {
        let connections = self.inner.connections.lock();
        connections.iter().filter(|(_, connection)| !connection.is_closed()).map(|(id, _)| *id).collect()
    }

    /// A transport has ended: its agent is away from now on, if nothing newer has taken over.
    pub async fn disconnected(&self, connection: &Arc<Connection>) {
        connection.close(protocol("the connection has ended"));
        let was_current = {
            let mut connections = self.inner.connections.lock();
            let is_it = connections.get(&connection.agent()).is_some_and(|now| Arc::ptr_eq(now, connection));
            if is_it {
                connections.remove(&connection.agent());
                self.inner.away.lock().insert(connection.agent(), std::time::Instant::now());
            }
            is_it
        };
        connection.asked.lock().clear();
        if was_current {
            let agent = connection.agent();
            let seen = self.inner.database.write(move |tx| agents::set_seen(tx, agent)).await;
            seen.inspect_err(|error| tracing::error!(%error, "an agent's last sign of life can't be stored")).ok();
            self.inner.events.send(Event::AgentChanged(agent));
            self.inner.wake.notify_one();
        }
    }
}

fn superseded() -> Refusal {
    Refusal {
        code: RefusalCode::Superseded,
        detail: "A newer connection of this agent has taken over.".to_owned(),
        retry: true,
        retry_after_s: None,
    }
}

fn judge_hello(
    tx: &Db,
    hello: Hello,
    session_row: i64,
    slots: u32,
    connected: &HashSet<AgentId>,
) -> Result<Judged, StorageError> {
    let known = agents::show(tx, hello.agent_id)?;
    if known.as_ref().is_some_and(|agent| agent.removed_at.is_some() && agent.session_row == session_row) {
        return Ok(Judged::Removed);
    }
    let (id, previous) = identity(known.as_ref(), hello.agent_id, hello.boot_id);
    let is_clone = id != hello.agent_id;
    // One that was taken out in an earlier session counts no longer, and is new.
    let is_new = is_clone || known.as_ref().is_none_or(|known| known.removed_at.is_some());
    if is_new && !agents::make_room(tx, session_row, &|id| connected.contains(&id))? {
        return Ok(Judged::Full);
    }
    let now = jiff::Timestamp::now();
    let agent = AgentRow {
        id,
        boot_id: hello.boot_id,
        previous_boot_id: previous,
        version: hello.agent_version.chars().filter(|c| !c.is_control()).take(64).collect(),
        slots,
        facts: hello.facts,
        generation: agents::next_generation(tx)?,
        session_row,
        first_seen_at: known.as_ref().filter(|_| !is_clone).map_or(now, |known| known.first_seen_at),
        last_seen_at: now,
        removed_at: None,
    };
    agents::put_agent(tx, &agent)?;
    let has = hello.active.iter().map(|active| (active.job.job, (active.job.attempt, active.phase))).collect();
    let results = hello.unacked_results.iter().map(|result| (result.job, result.attempt)).collect();
    let follow = reconcile(tx, id, &has, &results)?;
    let mut answers = Vec::with_capacity(hello.active.len());
    for active in &hello.active {
        let row = jobs::show(tx, active.job.job)?.filter(|row| row.agent == id);
        answers.push(Reconciled { job: active.job, answer: answer(row.as_ref(), active.job) });
    }
    Ok(Judged::Greeted(Box::new(Greeted { agent, answers, follow })))
}

/// The id to go by, and the start before this one.
fn identity(known: Option<&AgentRow>, id: AgentId, boot: Uuid) -> (AgentId, Option<Uuid>) {
    match known {
        Some(known) if known.boot_id == boot => (id, known.previous_boot_id),
        // It is back although another start has spoken since: two disks hold this id.
        Some(known) if known.previous_boot_id == Some(boot) => (AgentId::new(), None),
        Some(known) => (id, Some(known.boot_id)),
        None => (id, None),
    }
}

fn answer(row: Option<&JobRow>, job: JobRef) -> Answer {
    let goes_on =
        row.is_some_and(|row| row.life.attempt == job.attempt && row.life.state.is_with_agent() && !row.life.cancel);
    if goes_on { Answer::Continue } else { Answer::Cancel }
}

/// What becomes of the jobs that the hub holds as being with this agent.
fn reconcile(
    tx: &Db,
    agent: AgentId,
    has: &HashMap<JobId, (u32, JobPhase)>,
    results: &HashMap<JobId, u32>,
) -> Result<Vec<(JobRow, JobEffect)>, StorageError> {
    let mut follow = Vec::new();
    for mut job in jobs::held(tx, Some(agent))? {
        let back = match (has.get(&job.id), results.get(&job.id)) {
            (_, Some(attempt)) if *attempt == job.life.attempt => Back::HasResult(*attempt),
            (Some((attempt, phase)), _) => Back::Has(*attempt, *phase),
            _ => Back::Nothing,
        };
        let Ok((life, effects)) = step(job.life, JobEvent::Back(back)) else { continue };
        job.life = life;
        if !life.cancel {
            job.cancel_at_ms = None;
        }
        jobs::save(tx, &job)?;
        follow.extend(effects.into_iter().map(|effect| (job.clone(), effect)));
    }
    Ok(follow)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_comes_back_after_another_has_an_id_of_its_own() {
        let (id, [a, b, c]) = (AgentId::new(), [1, 2, 3].map(Uuid::from_u128));
        let known = |boot_id, previous_boot_id| AgentRow {
            id,
            boot_id,
            previous_boot_id,
            version: String::new(),
            slots: 1,
            facts: shared_protocol::facts::Facts::default(),
            generation: 1,
            session_row: 1,
            first_seen_at: jiff::Timestamp::UNIX_EPOCH,
            last_seen_at: jiff::Timestamp::UNIX_EPOCH,
            removed_at: None,
        };
        assert_eq!(identity(None, id, a), (id, None));
        assert_eq!(identity(Some(&known(a, None)), id, a), (id, None), "it reconnects");
        assert_eq!(identity(Some(&known(a, None)), id, b), (id, Some(a)), "it was started again");
        assert_eq!(identity(Some(&known(b, Some(a))), id, c), (id, Some(b)), "and again");
        let (new, previous) = identity(Some(&known(b, Some(a))), id, a);
        assert!(new != id && previous.is_none());
    }
}
