//! Where a content can be had in public, for an order.

use shared_protocol::Blake3;
use shared_protocol::job::AssetSource;

use super::Remote;

/// Addresses of one order; more would only lengthen the way to the hub.
const MOST: usize = 16;

/// The public addresses of a content, best first, each with what opens it. A file of addresses that can't
/// be read leaves the hub as the only source.
pub(super) async fn public(remote: &Remote, hash: &Blake3) -> Vec<AssetSource> {
    let sources = &remote.inner.sources;
    let found = match sources.addresses_of(hash).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "an order goes out without public addresses");
            return Vec::new();
        }
    };
    found.iter().map(|address| sources.source(&address.url)).take(MOST).collect()
}
