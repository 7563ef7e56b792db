//! The agents that the hub hands out, one for each kind of machine, and whether there is one.
//!
//! `AGENT_BINARY` or `AGENT_BINARY_AARCH64`, else the one that a released hub carries, else a file beside the hub's own
//! program: `agent` for machines such as the hub's, `agent-x86_64` or `agent-aarch64` for the others. A file is looked at again whenever its size or time is another; the SHA-256 is taken once
//! per such state.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use shared_protocol::{Sha256, Target};

use crate::config::{Key, RemoteConfig, beside_program};
use crate::fs::FileStamp;
use crate::fs::program::{self, ProgramError};
use crate::services::Settings;

/// The agents inside this program; packages are built with both.
#[cfg(carries_agent)]
const CARRIED: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/agent")));
#[cfg(not(carries_agent))]
const CARRIED: Option<&[u8]> = None;
#[cfg(carries_agent_aarch64)]
const CARRIED_AARCH64: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/agent-aarch64")));
#[cfg(not(carries_agent_aarch64))]
const CARRIED_AARCH64: Option<&[u8]> = None;

const fn carried(target: Target) -> Option<&'static [u8]> {
    match target {
        Target::X86_64Linux => CARRIED,
        Target::Aarch64Linux => CARRIED_AARCH64,
    }
}

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

/// The agent's program for one kind of machine; clones share what is known of it.
#[derive(Clone)]
pub struct AgentProgram {
    settings: Settings,
    target: Target,
    carried: Option<&'static [u8]>,
    known: Arc<Mutex<Option<AgentProgramState>>>,
}

impl AgentProgram {
    pub(super) fn new(settings: Settings, target: Target) -> Self {
        Self::carrying(settings, target, carried(target))
    }

    fn carrying(settings: Settings, target: Target, carried: Option<&'static [u8]>) -> Self {
        Self { settings, target, carried, known: Arc::default() }
    }

    pub fn look_blocking(&self) -> AgentProgramState {
        let mut known = self.known.lock();
        let settings = self.settings.current();
        let file = file(&settings.remote, self.target, self.carried);
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
        let state = find(file, self.target, self.carried);
        *known = Some(state.clone());
        state
    }

    /// Reads it whole, as it was when [`Self::look_blocking`] saw it. Blocks.
    pub fn read_blocking(&self) -> Result<(Cow<'static, [u8]>, Sha256), String> {
        match self.look_blocking() {
            AgentProgramState::Ready { origin: AgentOrigin::File(path, stamp), sha256, .. } => {
                let read = program::read(&path, stamp, self.target);
                read.map(|bytes| (bytes.into(), sha256)).map_err(|error| told(self.target, &error))
            }
            AgentProgramState::Ready { origin: AgentOrigin::Carried, sha256, .. } => {
                Ok((self.carried.unwrap_or_default().into(), sha256))
            }
            AgentProgramState::Missing(why) => Err(why),
        }
    }
}

/// Looks for what a hub of this configuration would hand out. Blocks.
pub fn find_blocking(remote: &RemoteConfig, target: Target) -> AgentProgramState {
    let carried = carried(target);
    find(file(remote, target, carried), target, carried)
}

/// The file that is named for a kind of machine.
pub fn named(remote: &RemoteConfig, target: Target) -> Option<&PathBuf> {
    match target {
        Target::X86_64Linux => remote.agent_binary.as_ref(),
        Target::Aarch64Linux => remote.agent_binary_aarch64.as_ref(),
    }
}

fn find(file: Option<PathBuf>, target: Target, carried: Option<&[u8]>) -> AgentProgramState {
    match (file, carried) {
        (Some(path), _) => match program::inspect(&path, target) {
            Ok((stamp, sha256)) => AgentProgramState::Ready {
                size_bytes: stamp.size_bytes,
                origin: AgentOrigin::File(path, stamp),
                sha256,
            },
            Err(error) => AgentProgramState::Missing(told(target, &error)),
        },
        (None, Some(bytes)) => AgentProgramState::Ready {
            origin: AgentOrigin::Carried,
            size_bytes: bytes.len() as u64,
            sha256: program::digest(bytes),
        },
        (None, None) => AgentProgramState::Missing(advice(target)),
    }
}

/// The file to hand out; none where the hub carries its own, or can't tell where it lies.
fn file(remote: &RemoteConfig, target: Target, carried: Option<&[u8]>) -> Option<PathBuf> {
    let name = if target == Target::OWN { "agent".to_owned() } else { format!("agent-{}", target.processor()) };
    let beside = || if carried.is_some() { None } else { beside_program(&name) };
    named(remote, target).cloned().or_else(beside)
}

/// What to do where there is none.
fn advice(target: Target) -> String {
    let key = match target {
        Target::X86_64Linux => Key::AgentBinary,
        Target::Aarch64Linux => Key::AgentBinaryAarch64,
    };
    format!("Set {} to the agent built for {} Linux.", key.name(), target.processor())
}

fn told(target: Target, error: &ProgramError) -> String {
    format!("{error}. {}", advice(target))
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
        let program = AgentProgram::carrying(services.settings.clone(), Target::X86_64Linux, Some(b"carried"));
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
