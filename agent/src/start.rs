//! From arguments to what is run.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use shared_io::download::Leftovers;
use shared_io::{ConfinedFolder, HubApi, tls};
use shared_protocol::RelPath;
use shared_protocol::job::JobSpec;
use tokio_util::sync::CancellationToken;

use crate::app::{self, Parts};
use crate::cli::{Arguments, Command, RunArguments, default_comfy_dir, default_state_dir};
use crate::config::{Config, ConfigError};
use crate::connection::Ended;
use crate::exit::Exit;
use crate::facts::{self, Places};
use crate::jobs::AgentWork;
use crate::journal::{Journal, Record};
use crate::key::{KeyLoadError, KeyVariables};
use crate::state_dir::{Role, StateDir};
use crate::supervise::{self, Restarts};
use crate::{jobs, log, shutdown, status};

/// How long the system's threads may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Does what the arguments say and writes answers to `out`.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match &arguments.command {
        None => work(&arguments.run),
        Some(Command::Supervise(run)) => supervise(run),
        Some(Command::Status { state_dir, instance, json }) => {
            let state = StateDir::existing(&state_dir.clone().unwrap_or_else(default_state_dir));
            tell_status(&state, instance.as_deref(), *json, out).context("cannot write to standard output")
        }
        Some(Command::Git) => jobs::git::child(),
        Some(Command::Facts { roots }) => {
            let roots = if roots.is_empty() { vec![default_comfy_dir()] } else { roots.clone() };
            let comfy = default_comfy_dir();
            let comfy = comfy.is_dir().then(|| (comfy.clone(), comfy.join("models")));
            let facts = facts::collect(&Places { roots, comfy, allow_links: false })?;
            let text = serde_json::to_string_pretty(&facts).context("cannot write the facts as JSON")?;
            writeln!(out, "{text}").context("cannot write to standard output")?;
            Ok(Exit::Done)
        }
    }
}

/// Tells on one line why the agent ends, and picks the exit code.
pub fn report(error: &anyhow::Error, out: &mut dyn Write) -> Exit {
    // A reader that is gone can't be told anything; the exit code still can.
    drop(writeln!(out, "agent: {}", log::redact(&with_causes(error))));
    let is_usage = error.is::<ConfigError>() || error.is::<KeyLoadError>();
    if is_usage { Exit::Usage } else { Exit::Fault }
}

/// An error with everything that led to it, in one line. Many tell their cause themselves: it is not told twice.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.extend([": ", &cause]);
        }
    }
    text
}

fn work(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let config = Config::new(arguments)?;
    // Asked now: once it is replaced, the system names it otherwise.
    let program = std::env::current_exe().context("cannot find this program")?;
    let tls = tls::client_config(config.ca_file.as_deref())?;
    let state = StateDir::open(&config.state_dir)?;
    let key = KeyVariables::read().load(&state)?;
    if key.is_exposed && cfg!(unix) {
        let error = key.hide();
        return Err(error).context("cannot start anew without the key in the environment");
    }
    let lock = state.lock(Role::Agent)?;
    log::start(state.path())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), hub = %config.hub, "the agent starts");
    if let Some(proxy) = config.hub.proxy(&config.proxies) {
        tracing::info!("the hub is reached through the proxy {proxy}, as the environment says");
    }
    if let Some(why) = config.proxies.unusable() {
        tracing::warn!("{why}");
    }
    let api = HubApi::new(config.hub.clone(), &key.key, &tls, &config.proxies)?;
    let comfy = Some((config.comfy_dir.clone(), config.models_dir.clone()));
    let mut roots = vec![config.models_dir.clone()];
    if !config.models_dir.starts_with(&config.comfy_dir) {
        roots.push(config.comfy_dir.clone());
    }
    if config.allow_links {
        // Each may be a disk of its own.
        let linked = shared_io::linked::find(&config.models_dir);
        roots.extend(linked.iter().filter_map(|found| found.pinned()).map(|pinned| pinned.place.clone()));
    }
    let work = Arc::new(AgentWork::new(&config, api.clone(), tls)?);
    let records = Journal::new(state.jobs()).read()?;
    let models = ConfinedFolder::open_through(&config.models_dir, config.allow_links)?;
    let leftovers = Leftovers::new(models, destinations_of_open_jobs(&records), SystemTime::now());
    let parts = Parts {
        state,
        places: Places { roots, comfy, allow_links: config.allow_links },
        parallel: config.parallel,
        work,
        api,
        timing: config.timing.clone(),
        program: Some(program.clone()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(shutdown::watch(shutdown.clone()));
        // Beside the work: a folder on a network may take long to be looked through.
        let end = shutdown.clone();
        tokio::task::spawn_blocking(move || leftovers.sweep(&|| end.is_cancelled()));
        app::run(parts, shutdown).await
    });
    runtime.shutdown_timeout(END_WITHIN);
    let exit = match ended? {
        Ended::Shutdown => Exit::Done,
        Ended::ForGood(why) => {
            tracing::error!("the agent ends for good: {why}");
            key.forget();
            Exit::Over
        }
        Ended::Replaced => {
            tracing::info!("the hub's version of this program takes over");
            drop(lock);
            return Err(start_anew(&program)).context("cannot start the hub's version of this program");
        }
    };
    drop(lock);
    Ok(exit)
}

/// Starts a program in the place of this one, with the same arguments. Returns only if that fails: then whoever watches
/// over this one starts it again.
#[cfg(unix)]
fn start_anew(program: &Path) -> std::io::Error {
    use std::os::unix::process::CommandExt as _;
    std::process::Command::new(program).args(std::env::args_os().skip(1)).exec()
}

/// A program can't be replaced here.
#[cfg(not(unix))]
fn start_anew(_program: &Path) -> std::io::Error {
    std::io::ErrorKind::Unsupported.into()
}

/// The places that downloads are going on to, or will.
fn destinations_of_open_jobs(records: &[Record]) -> impl Iterator<Item = &RelPath> {
    records.iter().filter(|record| record.outcome.is_none()).filter_map(|record| match &record.spec {
        JobSpec::AssetDownload(order) => Some(&order.dest),
        JobSpec::ComfyGitClone(_) | JobSpec::Unknown => None,
    })
}

fn supervise(arguments: &RunArguments) -> anyhow::Result<Exit> {
    // Told here and now, not by a child again and again.
    let config = Config::new(arguments)?;
    let state = StateDir::open(&config.state_dir)?;
    let key = KeyVariables::read().load(&state)?;
    if key.is_exposed && cfg!(unix) {
        let error = key.hide();
        return Err(error).context("cannot start anew without the key in the environment");
    }
    let lock = state.lock(Role::Supervisor)?;
    // Without the command itself; options may stand before it, too.
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "supervise").collect();
    let program = std::env::current_exe().context("cannot find this program")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let exit = runtime.context("cannot start the runtime")?.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(shutdown::watch(shutdown.clone()));
        supervise::run(program, arguments, &Restarts::default(), &shutdown).await
    })?;
    drop(lock);
    Ok(exit)
}

fn tell_status(state: &StateDir, instance: Option<&str>, is_json: bool, out: &mut dyn Write) -> std::io::Result<Exit> {
    let (found, status) = status::look(state, instance);
    if is_json {
        let text = serde_json::json!({ "state": found, "status": status });
        writeln!(out, "{text}")?;
    } else {
        status::tell(found, status.as_ref(), out)?;
    }
    Ok(match found {
        status::Found::Connected => Exit::Done,
        status::Found::NotRunning => Exit::Fault,
        status::Found::NotConnected => Exit::NotConnected,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::io;

    use shared_io::FileError;
    use shared_protocol::hub_to_agent::JobRef;
    use shared_protocol::job::{AssetDownload, SourcePolicy};
    use shared_protocol::outcome::Outcome;
    use shared_protocol::{Blake3, JobId};

    use super::*;
    use crate::state_dir::StateError;

    #[test]
    fn only_open_jobs_keep_the_place_of_their_download() {
        let spec = JobSpec::AssetDownload(AssetDownload {
            blake3: Blake3::from_bytes([7; 32]),
            size_bytes: 5,
            dest: RelPath::parse("loras/x").unwrap(),
            sources: Vec::new(),
            policy: SourcePolicy {
                stall_timeout_s: 30,
                min_speed: 1,
                retry_per_source: 3,
                source_patience_s: 0,
                allow_private: false,
            },
        });
        let mut record = Record::new(JobRef { job: JobId::new(), attempt: 1 }, 0, spec);
        assert_eq!(destinations_of_open_jobs(std::slice::from_ref(&record)).count(), 1);
        record.outcome = Some(Outcome::Cancelled {});
        assert_eq!(destinations_of_open_jobs(&[record]).count(), 0);
    }

    fn told(error: &anyhow::Error) -> String {
        let mut out = Vec::new();
        report(error, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_cause_is_told_once() {
        let full = || io::Error::new(io::ErrorKind::StorageFull, "the disk is full");
        let of_file = || StateError::from(FileError::of("write", Path::new("/x"))(full()));
        let text = "cannot write /x: the disk is full\n";
        assert_eq!(told(&of_file().into()), format!("agent: {text}"), "it tells its cause itself");
        let around = anyhow::Error::from(of_file()).context("cannot begin");
        assert_eq!(told(&around), format!("agent: cannot begin: {text}"));
        let silent = anyhow::Error::from(full()).context("cannot begin");
        assert_eq!(told(&silent), "agent: cannot begin: the disk is full\n", "it does not");
    }
}
