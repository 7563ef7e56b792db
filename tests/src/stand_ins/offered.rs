//! A file that a site offers.

use sha2::{Digest as _, Sha256};

/// A file with its digests, as its site tells them.
#[derive(Debug, Clone)]
pub struct Offered {
    /// What it is called there.
    pub name: String,
    /// The SHA-256 that is told, 64 small digits.
    pub sha256: String,
    /// The BLAKE3 that is told.
    pub blake3: String,
    /// The size that is told.
    pub size_bytes: u64,
    /// What is sent.
    pub bytes: Vec<u8>,
}

impl Offered {
    /// An honest file.
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            sha256: hex(&Sha256::digest(bytes)),
            blake3: blake3::hash(bytes).to_hex().to_string(),
            size_bytes: bytes.len() as u64,
            bytes: bytes.to_vec(),
        }
    }

    /// What is told stays, and other bytes of the same length are sent: every 4,096th is another one.
    #[must_use]
    pub fn lying(mut self) -> Self {
        self.bytes.iter_mut().step_by(4096).for_each(|byte| *byte ^= 0x55);
        self
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
