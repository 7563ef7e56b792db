//! A disk that does not offer what others do: a small library that stands between the agent and the system.

use anyhow::Result;

use crate::agent::AgentSetup;
use crate::preload::Preload;

const SOURCE: &str = include_str!("optional_disk.c");

/// The library, compiled for one test.
#[derive(Debug)]
pub struct OptionalDisk(Preload);

impl OptionalDisk {
    /// Compiles it; `None`, after a word, where that can't be done.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        Ok(Preload::compile(test, SOURCE)?.map(Self))
    }

    /// An agent on a disk that lacks this.
    #[must_use]
    pub fn lacking(&self, machine: AgentSetup, what: &str) -> AgentSetup {
        machine.set("LD_PRELOAD", self.0.library()).set("LACKS", what)
    }
}
