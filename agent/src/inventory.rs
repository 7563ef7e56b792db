//! The list of files below the folder of models, in parts that fit a frame.

use shared_protocol::agent_to_hub::{INVENTORY_FILES, InventoryFile};
use shared_protocol::version::MAX_FRAME_BYTES;

use crate::library::Listing;

/// Bytes that the files of a part may take in JSON; the rest is for what is around them.
const PART_BYTES: usize = MAX_FRAME_BYTES - 4_096;

/// Bytes of JSON around a path: the digest, the size, the names.
const AROUND_PATH: usize = 160;

/// One part of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Files.
    pub files: Vec<InventoryFile>,
    /// Whether it is the last one.
    pub last: bool,
    /// Folders that could not be listed; told with the last part.
    pub n_errors: u64,
}

/// Divides a list, until `take` wants no more.
pub fn divide(listing: Listing, take: &mut dyn FnMut(Part) -> bool) {
    let (mut files, mut bytes) = (Vec::new(), 0);
    for file in listing.files {
        // A path has neither control characters nor quotes, so it is as long in JSON.
        let size = file.path.as_str().len() + AROUND_PATH;
        if files.len() == INVENTORY_FILES || bytes + size > PART_BYTES {
            if !take(Part { files: std::mem::take(&mut files), last: false, n_errors: 0 }) {
                return;
            }
            bytes = 0;
        }
        bytes += size;
        files.push(file);
    }
    take(Part { files, last: true, n_errors: listing.n_errors });
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::agent_to_hub::{AgentToHub, Inventory};
    use shared_protocol::envelope::Frame;
    use shared_protocol::{Blake3, RelPath};

    use super::*;

    fn listing(n: usize, length: usize) -> Listing {
        let folder = vec!["d".repeat(250); length].join("/");
        let files = (0..n).map(|i| InventoryFile {
            path: RelPath::parse(&format!("{folder}/{}{i}", "n".repeat(240))).unwrap(),
            size_bytes: u64::MAX,
            blake3: Some(Blake3::from_bytes([3; 32])),
        });
        Listing { files: files.collect(), n_errors: 2 }
    }

    #[test]
    fn every_part_fits_a_frame_and_the_last_one_tells_so() {
        for (n, length, at_least) in [(0, 1, 1), (5, 1, 1), (900, 1, 3), (900, 12, 10)] {
            let mut parts = Vec::new();
            divide(listing(n, length), &mut |part| {
                parts.push(part);
                true
            });
            assert!(parts.len() >= at_least);
            assert_eq!(parts.iter().map(|part| part.files.len()).sum::<usize>(), n);
            let n_parts = parts.len();
            for (i, Part { files, last, n_errors }) in parts.into_iter().enumerate() {
                assert_eq!((last, n_errors), if i + 1 == n_parts { (true, 2) } else { (false, 0) });
                let message = AgentToHub::Inventory(Inventory { request: u64::MAX, files, last, n_errors });
                assert!(Frame { seq: Some(u64::MAX), ack: u64::MAX, message }.encode().is_ok());
            }
        }
    }

    #[test]
    fn nothing_more_is_told_to_who_has_enough() {
        let mut n = 0;
        divide(listing(900, 1), &mut |_| {
            n += 1;
            false
        });
        assert_eq!(n, 1);
    }
}
