//! What the agent can be asked to do, and what each job is given: its name, a way to be stopped, and a
//! way to tell how far it is.
//!
//! A job is a future from its order and a [`JobContext`] to an `Outcome`. It never talks to the hub
//! about itself: what it reports is collected and sent by the connection, if there is one, so that work
//! goes on without.

pub mod asset_download;
pub mod comfy_git_clone;
pub mod git;
pub mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use shared_protocol::hub_to_agent::JobRef;
use shared_protocol::job::JobSpec;
use shared_protocol::outcome::{FailureCode, Outcome};
use tokio_util::sync::CancellationToken;

use self::comfy_git_clone::GitTools;
use crate::app::make_folder;
use crate::config::Config;
use crate::confine::{ConfineError, ConfinedFolder};
use crate::dispatcher::work::Work;

use crate::download::{DownloadTools, Patience, Room};
use crate::http::Http;
use crate::hub_api::HubApi;
use crate::inventory::{self, Part};
use crate::library::Library;

pub use report::{Reporter, Reports};

/// What a job is given.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// Which try of which job.
    pub job: JobRef,
    /// Cancelled when the job has to stop: it then ends within seconds, as cancelled.
    pub cancel: CancellationToken,
    /// Where it tells how far it is.
    pub report: Reporter,
}

/// Connections per source.
const CONNECTIONS: usize = 4;

/// Silence after which git's child is ended.
const GIT_STALL: Duration = Duration::from_mins(1);

/// Tries of a git job.
const GIT_TRIES: u32 = 4;

/// The jobs as this agent does them.
pub struct AgentWork {
    downloads: DownloadTools,
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
        let models = ConfinedFolder::open(&config.models_dir)?;
        let downloads = DownloadTools {
            library: Library::open(models.clone(), config.state_dir.join("library.json")),
            models,
            http: Http::new(tls),
            hub,
            allow_private: config.allow_private,
            connections: CONNECTIONS,
            room: Room::default(),
            patience: Patience::default(),
        };
        Ok(Self { downloads, git })
    }
}

impl Work for AgentWork {
    fn check(&self, spec: &JobSpec) -> Result<(), String> {
        match spec {
            JobSpec::ComfyGitClone(order) => comfy_git_clone::check(order, &self.git),
            JobSpec::AssetDownload(order) => match self.downloads.models.resolve(&order.dest) {
                Err(error @ ConfineError::Link(_)) => Err(error.to_string()),
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
                let tools = self.downloads.clone();
                Box::pin(async move { asset_download::asset_download(order, context, &tools).await })
            }
            JobSpec::Unknown => Box::pin(async {
                let detail = NOT_KNOWN.to_owned();
                Outcome::Failed { code: FailureCode::Policy, detail, duration_ms: 0, sources: Vec::new() }
            }),
        }
    }

    fn list(&self, part: &mut dyn FnMut(Part) -> bool) {
        inventory::divide(self.downloads.library.list(), part);
    }
}

/// Why an order is not taken.
const NOT_KNOWN: &str = "This version of the agent does not know such jobs.";
