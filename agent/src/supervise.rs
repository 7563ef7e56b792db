//! Starts the agent again when it crashes, on machines where nothing else does: containers, mostly.
//!
//! The child is this program with the same options. What it ends with by itself stays ended: 0, wrong
//! arguments (2), and the hub's word that it is over (78). A signal to the supervisor goes on to the child.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// How long a child that was asked to end may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// The times between a crash and the next start.
#[derive(Debug, Clone)]
pub struct Restarts {
    /// After the first crash; it doubles.
    pub first: Duration,
    /// At most.
    pub most: Duration,
    /// A child that ran as long starts the times over.
    pub healthy_after: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_mins(1), healthy_after: Duration::from_mins(1) }
    }
}

/// Why there is no child.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {}: {source}", program.display())]
pub struct SpawnError {
    program: PathBuf,
    source: std::io::Error,
}

/// Runs `program` with `arguments` until it ends by itself or `shutdown` is cancelled.
pub async fn run(
    program: PathBuf,
    arguments: Vec<OsString>,
    restarts: &Restarts,
    shutdown: &CancellationToken,
) -> Result<Exit, SpawnError> {
    let mut wait = restarts.first;
    loop {
        let begun = Instant::now();
        let mut child = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|source| SpawnError { program: program.clone(), source })?;
        let status = tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                end(&mut child).await;
                return Ok(Exit::Done);
            }
            status = child.wait() => status,
        };
        let status = status.map_err(|source| SpawnError { program: program.clone(), source })?;
        if let Some(exit) = final_exit(status) {
            return Ok(exit);
        }
        if begun.elapsed() >= restarts.healthy_after {
            wait = restarts.first;
        }
        tracing::error!(again_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "the agent ended: {status}");
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(Exit::Done),
            () = tokio::time::sleep(wait) => {}
        }
        wait = restarts.most.min(wait * 2);
    }
}

/// The exit that is not a crash.
fn final_exit(status: ExitStatus) -> Option<Exit> {
    [Exit::Done, Exit::Usage, Exit::Over].into_iter().find(|exit| status.code() == Some(i32::from(exit.code())))
}

/// Asks a child to end, and ends it if it does not.
async fn end(child: &mut Child) {
    ask(child);
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        // It may have ended in this moment.
        child.kill().await.ok();
    }
}

#[cfg(unix)]
fn ask(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended needs no asking.
        kill_process(pid, Signal::TERM).ok();
    }
}

#[cfg(not(unix))]
fn ask(_child: &Child) {}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    const QUICK: Restarts = Restarts {
        first: Duration::from_millis(1),
        most: Duration::from_millis(4),
        healthy_after: Duration::from_mins(1),
    };

    async fn supervise(script: &str, shutdown: &CancellationToken) -> Exit {
        run("/bin/sh".into(), vec!["-c".into(), script.into()], &QUICK, shutdown).await.unwrap()
    }

    #[tokio::test]
    async fn a_crash_is_followed_by_a_new_start_until_it_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("starts");
        for (code, exit) in [(0, Exit::Done), (2, Exit::Usage), (78, Exit::Over)] {
            fs::write(&file, "").unwrap();
            let path = file.display();
            let script = format!(
                "echo x >> {path}; n=$(wc -l < {path}); [ $n -lt 3 ] && exit 1; [ $n -lt 5 ] && kill -9 $$; exit {code}"
            );
            assert_eq!(supervise(&script, &CancellationToken::new()).await, exit);
            assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5);
        }
    }

    #[tokio::test]
    async fn a_child_is_asked_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let (up, down) = (folder.path().join("up"), folder.path().join("down"));
        let script = format!(
            "trap 'echo asked > {}; exit 0' TERM; echo up > {}; while :; do sleep 0.01; done",
            down.display(),
            up.display()
        );
        let shutdown = CancellationToken::new();
        let supervised = supervise(&script, &shutdown);
        let asking = async {
            while !up.exists() {
                tokio::task::yield_now().await;
            }
            shutdown.cancel();
        };
        assert_eq!(tokio::join!(supervised, asking).0, Exit::Done);
        assert!(down.exists());
    }
}
