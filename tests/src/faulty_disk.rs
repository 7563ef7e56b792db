//! A disk that fails on demand: a small library that stands between the hub and the system.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::hub::HubSetup;
use crate::machine::skip;

const SOURCE: &str = include_str!("faulty_disk.c");

/// The library, compiled for one test.
#[derive(Debug)]
pub struct FaultyDisk {
    folder: tempfile::TempDir,
}

impl FaultyDisk {
    /// Compiles it; `None`, after [`skip`], where there is no C compiler or no way to load it.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            skip(test, "only glibc loads a library in front of itself");
            return Ok(None);
        }
        let faulty = Self { folder: tempfile::tempdir()? };
        let source = faulty.folder.path().join("faulty_disk.c");
        std::fs::write(&source, SOURCE)?;
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(faulty.library()).arg(&source).output();
        match compiled {
            Ok(output) if output.status.success() => Ok(Some(faulty)),
            Ok(output) => {
                skip(test, &format!("the library can't be compiled: {}", String::from_utf8_lossy(&output.stderr)));
                Ok(None)
            }
            Err(error) => {
                skip(test, &format!("there is no C compiler: {error}"));
                Ok(None)
            }
        }
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("faulty_disk.so")
    }

    fn until(&self) -> PathBuf {
        self.folder.path().join("whole again")
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
        hub.set("LD_PRELOAD", self.library()).set("FAULTY_UNTIL", self.until())
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
