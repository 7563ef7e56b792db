//! Who this agent is: an id that is kept on its disk, and one of this start.

use std::sync::{Mutex, PoisonError};

use shared_io::FileError;
use shared_protocol::AgentId;
use uuid::Uuid;

use crate::state_dir::StateDir;

/// Who this agent is.
#[derive(Debug)]
pub struct Identity {
    agent_id: Mutex<AgentId>,
    boot_id: Uuid,
    state: StateDir,
}

impl Identity {
    /// Reads the id, or makes one.
    pub fn load(state: &StateDir) -> Result<Self, FileError> {
        let agent_id = Mutex::new(state.agent_id()?);
        Ok(Self { agent_id, boot_id: Uuid::new_v4(), state: state.clone() })
    }

    /// The id it goes by.
    pub fn agent_id(&self) -> AgentId {
        *self.agent_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Random at each start.
    pub const fn boot_id(&self) -> Uuid {
        self.boot_id
    }

    /// Goes by another id from now on. If it can't be kept, the hub gives another one next time.
    pub async fn become_agent(&self, id: AgentId) {
        *self.agent_id.lock().unwrap_or_else(PoisonError::into_inner) = id;
        let state = self.state.clone();
        match tokio::task::spawn_blocking(move || state.keep_agent_id(id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the new id is not kept: {error}"),
            Err(error) => tracing::warn!("the new id is not kept: {error}"),
        }
    }
}
