//! One git job in a process of its own: libgit2 can hang on a dead link, and a process can be killed.
//!
//! The agent starts itself with [`COMMAND`] and writes an [`Order`] as one line to the child's standard
//! input; the child tells how far it is as lines of JSON ([`Told`]). The input stays open as long as the
//! agent lives: its end ends the child, so that none outlives a killed agent.

mod checkout;
mod merge;
mod repository;
mod transport;

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared_io::Http;
use shared_io::tls;
use shared_protocol::Allowed;
use shared_protocol::outcome::{FailureCode, How};

use crate::config::proxies;
use crate::exit::Exit;

/// The hidden command that makes this program the child.
pub const COMMAND: &str = "git-job";

/// Shortest time between two lines about progress.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What the child is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The repository.
    pub url: String,
    /// A branch, tag or commit; none for the remote's default.
    pub reference: Option<String>,
    /// Where; its folder is there.
    pub target: PathBuf,
    /// Commits of history.
    pub depth: Option<u32>,
    /// Whether private addresses may be reached.
    pub allow_private: bool,
    /// Certificates to believe besides the usual ones.
    pub ca_file: Option<PathBuf>,
}

/// What the child tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// How far it is.
    Progress {
        /// A step, for a person.
        doing: String,
        /// Bytes received.
        bytes: u64,
    },
    /// It is done.
    Done {
        /// How it came about.
        how: How,
        /// The commit that is checked out.
        commit: String,
    },
    /// It is not.
    Failed {
        /// Why.
        code: FailureCode,
        /// For a person.
        detail: String,
        /// Whether another try may help.
        retry: bool,
    },
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct GitFailure {
    code: FailureCode,
    detail: String,
    retry: bool,
}

impl GitFailure {
    fn in_the_way(detail: String) -> Self {
        Self { code: FailureCode::InTheWay, detail, retry: false }
    }

    fn git(detail: String) -> Self {
        Self { code: FailureCode::Git, detail, retry: false }
    }

    fn network(detail: String) -> Self {
        Self { code: FailureCode::Git, detail, retry: true }
    }

    fn disk(verb: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let code =
            if error.kind() == std::io::ErrorKind::StorageFull { FailureCode::DiskFull } else { FailureCode::Disk };
        Self { code, detail: format!("cannot {verb} {}: {error}", path.display()), retry: false }
    }
}

impl From<git2::Error> for GitFailure {
    fn from(error: git2::Error) -> Self {
        let detail = error.message().to_owned();
        if detail.contains(transport::NOT_ALLOWED) {
            return Self { code: FailureCode::Policy, detail, retry: false };
        }
        if detail.contains("No space left") {
            return Self { code: FailureCode::DiskFull, detail, retry: false };
        }
        // The network shows up as one of these; all else is told by git about what is there.
        let retry = matches!(
            error.class(),
            git2::ErrorClass::Net | git2::ErrorClass::Os | git2::ErrorClass::Http | git2::ErrorClass::Indexer
        ) || error.class() == git2::ErrorClass::None;
        Self { code: FailureCode::Git, detail, retry }
    }
}

/// Tells the agent how far it is, not too often.
struct Teller {
    told_at: Option<Instant>,
    doing: &'static str,
    bytes: u64,
    /// What the server says besides, up to the end of its line.
    said: String,
}

/// Longest line of a server that is passed on.
const LONGEST_SAID: usize = 120;

impl Teller {
    const fn new() -> Self {
        Self { told_at: None, doing: "", bytes: 0, said: String::new() }
    }

    /// The server says how far it is itself: a large repository is counted and packed before its first byte comes.
    fn server_says(&mut self, text: &[u8]) {
        for c in String::from_utf8_lossy(text).chars() {
            match c {
                '\r' | '\n' => self.end_line(),
                c if c.is_control() || self.said.len() >= LONGEST_SAID => {}
                c => self.said.push(c),
            }
        }
    }

    fn end_line(&mut self) {
        let is_early = self.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY);
        let said = std::mem::take(&mut self.said);
        if !is_early && !said.trim().is_empty() {
            self.told_at = Some(Instant::now());
            tell(&Told::Progress { doing: format!("the server: {}", said.trim()), bytes: self.bytes });
        }
    }

    fn progress(&mut self, doing: &'static str, n: usize, n_total: usize, bytes: u64) {
        let is_early = self.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY);
        self.bytes = self.bytes.max(bytes);
        if is_early && doing == self.doing {
            return;
        }
        self.doing = doing;
        self.told_at = Some(Instant::now());
        self.said.clear();
        let doing = if n_total > 0 { format!("{doing}: {n} of {n_total}") } else { doing.to_owned() };
        tell(&Told::Progress { doing, bytes: self.bytes });
    }
}

/// Writes one line for the agent. If it is gone, the end of our input ends us.
fn tell(told: &Told) {
    let mut out = std::io::stdout().lock();
    if let Ok(line) = serde_json::to_string(told) {
        writeln!(out, "{line}").and_then(|()| out.flush()).ok();
    }
}

/// Is the child.
pub fn child() -> anyhow::Result<Exit> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    std::thread::Builder::new().name("life line".to_owned()).spawn(end_with_the_agent)?;
    let told = match run(&order) {
        Ok(told) => told,
        Err(GitFailure { code, detail, retry }) => Told::Failed { code, detail, retry },
    };
    tell(&told);
    Ok(Exit::Done)
}

/// Waits for the end of the input, and ends.
#[allow(clippy::exit, reason = "the other thread may hang in libgit2")]
fn end_with_the_agent() {
    std::io::stdin().lock().read_to_end(&mut Vec::new()).ok();
    std::process::exit(i32::from(Exit::Fault.code()));
}

fn run(order: &Order) -> Result<Told, GitFailure> {
    let internal = |error: String| GitFailure { code: FailureCode::Internal, detail: error, retry: false };
    let tls = tls::client_config(order.ca_file.as_deref()).map_err(|error| internal(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| internal(error.to_string()))?;
    let http = Http::new(tls).through(proxies());
    let asker = transport::register(runtime, http, Allowed::with_private(order.allow_private))?;
    let (how, commit) = checkout::bring(order, &asker, &mut Teller::new())?;
    Ok(Told::Done { how, commit: commit.to_string() })
}
