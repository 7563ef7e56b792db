//! The agent that the hub hands out, and whether there is one.
//!
//! `AGENT_BINARY`, else the file `agent` beside the hub's own program. It is looked at again whenever
//! its size or time is another; its SHA-256 is taken once per such state.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use shared_protocol::Sha256;

use crate::config::{RemoteConfig, beside_program};
use crate::fs::FileStamp;
use crate::fs::program::{self, ProgramError};
use crate::services::Settings;

/// Name of the agent beside the hub.
const NAME: &str = "agent";

/// What the hub has to hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentProgramState {
    /// This.
    Ready {
        /// Where it lies.
        path: PathBuf,
        /// Size and time.
        stamp: FileStamp,
        /// Its digest, which the bootstrapper compares.
        sha256: Sha256,
    },
    /// Nothing, and what to do.
    Missing(String),
}

/// The agent's program; clones share what is known of it.
#[derive(Clone)]
pub struct AgentProgram {
    settings: Settings,
    known: Arc<Mutex<Option<AgentProgramState>>>,
}

impl AgentProgram {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, known: Arc::default() }
    }

    /// Looks at it. Blocks.
    pub fn look_blocking(&self) -> AgentProgramState {
        let mut known = self.known.lock();
        let settings = self.settings.current();
        let is_same = |state: &AgentProgramState| match state {
            AgentProgramState::Ready { path: old, stamp, .. } => place(&settings.remote)
                .is_some_and(|path| *old == path && program::stamp(&path).is_ok_and(|now| now == *stamp)),
            AgentProgramState::Missing(_) => false,
        };
        if let Some(state) = known.as_ref().filter(|state| is_same(state)) {
            return state.clone();
        }
        let state = find_blocking(&settings.remote);
        *known = Some(state.clone());
        state
    }

    /// Reads it whole, as it was when [`Self::look_blocking`] saw it. Blocks.
    pub fn read_blocking(&self) -> Result<(Vec<u8>, Sha256), String> {
        match self.look_blocking() {
            AgentProgramState::Ready { path, stamp, sha256 } => {
                program::read(&path, stamp).map(|bytes| (bytes, sha256)).map_err(|error| advice(&error))
            }
            AgentProgramState::Missing(why) => Err(why),
        }
    }
}

/// Looks for what a hub of this configuration would hand out. Blocks.
pub fn find_blocking(remote: &RemoteConfig) -> AgentProgramState {
    let Some(path) = place(remote) else {
        return AgentProgramState::Missing("Set AGENT_BINARY to the agent built for x86_64 Linux.".to_owned());
    };
    match program::inspect(&path) {
        Ok((stamp, sha256)) => AgentProgramState::Ready { path, stamp, sha256 },
        Err(error) => AgentProgramState::Missing(advice(&error)),
    }
}

fn place(remote: &RemoteConfig) -> Option<PathBuf> {
    remote.agent_binary.clone().or_else(|| beside_program(NAME))
}

fn advice(error: &ProgramError) -> String {
    format!("{error}. Set AGENT_BINARY to the agent built for x86_64 Linux.")
}
