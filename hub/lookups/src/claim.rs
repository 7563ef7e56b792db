//! What somebody says: that a content can be had at an address. It counts only once it is judged (`proof`).

use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, Sha256, SourceUrl};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// A content of ours, as far as it is known. Without a digest nothing is ever proved for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its BLAKE3.
    pub blake3: Option<Blake3>,
    /// Its SHA-256.
    pub sha256: Option<Sha256>,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Origin {
    /// Civitai's API.
    Civitai,
    /// CivArchive's API.
    #[serde(rename = "civarchive")]
    #[strum(serialize = "civarchive")]
    CivArchive,
    /// Hugging Face's API.
    #[serde(rename = "huggingface")]
    #[strum(serialize = "huggingface")]
    HuggingFace,
    /// ModelScope's API.
    #[serde(rename = "modelscope")]
    #[strum(serialize = "modelscope")]
    ModelScope,
    /// ComfyUI-Manager's list of models.
    ManagerList,
    /// A file beside the model.
    Sidecar,
    /// The model's own header.
    Header,
    /// The cache of `huggingface_hub` on this computer.
    HuggingFaceCache,
    /// A workflow.
    Workflow,
}

impl Origin {
    /// Its name in `.model_sources.json` and in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How the site offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// To everybody, as far as is known; a token may be needed.
    Open,
    /// Not to everybody: early access, or made on the site only.
    Withheld,
    /// The site itself says that it is deleted.
    Deleted,
}

/// What somebody says about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who says so.
    pub origin: Origin,
    /// Where. It holds no secret, and no signature that expires.
    pub url: SourceUrl,
    /// The file's name there, made storable.
    pub file_name: Option<String>,
    /// The SHA-256 that the file there has.
    pub sha256: Option<Sha256>,
    /// Its BLAKE3.
    pub blake3: Option<Blake3>,
    /// Its exact size in bytes.
    pub size_bytes: Option<u64>,
    /// Its size in bytes, rounded by the site: nothing is proved or refuted by it.
    pub about_bytes: Option<u64>,
    /// How it is offered.
    pub offer: Offer,
}

impl Claim {
    /// Whether it may be about this content: nothing in it says otherwise, and something of it agrees.
    pub fn is_about(&self, content: &Content) -> bool {
        let agrees = |theirs: Option<bool>| theirs == Some(true);
        let sha256 = self.sha256.zip(content.sha256).map(|(theirs, ours)| theirs == ours);
        let blake3 = self.blake3.zip(content.blake3).map(|(theirs, ours)| theirs == ours);
        let size = self.size_bytes.map(|theirs| theirs == content.size_bytes);
        // Rounded to three digits at worst.
        let is_near = |theirs: u64| theirs.abs_diff(content.size_bytes) <= content.size_bytes / 100 + 1_024;
        let about = self.size_bytes.is_none().then_some(self.about_bytes).flatten().map(is_near);
        let told = [sha256, blake3, size, about];
        !told.contains(&Some(false)) && told.into_iter().any(agrees)
    }
}
