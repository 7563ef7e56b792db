//! Which process something is about: a number alone is given again to others, with its start it is not.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in the system's own count since its boot; none where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_ticks: Option<u64>,
    /// Its machine, from one boot to the next.
    pub machine: String,
}

impl Process {
    /// This one.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self { pid, started_ticks: started_ticks(pid), machine: shared_io::machine::this().id() }
    }

    /// Whether it runs on this machine.
    pub fn is_alive(&self) -> bool {
        self.is_here() && self.started_ticks.is_some() && started_ticks(self.pid) == self.started_ticks
    }

    /// Whether it is, or was, of this machine.
    pub fn is_here(&self) -> bool {
        self.machine == shared_io::machine::this().id()
    }
}

fn started_ticks(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    // One that is dead and was not waited for runs no more.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_again_is_another_process() {
        let this = Process::this();
        assert!(this.is_alive());
        let before = this.started_ticks.map(|at| at - 1);
        assert!(!Process { started_ticks: before, ..this.clone() }.is_alive());
        assert!(!Process { machine: "other".to_owned(), ..this }.is_alive());
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let process = Process { pid: child.id(), started_ticks: started_ticks(child.id()), ..Process::this() };
        assert!(process.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_alive());
    }
}
