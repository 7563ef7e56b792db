//! A library loaded before the hub's own, that lets the system misbehave as a test wants: a file that
//! is opened and never read, as on a NAS that hangs, and a hangup that whoever started the hub ignores.

use std::path::PathBuf;

use anyhow::Result;

use crate::preload::Preload;

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
pub struct Shim(Preload);

impl Shim {
    /// Compiles it for a test; `None`, after a word, where that can't be done.
    pub fn make_for(test: &str) -> Result<Option<Self>> {
        Ok(Preload::compile(test, SOURCE)?.map(Self))
    }

    /// For `LD_PRELOAD`.
    pub fn path(&self) -> PathBuf {
        self.0.library()
    }
}
