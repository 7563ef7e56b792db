//! The validated configuration. Arguments, environment and file are read once, in [`layers`]; below
//! this module nobody looks at any of them.

mod beside;
pub mod file;
pub mod keys;
pub mod layers;
mod lookups;
pub mod parse;
pub mod problem;
mod reader;

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use ::lookups::{Site, Sites};
use shared_protocol::Secret;

pub use beside::beside_program;
pub use keys::Key;
pub use layers::{Layers, ValueSource};
pub use problem::ConfigProblem;

use crate::domain::hours::Hours;
use crate::domain::root::{PerRoot, Root};
use crate::fs::RootDir;

/// Name of the demo library's folder in the data folder: the one place there that may hold roots.
pub const DEMO_FOLDER: &str = "demo";

/// What is configured for one root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootConfig {
    /// Its folder; none until someone sets it up.
    pub dir: Option<RootDir>,
    /// Whether anything may be taken away there.
    pub allow_delete: bool,
    /// Files hashed at once; guessed from the disk if none.
    pub hash_readers: Option<NonZeroU16>,
}

/// What is verified in idle hours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubConfig {
    /// Bytes per day; 0 for nothing.
    pub bytes_per_day: u64,
    /// The hours, in local time; none for the whole day.
    pub hours: Option<Hours>,
}

/// Who may be asked where models can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupsConfig {
    /// Those that a person allowed, each once.
    pub allowed: Vec<Site>,
    /// Where all of them are.
    pub sites: Sites,
    /// ComfyUI-Manager's list, where it is a file here.
    pub manager_list: Option<PathBuf>,
}

/// What the hub's own downloads may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownloadConfig {
    /// Cap of all of them together, bytes per second.
    pub limit: Option<u64>,
    /// The hours, in local time; none for the whole day.
    pub hours: Option<Hours>,
}

/// What the remote side of the hub will need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteConfig {
    /// The public address of this hub, `https://…`, without a trailing slash.
    pub base_url: Option<String>,
    /// Where the remote listener binds.
    pub bind: SocketAddr,
    /// Certificate chain and key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How long a session lives.
    pub session_ttl: Duration,
    /// Silence after which a download counts as stalled.
    pub stall_timeout: Duration,
    /// Tries per source of a download.
    pub retry_per_source: u32,
    /// Over how long those tries are spread at least.
    pub source_patience: Duration,
    /// Bytes per second below which a download counts as stalled.
    pub min_speed: u64,
    /// Whether sources may be private or loopback addresses.
    pub allow_private_sources: bool,
    /// Cap of the hub's own stream, bytes per second.
    pub upload_limit: Option<u64>,
    /// The agent that is handed out to x86-64 machines.
    pub agent_binary: Option<PathBuf>,
    /// The one for Arm machines.
    pub agent_binary_aarch64: Option<PathBuf>,
    /// The repository that agents clone.
    pub comfy_repo_url: String,
    /// For gated models at Hugging Face.
    pub hf_token: Option<Secret>,
    /// For gated models at Civitai.
    pub civitai_token: Option<Secret>,
}

/// Everything, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The two folders.
    pub roots: PerRoot<RootConfig>,
    /// Transfers at once.
    pub queue_concurrency: NonZeroU16,
    /// Tries of a transfer after the first.
    pub queue_retry_count: u32,
    /// Where database, configuration and logs lie.
    pub app_data_dir: PathBuf,
    /// Port of the interface on 127.0.0.1; 0 for any.
    pub hub_port: u16,
    /// Pause between scans that start by themselves; none if they don't.
    pub scan_interval: Option<Duration>,
    /// Whether SHA-256 is taken beside BLAKE3.
    pub hash_sha256: bool,
    /// Days that history and finished transfers are kept.
    pub history_days: NonZeroU32,
    /// Transfers kept at the most.
    pub history_rows: NonZeroU32,
    /// What is verified in idle hours.
    pub scrub: ScrubConfig,
    /// Who may be asked where models can be had.
    pub lookups: LookupsConfig,
    /// What downloads may take.
    pub downloads: DownloadConfig,
    /// The remote side.
    pub remote: RemoteConfig,
}

impl Config {
    /// Whether both folders are named.
    pub fn is_set_up(&self) -> bool {
        Root::ALL.into_iter().all(|root| self.roots.get(root).dir.is_some())
    }
}
