//! A disk that fails on demand: a small library that stands between the hub and the system.

use std::path::PathBuf;

use anyhow::Result;

use crate::hub::HubSetup;
use crate::preload::Preload;

const SOURCE: &str = include_str!("faulty_disk.c");

/// The library, compiled for one test.
#[derive(Debug)]
pub struct FaultyDisk(Preload);

impl FaultyDisk {
    /// Compiles it; `None`, after a word, where that can't be done.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        Ok(Preload::compile(test, SOURCE)?.map(Self))
    }

    fn until(&self) -> PathBuf {
        self.0.folder().join("whole again")
    }

    /// Reading a file whose path ends so fails from an offset on.
    #[must_use]
    pub fn reading(&self, hub: HubSetup, name: &str, offset: u64) -> HubSetup {
        self.below(hub).set("FAULTY_READ", format!("{name}:{offset}"))
    }

    /// Syncing a file or folder whose path ends so fails.
    #[must_use]
    pub fn syncing(&self, hub: HubSetup, name: &str) -> HubSetup {
        self.below(hub).set("FAULTY_SYNC", name)
    }

    fn below(&self, hub: HubSetup) -> HubSetup {
        hub.set("LD_PRELOAD", self.0.library()).set("FAULTY_UNTIL", self.until())
    }

    /// From now on nothing fails any more.
    pub fn heal(&self) -> Result<()> {
        Ok(std::fs::write(self.until(), "")?)
    }

    /// It fails again.
    pub fn break_again(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.until())?)
    }
}
