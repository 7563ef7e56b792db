//! What an agent tells about its machine. What the system doesn't tell is absent, never guessed.

use serde::{Deserialize, Serialize};

use crate::RelPath;

/// What a machine is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its name in its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Name and version of the system, as it calls itself.
    pub os: String,
    /// Release of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Architecture of the processor.
    pub arch: String,
    /// The container it runs in (`docker`, `podman`, `kubernetes` …), if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Processors the agent may use: a container's share, not the whole machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_cpus: Option<u64>,
    /// Memory of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Memory that can be had without pushing anything out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_bytes: Option<u64>,
    /// Graphics cards.
    #[serde(default)]
    pub gpus: Vec<GpuFacts>,
    /// The folders the agent writes to, or was asked about, in order.
    pub roots: Vec<RootFacts>,
    /// `ComfyUI`, as far as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comfyui: Option<ComfyFacts>,
}

/// A graphics card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// As its driver calls it.
    pub name: String,
    /// Its own memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// A folder and the room on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFacts {
    /// Absolute, as its system writes it.
    pub path: String,
    /// Whether it is there; if not, the room is that of the nearest folder above that is.
    pub exists: bool,
    /// What the agent's user may still write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Size of the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// What the disk does not offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<DiskLack>,
}

/// What a disk does not offer, though others do. Only the first one keeps the agent from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskLack {
    /// The agent's user may not write there, or the disk is mounted for reading only.
    Writing,
    /// Locks, or they keep nobody out.
    Locks,
    /// Folders can't be synced: after a power cut a new name may be missing.
    FolderSync,
    /// A file has one name: what is there already is copied instead of linked.
    HardLinks,
    /// Something that a later version tells of.
    #[serde(other)]
    Other,
}

/// `ComfyUI` on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComfyFacts {
    /// Its folder, absolute.
    pub path: String,
    /// The folder of models, absolute: where downloads go.
    pub models_path: String,
    /// Whether the folder of models is the one that `ComfyUI` looks into by itself.
    pub models_inside: bool,
    /// Links below the folder of models that lead to other folders, or nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked_folders: Vec<LinkedFolder>,
    /// Whether `ComfyUI` is there (its `main.py` is).
    pub found: bool,
    /// Version in its `pyproject.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commit that is checked out, 40 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A link below the folder of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedFolder {
    /// Where it lies, below the folder of models.
    pub path: RelPath,
    /// Where it leads, as it says itself.
    pub target: String,
    /// Whether the agent goes through it: it was started with `--allow-linked-folders`, and nothing speaks against it.
    pub allowed: bool,
    /// What speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
