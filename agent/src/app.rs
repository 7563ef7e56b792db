//! Puts the agent together and runs it: the seam that tests use, with their own work and times.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared_io::FileError;
use shared_io::HubApi;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Ended, Link};
use crate::dispatcher::work::Work;
use crate::dispatcher::{Dispatcher, Setup};
use crate::facts::{self, Pace, Places};
use crate::identity::Identity;
use crate::journal::Journal;
use crate::state_dir::StateDir;
use crate::status::Board;
use crate::timing::Timing;

/// Jobs held besides those worked on: enough that the next ones are there when small ones end one after another.
const WAITING_SLOTS: usize = 48;

/// How long tasks may take to end.
const END_WITHIN: Duration = Duration::from_secs(3);

/// What an agent is made of.
#[derive(Debug)]
pub struct Parts<W> {
    /// The hub.
    pub api: HubApi,
    /// Where the state lies; locked by the caller.
    pub state: StateDir,
    /// What this machine tells about.
    pub places: Places,
    /// Jobs worked on at once.
    pub parallel: usize,
    /// What the jobs are.
    pub work: Arc<W>,
    /// The times to keep to.
    pub timing: Timing,
    /// This program; none where it is not to be replaced.
    pub program: Option<PathBuf>,
}

/// Why an agent could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// The machine can't be looked at.
    #[error("{0:#}")]
    Facts(anyhow::Error),
}

/// Works until `shutdown` is cancelled or the hub ends it.
pub async fn run<W: Work>(parts: Parts<W>, shutdown: CancellationToken) -> Result<Ended, StartError> {
    let Parts { api, state, places, parallel, work, timing, program } = parts;
    let asked = places.clone();
    let found = tokio::task::spawn_blocking(move || facts::collect(&asked)).await;
    let found = found.map_err(|error| StartError::Facts(error.into()))?.map_err(StartError::Facts)?;
    let (facts_sender, facts) = watch::channel(found);
    let identity = Arc::new(Identity::load(&state)?);
    let board = Board::new(api.address().to_string());
    // Ended by the hub, everything else ends too, and the caller's token stays as it is.
    let everything = shutdown.child_token();
    let tasks = TaskTracker::new();
    let setup = Setup {
        work,
        journal: Journal::new(state.jobs()),
        parallel,
        slots: parallel + WAITING_SLOTS,
        timing: timing.clone(),
        board: Arc::clone(&board),
    };
    let dispatcher = Dispatcher::start(setup, &tasks, &everything)?;
    tasks.spawn(Arc::clone(&board).keep(state, everything.clone()));
    let pace = Pace { every: timing.facts_every, apart: timing.facts_apart };
    tasks.spawn(facts::keep(places, facts_sender, dispatcher.clone(), pace, everything.clone()));
    let link = Link { api, timing, identity, dispatcher, facts, board, program };
    let ended = connection::run(&link, &everything).await;
    everything.cancel();
    tasks.close();
    if tokio::time::timeout(END_WITHIN, tasks.wait()).await.is_err() {
        tracing::warn!("some work did not end in time and is broken off");
    }
    Ok(ended)
}
