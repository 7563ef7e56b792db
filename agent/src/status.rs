//! How it goes, for people and the bootstrapper: kept by the agent in `status.json`, read by
//! `agent status`. Whether an agent runs at all is told by its lock, not by this file; and what the file says counts
//! only if the process that wrote it is of this machine, still runs, and wrote it lately.

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use shared_io::durable;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::machine_dir::{ALIVE, ALIVE_EVERY};
use crate::process::Process;
use crate::state_dir::{Role, StateDir};

/// Names the start of an agent, for whoever started it.
pub const INSTANCE_VARIABLE: &str = "COMFY_AGENT_INSTANCE";

/// How old what the file says may be: it is written again every [`ALIVE_EVERY`].
const FRESH: Duration = Duration::from_mins(1);

/// Name of the file in the folder of state.
const FILE: &str = "status.json";

/// Shortest time between two writes of the file.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// How it goes. Times are seconds since 1970 on this machine's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// Its process.
    #[serde(flatten)]
    pub process: Process,
    /// What whoever started it calls this start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When this was written.
    pub alive_at: u64,
    /// Its hub.
    pub hub: String,
    /// Since when it runs.
    pub started_at: u64,
    /// Since when it is connected; none if it isn't.
    pub connected_since: Option<u64>,
    /// When the session ends.
    pub expires_at: Option<u64>,
    /// Jobs worked on.
    pub n_working: usize,
    /// Jobs held: worked on, waiting, or with a result that the hub does not have yet.
    pub n_held: usize,
    /// Why it is not connected, or why it last lost its connection.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<u64>,
}

/// What `agent status` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It runs and is connected.
    Connected,
    /// It does not run.
    NotRunning,
    /// It runs and is not connected.
    NotConnected,
}

/// Where the parts of the agent say how it goes.
#[derive(Debug)]
pub struct Board {
    status: Mutex<Status>,
    changed: Notify,
}

impl Board {
    /// Begins, not connected.
    pub fn new(hub: String) -> Arc<Self> {
        let status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: Process::this(),
            instance: std::env::var(INSTANCE_VARIABLE).ok().filter(|word| !word.is_empty()),
            hub,
            started_at: now(),
            ..Status::default()
        };
        let changed = Notify::new();
        changed.notify_one();
        Arc::new(Self { status: Mutex::new(status), changed })
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let before = status.clone();
        change(&mut status);
        if *status != before {
            self.changed.notify_one();
        }
    }

    /// There is a connection.
    pub fn connected(&self) {
        self.change(|status| status.connected_since = Some(now()));
    }

    /// There is none.
    pub fn lost(&self, why: &str) {
        self.change(|status| {
            status.connected_since = None;
            status.last_error = Some(why.to_owned());
            status.last_error_at = Some(now());
        });
    }

    /// The session's end is known.
    pub fn expires_in(&self, time: Duration) {
        self.change(|status| status.expires_at = now().checked_add(time.as_secs()));
    }

    /// How many jobs there are.
    pub fn jobs(&self, n_working: usize, n_held: usize) {
        self.change(|status| (status.n_working, status.n_held) = (n_working, n_held));
    }

    /// Keeps the file as it is here, until the agent ends.
    pub async fn keep(self: Arc<Self>, state: StateDir, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(ALIVE_EVERY) => {}
            }
            let text = serde_json::to_vec(&Status { alive_at: now(), ..self.status() }).unwrap_or_default();
            let (path, alive) = (state.file(FILE), state.file(ALIVE));
            let written = tokio::task::spawn_blocking(move || {
                durable::replace_lightly(&path, &text)?;
                durable::replace_lightly(&alive, b"")
            })
            .await;
            if let Ok(Err(error)) = written {
                tracing::warn!("`agent status` is behind: {error}");
            }
            tokio::time::sleep(WRITE_EVERY).await;
        }
    }
}

/// Looks how the agent of this folder goes; how the one goes that was started by the name of `instance`, if one is
/// told.
pub fn look(state: &StateDir, instance: Option<&str>) -> (Found, Option<Status>) {
    let status = fs::read(state.file(FILE)).ok().and_then(|text| serde_json::from_slice::<Status>(&text).ok());
    let is_meant = |status: &Status| instance.is_none() || status.instance.as_deref() == instance;
    let found = match &status {
        _ if !state.is_locked(Role::Agent) => Found::NotRunning,
        Some(status) if status.connected_since.is_some() && status.is_believed() && is_meant(status) => {
            Found::Connected
        }
        _ => Found::NotConnected,
    };
    (found, status)
}

impl Status {
    /// Whether it is of a process that runs here, and of now.
    fn is_believed(&self) -> bool {
        let age = now().abs_diff(self.alive_at);
        // Where the system does not tell when a process started, the lock and the time have to do.
        let runs = self.process.is_alive() || (self.process.is_here() && self.process.started_ticks.is_none());
        runs && age <= FRESH.as_secs()
    }
}

/// Tells it to a person.
pub fn tell(found: Found, status: Option<&Status>, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(status) = status else {
        return match found {
            Found::NotRunning => writeln!(out, "The agent does not run."),
            Found::Connected | Found::NotConnected => writeln!(out, "The agent has just started."),
        };
    };
    let Status { process: Process { pid, .. }, hub, version, n_working, n_held, .. } = status;
    let since = |at: Option<u64>| duration(now().saturating_sub(at.unwrap_or_default()));
    match found {
        Found::NotRunning => writeln!(out, "The agent does not run.")?,
        Found::Connected => writeln!(out, "Connected to {hub} for {}.", since(status.connected_since))?,
        Found::NotConnected => writeln!(out, "Not connected to {hub}; the agent goes on trying.")?,
    }
    if found != Found::NotRunning {
        writeln!(out, "Agent {version}, process {pid}, started {} ago.", since(Some(status.started_at)))?;
        writeln!(out, "Jobs: {n_working} at work, {n_held} held.")?;
    }
    if let Some(expires_at) = status.expires_at {
        match expires_at.checked_sub(now()) {
            Some(left) => writeln!(out, "The session ends in {}.", duration(left))?,
            None => writeln!(out, "The session is over.")?,
        }
    }
    if let Some(error) = &status.last_error {
        writeln!(out, "Last trouble, {} ago: {error}", since(status.last_error_at))?;
    }
    Ok(())
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn told(state: &StateDir) -> (Found, String) {
        let (found, status) = look(state, None);
        let mut text = Vec::new();
        tell(found, status.as_ref(), &mut text).unwrap();
        (found, String::from_utf8(text).unwrap())
    }

    #[tokio::test]
    async fn what_is_told_is_what_happened_and_the_lock_has_the_last_word() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        assert_eq!(told(&state), (Found::NotRunning, "The agent does not run.\n".to_owned()));
        let lock = state.lock(Role::Agent).unwrap();
        assert_eq!(told(&state).0, Found::NotConnected);
        let board = Board::new("https://hub.example".to_owned());
        let shutdown = CancellationToken::new();
        let keeping = tokio::spawn(Arc::clone(&board).keep(state.clone(), shutdown.clone()));
        board.lost("something in between answered 403");
        board.jobs(1, 3);
        let wait_for = async |found: Found| {
            while told(&state).0 != found {
                tokio::task::yield_now().await;
            }
            told(&state).1
        };
        let text = wait_for(Found::NotConnected).await;
        assert!(text.contains("403") || text.contains("just started"), "{text}");
        board.connected();
        board.expires_in(Duration::from_hours(4));
        let text = wait_for(Found::Connected).await;
        assert!(text.starts_with("Connected to https://hub.example for"), "{text}");
        assert!(text.contains("1 at work, 3 held") && text.contains("403"), "{text}");
        shutdown.cancel();
        keeping.await.unwrap();
        drop(lock);
        assert_eq!(told(&state).0, Found::NotRunning, "a file that says otherwise is old");
    }

    #[test]
    fn what_another_process_or_another_time_says_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let _lock = state.lock(Role::Agent).unwrap();
        let right = Status {
            process: Process::this(),
            instance: Some("mine".to_owned()),
            alive_at: now(),
            connected_since: Some(now()),
            ..Status::default()
        };
        let found = |status: &Status, instance: Option<&str>| {
            fs::write(state.file(FILE), serde_json::to_vec(status).unwrap()).unwrap();
            look(&state, instance).0
        };
        assert_eq!(found(&right, None), Found::Connected);
        assert_eq!(found(&right, Some("mine")), Found::Connected);
        assert_eq!(found(&right, Some("another's")), Found::NotConnected);
        let of = |process: Process| Status { process, ..right.clone() };
        let elsewhere = of(Process { machine: "another pod".to_owned(), ..Process::this() });
        let before = of(Process { started_ticks: Some(1), ..Process::this() });
        let old = Status { alive_at: now() - 3_600, ..right.clone() };
        for wrong in [elsewhere, before, old] {
            assert_eq!(found(&wrong, None), Found::NotConnected, "{wrong:?}");
        }
    }
}
