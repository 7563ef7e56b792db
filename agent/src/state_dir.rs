//! The folder where the agent keeps what has to last: its id, its jobs, its state for `agent status`, its
//! log. One agent at a time uses it, and one machine ([`crate::machine_dir`]).
//!
//! `machine.json` · `agent.json` (the id) · `jobs/` ([`crate::journal`]) · `status.json` ([`crate::status`]) ·
//! `agent.log` and `agent.log.1` · `agent.lock`, held while an agent runs · `agent.holder` (who that is, for disks
//! without locks) · `agent.pid` · `alive` · the same for `supervise` · `key`, only if the key came by the environment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared_io::locks::{Locked, try_lock};
use shared_io::{FileError, durable};
use shared_protocol::AgentId;

use crate::machine_dir;
use crate::process::Process;

/// How long a lock is waited for: `agent status` holds it for a moment, and one that ends for a little longer.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// Someone else uses it.
    #[error("another agent uses {}: stop it first, or choose another --state-dir", .0.display())]
    InUse(PathBuf),
}

/// Who may hold a lock in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The agent that works.
    Agent,
    /// The one that starts it again.
    Supervisor,
}

impl Role {
    const fn lock_name(self) -> &'static str {
        match self {
            Self::Agent => "agent.lock",
            Self::Supervisor => "supervise.lock",
        }
    }

    const fn holder_name(self) -> &'static str {
        match self {
            Self::Agent => "agent.holder",
            Self::Supervisor => "supervise.holder",
        }
    }

    const fn pid_name(self) -> &'static str {
        match self {
            Self::Agent => "agent.pid",
            Self::Supervisor => "supervise.pid",
        }
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

/// The folder is this process's own as long as this lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
    pid: PathBuf,
    holder: PathBuf,
}

/// Who holds a lock.
#[derive(Serialize, Deserialize)]
struct Holder {
    #[serde(flatten)]
    process: Process,
    /// The disk has no locks, or none that keep anyone out.
    by_name_only: bool,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    agent_id: AgentId,
}

impl StateDir {
    /// Finds this machine's folder in the one that was named, and makes it if need be.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let path = std::path::absolute(path).map_err(FileError::of("use the folder", path))?;
        let path = machine_dir::claim(&path)?;
        for folder in [path.clone(), path.join("jobs")] {
            fs::create_dir_all(&folder).map_err(FileError::of("make the folder", &folder))?;
        }
        Ok(Self(path))
    }

    /// Finds this machine's folder in the one that was named, to look into it.
    pub fn existing(path: &Path) -> Self {
        Self(machine_dir::find(path))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder of jobs.
    pub fn jobs(&self) -> PathBuf {
        self.0.join("jobs")
    }

    /// Makes it this process's own. The system ends that with the process, however it ends.
    pub fn lock(&self, role: Role) -> Result<Lock, StateError> {
        let path = self.file(role.lock_name());
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(FileError::of("open", &path))?;
        let begun = Instant::now();
        loop {
            let is_theirs = match try_lock(&file).map_err(FileError::of("lock", &path))? {
                Locked::Theirs => true,
                // Whoever could not lock it has written down that it is theirs.
                Locked::Ours | Locked::NotOffered => self.holder(role).is_some_and(|holder| holder != Process::this()),
            };
            if !is_theirs {
                break;
            }
            if begun.elapsed() >= LOCK_PATIENCE {
                return Err(StateError::InUse(self.0.clone()));
            }
            // Another one's try must not fail because of ours.
            drop(file.unlock());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (pid, holder) = (self.file(role.pid_name()), self.file(role.holder_name()));
        let by_name_only = !keeps_others_out(&path);
        let named = Holder { process: Process::this(), by_name_only };
        durable::replace_lightly(&holder, &serde_json::to_vec(&named).unwrap_or_default())?;
        durable::replace_lightly(&pid, format!("{}\n", std::process::id()).as_bytes())?;
        Ok(Lock { file, pid, holder })
    }

    /// Whether an agent or a supervisor runs.
    pub fn is_locked(&self, role: Role) -> bool {
        let path = self.file(role.lock_name());
        let Ok(file) = File::options().write(true).open(&path) else { return false };
        matches!(try_lock(&file), Ok(Locked::Theirs)) || self.holder(role).is_some()
    }

    /// The process that holds a lock by its name alone, if it runs.
    fn holder(&self, role: Role) -> Option<Process> {
        let text = fs::read(self.file(role.holder_name())).ok()?;
        let holder: Holder = serde_json::from_slice(&text).ok()?;
        (holder.by_name_only && holder.process.is_alive()).then_some(holder.process)
    }

    /// The agent's id: that of the file, or a fresh one that is kept from now on.
    pub fn agent_id(&self) -> Result<AgentId, FileError> {
        let path = self.file("agent.json");
        if let Some(Identity { agent_id }) = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(agent_id);
        }
        let agent_id = AgentId::new();
        self.keep_agent_id(agent_id)?;
        Ok(agent_id)
    }

    /// Keeps an id that the hub gave.
    pub fn keep_agent_id(&self, agent_id: AgentId) -> Result<(), FileError> {
        let path = self.file("agent.json");
        let text = serde_json::to_vec(&Identity { agent_id }).unwrap_or_default();
        durable::replace(&path, &text)
    }
}

/// Whether a lock that is held on this file is felt by others: some disks grant all of them.
fn keeps_others_out(path: &Path) -> bool {
    let again = File::options().write(true).open(path);
    again.is_ok_and(|again| matches!(try_lock(&again), Ok(Locked::Theirs)))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What stays behind is harmless: the lock itself says who runs.
        drop(fs::remove_file(&self.pid));
        drop(fs::remove_file(&self.holder));
        drop(self.file.unlock());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_kept_and_a_torn_file_makes_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("a/state")).unwrap();
        let first = state.agent_id().unwrap();
        assert_eq!(state.agent_id().unwrap(), first);
        let given = AgentId::new();
        state.keep_agent_id(given).unwrap();
        assert_eq!(state.agent_id().unwrap(), given);
        fs::write(state.file("agent.json"), "{\"agent").unwrap();
        let fresh = state.agent_id().unwrap();
        assert_ne!(fresh, given);
        assert_eq!(state.agent_id().unwrap(), fresh);
    }

    #[test]
    fn one_at_a_time_uses_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        assert!(!state.is_locked(Role::Agent));
        let lock = state.lock(Role::Agent).unwrap();
        assert!(state.is_locked(Role::Agent) && !state.is_locked(Role::Supervisor));
        assert_eq!(fs::read_to_string(state.file("agent.pid")).unwrap(), format!("{}\n", std::process::id()));
        assert!(matches!(state.lock(Role::Agent), Err(StateError::InUse(_))));
        drop(lock);
        assert!(!state.is_locked(Role::Agent) && !state.file("agent.pid").exists());
        state.lock(Role::Agent).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_holds_it_is_known_by_name_as_long_as_it_runs_and_a_copy_of_the_folder_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        fs::write(state.file("agent.lock"), "").unwrap();
        let mut other = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let ticks = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            text.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().ok()
        };
        let process = Process { pid: other.id(), started_ticks: ticks(other.id()), ..Process::this() };
        let write = |by_name_only| {
            let holder = Holder { process: process.clone(), by_name_only };
            fs::write(state.file("agent.holder"), serde_json::to_vec(&holder).unwrap()).unwrap();
        };
        write(false);
        assert!(!state.is_locked(Role::Agent), "where locks are felt, they have the last word");
        write(true);
        assert!(state.is_locked(Role::Agent));
        assert!(matches!(state.lock(Role::Agent), Err(StateError::InUse(_))));
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!state.is_locked(Role::Agent), "what it wrote is old");
        state.lock(Role::Agent).unwrap();
    }
}
