//! What things on this disk say about where a file is from, before anybody on the network is asked.
//!
//! A hint is what a program or a maker wrote down once. It leads to a question, and it never proves anything: what it
//! says of a file's digest is compared with ours only to tell whether it is about this file at all.

mod cache;
mod download;
mod header;
mod sidecar;
mod workflow;

use shared_protocol::{Blake3, Sha256};

use crate::address::Address;
use crate::claim::{Claim, Content, Offer, Origin};
use crate::sites::Sites;

pub use cache::{CachedBlob, CachedName, read_ref};
pub use download::{desktop_metadata, local_dir_metadata};
pub use header::from_header;
pub use sidecar::{from_sidecar, is_deleted_on_civitai};
pub use workflow::from_workflow_models;

/// What something says about where a file is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Who says so.
    pub origin: Origin,
    /// Where it is from.
    pub address: Option<Address>,
    /// The name of the file that is meant, where it is not the one that it stands beside.
    pub file_name: Option<String>,
    /// Its SHA-256.
    pub sha256: Option<Sha256>,
    /// Its BLAKE3.
    pub blake3: Option<Blake3>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// Whether it is said to be deleted there.
    pub is_deleted: bool,
}

impl Hint {
    pub(crate) const fn new(origin: Origin) -> Self {
        Self { origin, address: None, file_name: None, sha256: None, blake3: None, size_bytes: None, is_deleted: false }
    }

    /// Whether it may be about this content: nothing that it says of the file is otherwise.
    pub fn fits(&self, content: &Content) -> bool {
        let differs = |differs: Option<bool>| differs == Some(true);
        let sha256 = self.sha256.zip(content.sha256).map(|(told, ours)| told != ours);
        let blake3 = self.blake3.zip(content.blake3).map(|(told, ours)| told != ours);
        let size = self.size_bytes.map(|told| told != content.size_bytes);
        ![sha256, blake3, size].into_iter().any(differs)
    }

    /// The address as a claim without any proof: what is written beside a file is no word of the site.
    pub fn claim(&self, sites: &Sites) -> Option<Claim> {
        let address = self.address.as_ref()?;
        Some(Claim {
            origin: self.origin,
            url: address.download(sites)?,
            file_name: self.file_name.clone().or_else(|| address.file_name()),
            sha256: None,
            blake3: None,
            size_bytes: None,
            about_bytes: None,
            offer: if self.is_deleted { Offer::Deleted } else { Offer::Open },
        })
    }
}
