//! A disk that does not offer what others do: a small library that stands between the agent and the system.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::agent::AgentSetup;
use crate::machine::skip;

const SOURCE: &str = include_str!("optional_disk.c");

/// The library, compiled for one test.
#[derive(Debug)]
pub struct OptionalDisk {
    folder: tempfile::TempDir,
}

impl OptionalDisk {
    /// Compiles it; `None`, after [`skip`], where there is no C compiler or no way to load it.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            skip(test, "only glibc loads a library in front of itself");
            return Ok(None);
        }
        let disk = Self { folder: tempfile::tempdir()? };
        let source = disk.folder.path().join("optional_disk.c");
        std::fs::write(&source, SOURCE)?;
        match Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(disk.library()).arg(&source).output() {
            Ok(output) if output.status.success() => Ok(Some(disk)),
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
        self.folder.path().join("optional_disk.so")
    }

    /// An agent on a disk that lacks this.
    #[must_use]
    pub fn lacking(&self, machine: AgentSetup, what: &str) -> AgentSetup {
        machine.set("LD_PRELOAD", self.library()).set("LACKS", what)
    }
}
