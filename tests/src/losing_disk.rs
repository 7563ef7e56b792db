//! A disk that loses what it was to keep: a small library that stands between the agent and the system.

use anyhow::Result;

use crate::agent::AgentSetup;
use crate::preload::Preload;

const SOURCE: &str = include_str!("losing_disk.c");

/// What is gone when a half-done file is synced.
#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// What was written to it.
    Bytes,
    /// Its name.
    Name,
}

/// The library, compiled for one test.
#[derive(Debug)]
pub struct LosingDisk(Preload);

impl LosingDisk {
    /// Compiles it; `None`, after a word, where that can't be done.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        Ok(Preload::compile(test, SOURCE)?.map(Self))
    }

    /// An agent on a disk that loses this at the first so many syncs.
    #[must_use]
    pub fn losing(&self, machine: AgentSetup, loss: Loss, n_times: u32) -> AgentSetup {
        let variable = match loss {
            Loss::Bytes => "LOSES_BYTES",
            Loss::Name => "LOSES_NAME",
        };
        machine.set("LD_PRELOAD", self.0.library()).set(variable, n_times.to_string())
    }
}
