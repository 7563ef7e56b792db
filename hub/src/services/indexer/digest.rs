//! The digest of a folder's listing: equal digests mean that nothing in the folder changed.

use crate::fs::walk::FolderListing;

/// Digests everything that the index keeps of a listing, each text behind its length.
pub(super) fn of(listing: &FolderListing) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(64 * (listing.files.len() + listing.folders.len() + 1));
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    for file in &listing.files {
        bytes.push(b'f');
        text(&mut bytes, &file.name);
        bytes.extend_from_slice(&file.size_bytes.to_le_bytes());
        bytes.extend_from_slice(&file.modified.0.to_le_bytes());
        bytes.push(u8::from(file.placeholder));
        // One that is not kept adds nothing: such folders have the digest that they ever had.
        if let Some(identity) = file.stands_by {
            bytes.extend_from_slice(&identity.0.to_le_bytes());
        }
    }
    for folder in &listing.folders {
        bytes.push(b'd');
        text(&mut bytes, folder);
    }
    for skipped in &listing.skipped {
        bytes.push(b's');
        text(&mut bytes, &skipped.name);
        text(&mut bytes, skipped.reason.as_str());
        text(&mut bytes, skipped.detail.as_deref().unwrap_or_default());
    }
    *blake3::hash(&bytes).as_bytes()
}
