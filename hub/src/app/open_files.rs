//! How many files the hub may have open.
//!
//! Work on names holds the folders of a group of files open, and shells give a program few: 1,024 on most
//! Linux systems. Up to what the system allows anyway, a program may ask for more by itself.

/// Enough for every place of the queue.
#[cfg(unix)]
const WANTED: u64 = 16_384;

/// Asks for more; what is given is enough for less done at once.
#[cfg(unix)]
pub fn allow_many() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(WANTED).min(WANTED);
    if now.current.is_none_or(|current| current >= most) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum }) {
        tracing::info!(%error, "the number of open files stays as it was");
    }
}

/// Windows has no such limit.
#[cfg(windows)]
pub const fn allow_many() {}
