//! A small library that is loaded before a program's own, so that the system behaves to it as a test wants.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::machine::skip;

/// A compiled library, as long as it is held.
#[derive(Debug)]
pub(crate) struct Preload {
    folder: tempfile::TempDir,
}

impl Preload {
    /// Compiles it for a test; `None`, after [`skip`], where there is no C compiler or no way to load it.
    pub(crate) fn compile(test: &str, source: &str) -> Result<Option<Self>> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) || crate::hub::wine().is_some() {
            skip(test, "only glibc loads a library in front of itself");
            return Ok(None);
        }
        let made = Self { folder: tempfile::tempdir()? };
        let text = made.folder().join("preload.c");
        std::fs::write(&text, source)?;
        let options = ["-shared", "-fPIC", "-O1", "-o"];
        match Command::new("cc").args(options).arg(made.library()).arg(&text).arg("-ldl").output() {
            Ok(output) if output.status.success() => Ok(Some(made)),
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

    /// A folder of its own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// For `LD_PRELOAD`.
    pub(crate) fn library(&self) -> PathBuf {
        self.folder().join("preload.so")
    }
}
