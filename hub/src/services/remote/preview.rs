//! What sending files would mean, before it is done: how much, from where, and for how long.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;
use shared_protocol::{AgentId, Blake3, RelPath};

use super::Remote;
use super::jobs::Skipped;
use super::linked::Disks;
use crate::domain::root::Root;
use crate::domain::sources::Address;
use crate::services::ServiceError;

/// How long an agent may take to say what it has; without an answer nothing counts as there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RemoteShare)]
pub struct Share {
    /// Files.
    pub n_files: u64,
    /// Their bytes.
    pub size_bytes: u64,
}

impl Share {
    const fn add(&mut self, size_bytes: u64) {
        self.n_files += 1;
        self.size_bytes += size_bytes;
    }
}

/// What sending files would mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RemotePreview)]
pub struct PreviewView {
    /// All files that are named.
    pub all: Share,
    /// What the agent is known to have already.
    pub there: Share,
    /// What has at least one public address that was not found to lead to nothing or to something else.
    pub public: Share,
    /// What goes over this computer's uplink, because nothing else has it.
    pub uplink: Share,
    /// What has to be hashed before it can be sent; it counts to the uplink, too.
    pub unhashed: Share,
    /// Whether the agent said what it has.
    pub inventory_known: bool,
    /// Bytes that the agent can still write, as it told last.
    pub free_bytes: Option<u64>,
    /// Whether what is to be sent fits there.
    pub fits: Option<bool>,
    /// The cap of the uplink.
    pub upload_limit: Option<u64>,
    /// Bytes per second that this agent's latest downloads came at, from public addresses.
    pub public_rate: Option<u64>,
    /// The same from this computer, at most the cap.
    pub uplink_rate: Option<u64>,
    /// How long the public part takes at that rate.
    pub public_seconds: Option<u64>,
    /// How long the uplink takes at that rate.
    pub uplink_seconds: Option<u64>,
    /// What can't be sent.
    pub skipped: Vec<Skipped>,
}

impl Remote {
    /// Looks at what sending these files to an agent would mean. Nothing is changed.
    pub async fn preview(&self, agent: AgentId, root: Root, paths: Vec<RelPath>) -> Result<PreviewView, ServiceError> {
        let row = self.known_agent(agent).await?;
        let mut named = self.named(root, paths).await?;
        named.leave_out_linked(&row.facts);
        let there = tokio::time::timeout(PATIENCE, self.contents_at(agent)).await.ok().and_then(Result::ok);
        let public: HashSet<Blake3> = self.with_public_address(named.files.iter().filter_map(|file| file.hash)).await;
        let rates = self.inner.database.read(move |c| crate::storage::jobs::rates(c, agent)).await?;
        let upload_limit = self.inner.settings.current().remote.upload_limit;
        let uplink_rate = match (rates.hub, upload_limit) {
            (Some(rate), Some(limit)) => Some(rate.min(limit)),
            (rate, limit) => rate.or(limit),
        };
        let mut disks = Disks::new(&row.facts);
        let [mut all, mut at_agent, mut in_public, mut uplink, mut unhashed] = [Share::default(); 5];
        for file in &named.files {
            let size = file.size_bytes;
            all.add(size);
            match file.hash {
                Some(hash) if there.as_ref().is_some_and(|there| there.contains(&hash)) => at_agent.add(size),
                Some(hash) if public.contains(&hash) => {
                    disks.add(&file.path, size);
                    in_public.add(size);
                }
                hash => {
                    disks.add(&file.path, size);
                    uplink.add(size);
                    if hash.is_none() {
                        unhashed.add(size);
                    }
                }
            }
        }
        let models = row.facts.comfyui.as_ref().map(|comfyui| comfyui.models_path.as_str());
        let on_disk = row.facts.roots.iter().find(|root| Some(root.path.as_str()) == models);
        let free_bytes = on_disk.or_else(|| row.facts.roots.first()).and_then(|root| root.free_bytes);
        let seconds = |share: Share, rate: Option<u64>| match rate {
            _ if share.size_bytes == 0 => Some(0),
            Some(rate) if rate > 0 => Some(share.size_bytes.div_ceil(rate)),
            _ => None,
        };
        Ok(PreviewView {
            all,
            there: at_agent,
            public: in_public,
            uplink,
            unhashed,
            inventory_known: there.is_some(),
            free_bytes,
            fits: disks.fit(),
            upload_limit,
            public_rate: rates.public,
            uplink_rate,
            public_seconds: seconds(in_public, rates.public),
            uplink_seconds: seconds(uplink, uplink_rate),
            skipped: named.skipped,
        })
    }

    /// Which of these contents have a public address that may be right.
    async fn with_public_address(&self, hashes: impl Iterator<Item = Blake3>) -> HashSet<Blake3> {
        let mut found = HashSet::new();
        for hash in hashes {
            if found.contains(&hash) {
                continue;
            }
            let addresses = self.inner.sources.addresses_of(&hash).await.unwrap_or_default();
            if addresses.iter().any(Address::may_be_right) {
                found.insert(hash);
            }
        }
        found
    }
}
