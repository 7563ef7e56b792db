//! A library loaded before the hub's own, that lets the system misbehave as a test wants: a file that
//! is opened and never read, as on a NAS that hangs, and a hangup that whoever started the hub ignores.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::machine::skip;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int hangs(int fd) {
    const char *name = getenv("HANG_AT");
    char link[64], path[4096];
    if (!name) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, name) != NULL;
}

ssize_t read(int fd, void *to, size_t n) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    while (hangs(fd)) pause();
    return real(fd, to, n);
}

ssize_t pread64(int fd, void *to, size_t n, off64_t at) {
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread64");
    while (hangs(fd)) pause();
    return real(fd, to, n, at);
}

__attribute__((constructor)) static void begin(void) {
    if (getenv("IGNORE_HANGUP")) signal(SIGHUP, SIG_IGN);
}
"#;

/// The library, as long as it is held.
#[derive(Debug)]
pub struct Shim {
    folder: tempfile::TempDir,
}

impl Shim {
    /// Compiles it for a test; `None`, after [`skip`], where that can't be done.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        if !cfg!(target_os = "linux") || crate::hub::wine().is_some() {
            skip(test, "libraries are loaded before others on Linux only");
            return Ok(None);
        }
        let shim = Self { folder: tempfile::tempdir()? };
        let source = shim.folder.path().join("shim.c");
        std::fs::write(&source, SOURCE)?;
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(shim.path())
            .arg(&source)
            .arg("-ldl")
            .output();
        match compiled {
            Err(error) => {
                skip(test, &format!("there is no C compiler: {error}"));
                Ok(None)
            }
            Ok(output) => {
                ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
                Ok(Some(shim))
            }
        }
    }

    /// For `LD_PRELOAD`.
    pub fn path(&self) -> PathBuf {
        Path::new(self.folder.path()).join("shim.so")
    }
}
