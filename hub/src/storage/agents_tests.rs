//! A bound that is reached is not reached for ever.

use anyhow::Result;
use shared_protocol::job::ComfyGitClone;

use super::*;
use crate::storage::jobs::{self, JobTask, NewJob};
use crate::storage::{Database, remote_sessions};

const HOUR_MS: i64 = 3_600_000;

struct Store {
    database: Database,
    session_row: i64,
    _folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("hub.db"))?.0;
        let session_row =
            database.write_blocking(|tx| Ok(remote_sessions::begin(tx, &[1; 32], now_ms() + HOUR_MS)?.id))?;
        Ok(Self { database, session_row, _folder: folder })
    }

    /// An agent that was heard last so long ago.
    fn agent(&self, hours: i64) -> Result<AgentId> {
        let at = timestamp(now_ms() - hours * HOUR_MS);
        let agent = AgentRow {
            id: AgentId::new(),
            boot_id: Uuid::new_v4(),
            previous_boot_id: None,
            version: String::new(),
            slots: 1,
            facts: Facts::default(),
            generation: 1,
            session_row: self.session_row,
            first_seen_at: at,
            last_seen_at: at,
            removed_at: None,
        };
        self.database.write_blocking(|tx| put_agent(tx, &agent))?;
        Ok(agent.id)
    }

    fn work(&self, agent: AgentId) -> Result<()> {
        let task = JobTask::ComfyGitClone(ComfyGitClone {
            url: "https://example.org/x".to_owned(),
            reference: None,
            dir: None,
            depth: None,
            allow_private: false,
        });
        Ok(self.database.write_blocking(|tx| jobs::insert(tx, &NewJob { agent, task }).map(drop))?)
    }

    fn has_room(&self, session_row: i64, connected: &dyn Fn(AgentId) -> bool) -> Result<bool> {
        Ok(self.database.write_blocking(|tx| make_room(tx, session_row, connected))?)
    }

    fn knows(&self, id: AgentId) -> Result<bool> {
        Ok(self.database.read_blocking(|c| show(c, id))?.is_some())
    }
}

fn nobody(_: AgentId) -> bool {
    false
}

#[test]
fn who_was_taken_out_does_not_count_and_is_forgotten_with_its_session() -> Result<()> {
    let store = Store::new()?;
    let mut all = Vec::new();
    for _ in 0..MOST_AGENTS {
        all.push(store.agent(0)?);
    }
    assert!(!store.has_room(store.session_row, &nobody)?, "all were heard a moment ago");
    let first = *all.first().unwrap();
    store.database.write_blocking(|tx| remove(tx, first))?;
    assert!(store.has_room(store.session_row, &nobody)?);
    assert!(store.knows(first)?, "it is refused while its session lives");
    assert!(store.has_room(store.session_row + 1, &nobody)?);
    assert!(!store.knows(first)?);
    Ok(())
}

#[test]
fn who_is_gone_longest_makes_room_unless_work_waits_for_it() -> Result<()> {
    let store = Store::new()?;
    for _ in 3..MOST_AGENTS {
        store.agent(0)?;
    }
    let (working, connected, gone) = (store.agent(30)?, store.agent(20)?, store.agent(2)?);
    store.work(working)?;
    let has_room = || store.has_room(store.session_row, &|id| id == connected);
    assert!(has_room()?);
    assert!(store.knows(working)? && store.knows(connected)? && !store.knows(gone)?);
    store.agent(0)?;
    assert!(!has_room()?, "the others are there, or have work");
    let long_ago = now_ms() - 8 * 24 * HOUR_MS;
    store.database.write_blocking(|tx| {
        tx.execute("UPDATE agents SET last_seen_at = ?2 WHERE id = ?1", (working.to_string(), long_ago))?;
        Ok(())
    })?;
    assert!(has_room()?);
    assert!(!store.knows(working)?);
    Ok(())
}
