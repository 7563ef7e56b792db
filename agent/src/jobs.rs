//! What the agent can be asked to do.
//!
//! A job is a future from its order and a [`JobContext`] to an `Outcome`. It never talks to the hub
//! about itself: what it reports is collected and sent by the connection, if there is one, so that work
//! goes on without.

pub mod asset_download;
pub mod comfy_git_clone;
pub mod git;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use shared_io::download::{DownloadTools, Lines, Pace, Patience, Room};
use shared_io::durable::make_folder;
use shared_io::{ConfinedFolder, Http, HubApi, PlaceError};
use shared_protocol::job::JobSpec;
use shared_protocol::outcome::{FailureCode, Outcome};

use self::comfy_git_clone::GitTools;
use crate::config::Config;
use crate::dispatcher::work::{JobContext, Work};
use crate::inventory::{self, Part};
use crate::library::Library;

/// Connections per source.
const CONNECTIONS: usize = 4;

/// Silence after which git's child is ended. A server counts and packs a large repository before it sends anything,
/// and not every one says so meanwhile.
const GIT_STALL: Duration = Duration::from_mins(5);

/// Tries of a git job.
const GIT_TRIES: u32 = 4;

/// The jobs as this agent does them.
pub struct AgentWork {
    downloads: DownloadTools,
    library: Library,
    git: GitTools,
}

impl AgentWork {
    /// Makes the folder of models if need be.
    pub fn new(config: &Config, hub: HubApi, tls: Arc<ClientConfig>) -> anyhow::Result<Self> {
        make_folder(&config.models_dir)?;
        let git = GitTools {
            program: std::env::current_exe().context("cannot find this program")?,
            comfy_dir: config.comfy_dir.clone(),
            allow_private: config.allow_private,
            ca_file: config.ca_file.clone(),
            stall: GIT_STALL,
            tries: GIT_TRIES,
            retry_first: Duration::from_secs(1),
        };
        let models = ConfinedFolder::open_through(&config.models_dir, config.allow_links)?;
        let library = Library::open(models.clone(), config.state_dir.join("library.json"));
        let downloads = DownloadTools {
            models,
            http: Http::new(tls).through(config.proxies.clone()),
            hub: Some(hub),
            allow_private: config.allow_private,
            connections: CONNECTIONS,
            room: Room::default(),
            lines: Lines::default(),
            pace: Pace::default(),
            patience: Patience::default(),
        };
        Ok(Self { downloads, library, git })
    }
}

impl Work for AgentWork {
    fn check(&self, spec: &JobSpec) -> Result<(), String> {
        match spec {
            JobSpec::ComfyGitClone(order) => comfy_git_clone::check(order, &self.git),
            JobSpec::AssetDownload(order) => match self.downloads.models.resolve(&order.dest) {
                Err(error @ PlaceError::Link(_)) => Err(error.to_string()),
                _ => Ok(()),
            },
            JobSpec::Unknown => Err(NOT_KNOWN.to_owned()),
        }
    }

    fn run(&self, spec: JobSpec, context: JobContext) -> BoxFuture<'static, Outcome> {
        match spec {
            JobSpec::ComfyGitClone(order) => {
                Box::pin(comfy_git_clone::comfy_git_clone(order, context, self.git.clone()))
            }
            JobSpec::AssetDownload(order) => {
                let (tools, library) = (self.downloads.clone(), self.library.clone());
                Box::pin(asset_download::asset_download(order, context, tools, library))
            }
            JobSpec::Unknown => Box::pin(async {
                let detail = NOT_KNOWN.to_owned();
                Outcome::Failed { code: FailureCode::Policy, detail, duration_ms: 0, sources: Vec::new() }
            }),
        }
    }

    fn list(&self, part: &mut dyn FnMut(Part) -> bool) {
        inventory::divide(self.library.list(), part);
    }
}

/// Why an order is not taken.
const NOT_KNOWN: &str = "This version of the agent does not know such jobs.";
