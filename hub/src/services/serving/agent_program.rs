//! The agent that the hub hands out, and whether there is one.
//!
//! `AGENT_BINARY`, else the one that a released hub carries, else the file `agent` beside the hub's own
//! program. A file is looked at again whenever its size or time is another; the SHA-256 is taken once
//! per such state.

use std::borrow::Cow;
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

/// The agent inside this program; packages are built with one.
#[cfg(carries_agent)]
const CARRIED: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/agent")));
#[cfg(not(carries_agent))]
const CARRIED: Option<&[u8]> = None;

/// Where the agent's program lies.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentOrigin {
    /// In the hub's own program.
    Carried,
    /// In a file of this size and time.
    File(PathBuf, FileStamp),
}

/// What the hub has to hand out.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentProgramState {
    Ready {
        origin: AgentOrigin,
        size_bytes: u64,
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
    carried: Option<&'static [u8]>,
    known: Arc<Mutex<Option<AgentProgramState>>>,
}

impl AgentProgram {
    pub(super) fn new(settings: Settings) -> Self {
        Self::carrying(settings, CARRIED)
    }

    fn carrying(settings: Settings, carried: Option<&'static [u8]>) -> Self {
        Self { settings, carried, known: Arc::default() }
    }

    pub fn look_blocking(&self) -> AgentProgramState {
        let mut known = self.known.lock();
        let settings = self.settings.current();
        let file = file(&settings.remote, self.carried);
        let is_same = |state: &AgentProgramState| match (state, &file) {
            (AgentProgramState::Ready { origin: AgentOrigin::File(old, stamp), .. }, Some(path)) => {
                old == path && program::stamp(path).is_ok_and(|now| now == *stamp)
            }
            (AgentProgramState::Ready { origin: AgentOrigin::Carried, .. }, None) => true,
            _ => false,
        };
        if let Some(state) = known.as_ref().filter(|state| is_same(state)) {
            return state.clone();
        }
        let state = find(file, self.carried);
        *known = Some(state.clone());
        state
    }

    /// Reads it whole, as it was when [`Self::look_blocking`] saw it. Blocks.
    pub fn read_blocking(&self) -> Result<(Cow<'static, [u8]>, Sha256), String> {
        match self.look_blocking() {
            AgentProgramState::Ready { origin: AgentOrigin::File(path, stamp), sha256, .. } => {
                program::read(&path, stamp).map(|bytes| (bytes.into(), sha256)).map_err(|error| advice(&error))
            }
            AgentProgramState::Ready { origin: AgentOrigin::Carried, sha256, .. } => {
                Ok((self.carried.unwrap_or_default().into(), sha256))
            }
            AgentProgramState::Missing(why) => Err(why),
        }
    }
}

/// Looks for what a hub of this configuration would hand out. Blocks.
pub fn find_blocking(remote: &RemoteConfig) -> AgentProgramState {
    find(file(remote, CARRIED), CARRIED)
}

fn find(file: Option<PathBuf>, carried: Option<&[u8]>) -> AgentProgramState {
    match (file, carried) {
        (Some(path), _) => match program::inspect(&path) {
            Ok((stamp, sha256)) => AgentProgramState::Ready {
                size_bytes: stamp.size_bytes,
                origin: AgentOrigin::File(path, stamp),
                sha256,
            },
            Err(error) => AgentProgramState::Missing(advice(&error)),
        },
        (None, Some(bytes)) => AgentProgramState::Ready {
            origin: AgentOrigin::Carried,
            size_bytes: bytes.len() as u64,
            sha256: program::digest(bytes),
        },
        (None, None) => AgentProgramState::Missing(ADVICE.to_owned()),
    }
}

/// The file to hand out; none where the hub carries its own, or can't tell where it lies.
fn file(remote: &RemoteConfig, carried: Option<&[u8]>) -> Option<PathBuf> {
    let beside = || if carried.is_some() { None } else { beside_program(NAME) };
    remote.agent_binary.clone().or_else(beside)
}

/// What to do where there is none.
const ADVICE: &str = "Set AGENT_BINARY to the agent built for x86_64 Linux.";

fn advice(error: &ProgramError) -> String {
    format!("{error}. {ADVICE}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::services::{Services, Tasks};

    /// The start of a program for `x86_64` Linux, and something to tell it by.
    fn elf(text: &str) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0];
        bytes.extend(text.as_bytes());
        bytes
    }

    #[tokio::test]
    async fn the_carried_agent_is_handed_out_unless_a_file_is_named() {
        let tasks = Tasks::new();
        let services = Services::for_tests(&tasks).await;
        let program = AgentProgram::carrying(services.settings.clone(), Some(b"carried"));
        let (bytes, sha256) = program.read_blocking().unwrap();
        assert_eq!((&*bytes, sha256), (&b"carried"[..], program::digest(b"carried")));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        for text in ["first", "another"] {
            std::fs::write(&path, elf(text)).unwrap();
            let named = Some(path.display().to_string());
            services.save_settings([("AGENT_BINARY".to_owned(), named)].into(), &tasks).await.unwrap();
            let (bytes, sha256) = program.read_blocking().unwrap();
            assert_eq!((bytes.into_owned(), sha256), (elf(text), program::digest(&elf(text))));
        }
        // A file that is named but can't be handed out is told, not passed over.
        std::fs::write(&path, b"MZ").unwrap();
        assert!(program.read_blocking().unwrap_err().contains("AGENT_BINARY"));
        services.save_settings([("AGENT_BINARY".to_owned(), None)].into(), &tasks).await.unwrap();
        assert_eq!(&*program.read_blocking().unwrap().0, b"carried");
    }
}
