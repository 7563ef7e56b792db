//! What a hub can ask of an agent. The set is closed: there is no "run a command".

use serde::{Deserialize, Serialize};

use crate::{Blake3, RelPath, Secret};

/// A job's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobSpec {
    /// Fetch one content to one place.
    AssetDownload(AssetDownload),
    /// Clone or update a git repository.
    ComfyGitClone(ComfyGitClone),
    /// A kind of a later version: rejected as against policy.
    #[serde(other)]
    Unknown,
}

/// Fetch one content to one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetDownload {
    /// What it is.
    pub blake3: Blake3,
    /// Its size.
    pub size_bytes: u64,
    /// Where it goes, below the folder of models: type folder first.
    pub dest: RelPath,
    /// Where it can be had, best first; the hub, if it is among them, last.
    pub sources: Vec<AssetSource>,
    /// How patient to be.
    pub policy: SourcePolicy,
}

/// A place to fetch a content from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum AssetSource {
    /// An address on the internet. The agent judges it itself.
    Public {
        /// The address.
        url: String,
        /// What opens it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bearer: Option<Bearer>,
    },
    /// The hub, by its blob and groups routes.
    Hub,
    /// A kind of a later version: passed over.
    #[serde(other)]
    Unknown,
}

/// A token and the one host that may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// Sent to exactly this host over `https`, never across a redirect to another.
    pub host: String,
    /// Kept in memory only: a job that is read back from the journal has none until it is assigned again.
    pub token: Secret,
}

/// How patient a download is with its sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePolicy {
    /// Seconds below the least speed after which an attempt ends.
    pub stall_timeout_s: u64,
    /// Least speed, in bytes per second.
    pub min_speed: u64,
    /// Attempts per source without progress.
    pub retry_per_source: u32,
    /// Seconds over which those attempts are spread at least, before the source rests.
    #[serde(default = "a_minute", skip_serializing_if = "is_a_minute")]
    pub source_patience_s: u64,
    /// Whether the hub's side lets private addresses and plain `http` there be used; the agent's side
    /// has to allow it too.
    pub allow_private: bool,
}

/// What is meant where it is not said.
const fn a_minute() -> u64 {
    60
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_a_minute(seconds: &u64) -> bool {
    *seconds == a_minute()
}

/// Clone or update a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComfyGitClone {
    /// The repository, `https`.
    pub url: String,
    /// A branch, tag or full commit id; the remote's own default if none.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where, below `ComfyUI`'s folder; that folder itself if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<RelPath>,
    /// Commits of history to fetch; all if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// As in [`SourcePolicy::allow_private`].
    pub allow_private: bool,
}

/// Where a job is, as its agent tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// Accepted, waits for its turn.
    Waiting,
    /// Bytes come in, or git works.
    Running,
    /// The whole content is read again.
    Verifying,
    /// The disk is full; goes on by itself when there is room.
    Paused,
    /// A phase of a later version.
    #[serde(other)]
    Other,
}
