//! How much of the home uplink agents take now, and for which contents.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;
use shared_protocol::Blake3;

use crate::domain::described::Blake3Text;
use crate::services::throughput_meter::ThroughputMeter;

/// Contents whose bytes are remembered; the ones that were sent longest ago are forgotten.
const MAX_CONTENTS: usize = 1_000;

/// What goes out, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UplinkView {
    /// Now.
    pub bytes_per_second: u64,
    /// Streams under way.
    pub n_streams: u32,
    /// Since the hub started.
    pub bytes_served: u64,
    /// By content, what is under way or was sent last first.
    pub contents: Vec<ContentServed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ContentServed {
    #[schema(value_type = Blake3Text)]
    pub hash: Blake3,
    /// Since the hub started.
    pub bytes_served: u64,
    /// Streams of it under way.
    pub n_streams: u32,
}

/// Counts; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    counts: Arc<Mutex<ServedCounts>>,
}

#[derive(Debug, Default)]
struct ServedCounts {
    meter: ThroughputMeter,
    total: u64,
    n_streams: u32,
    contents: HashMap<Blake3, ServedContent>,
}

#[derive(Debug)]
struct ServedContent {
    bytes: u64,
    n_streams: u32,
    last: Instant,
}

/// A stream under way.
#[derive(Debug)]
pub(super) struct Counted {
    meter: Meter,
    hash: Blake3,
}

impl Meter {
    /// A stream of this content begins; it ends with the answer.
    pub(super) fn begin(&self, hash: Blake3) -> Counted {
        let mut counts = self.counts.lock();
        counts.meter.add(0, Instant::now());
        counts.n_streams += 1;
        counts.content(hash).n_streams += 1;
        Counted { meter: self.clone(), hash }
    }

    /// What goes out now.
    pub fn view(&self) -> UplinkView {
        let mut counts = self.counts.lock();
        counts.meter.add(0, Instant::now());
        let mut contents: Vec<_> = counts.contents.iter().collect();
        contents.sort_by_key(|(_, content)| std::cmp::Reverse((content.n_streams > 0, content.last)));
        UplinkView {
            bytes_per_second: counts.meter.rate().bytes_per_second(),
            n_streams: counts.n_streams,
            bytes_served: counts.total,
            contents: contents
                .into_iter()
                .map(|(hash, content)| ContentServed {
                    hash: *hash,
                    bytes_served: content.bytes,
                    n_streams: content.n_streams,
                })
                .collect(),
        }
    }
}

impl ServedCounts {
    fn content(&mut self, hash: Blake3) -> &mut ServedContent {
        if self.contents.len() >= MAX_CONTENTS && !self.contents.contains_key(&hash) {
            let oldest = self.contents.iter().filter(|(_, c)| c.n_streams == 0).min_by_key(|(_, c)| c.last);
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                self.contents.remove(&oldest);
            }
        }
        let content =
            self.contents.entry(hash).or_insert_with(|| ServedContent { bytes: 0, n_streams: 0, last: Instant::now() });
        content.last = Instant::now();
        content
    }
}

impl Counted {
    /// So many bytes were handed to the connection.
    pub(super) fn add(&self, bytes: u64) {
        let mut counts = self.meter.counts.lock();
        counts.total += bytes;
        counts.content(self.hash).bytes += bytes;
        counts.meter.add(bytes, Instant::now());
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.meter.counts.lock();
        counts.n_streams = counts.n_streams.saturating_sub(1);
        let content = counts.content(self.hash);
        content.n_streams = content.n_streams.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_bytes_are_counted_by_content() {
        let meter = Meter::default();
        let [a, b] = [1, 2].map(|n| Blake3::from_bytes([n; 32]));
        let first = meter.begin(a);
        let second = meter.begin(a);
        let third = meter.begin(b);
        first.add(5);
        second.add(7);
        third.add(1);
        drop((first, third));
        let view = meter.view();
        assert_eq!((view.n_streams, view.bytes_served), (1, 13));
        let of = |hash| view.contents.iter().find(|c| c.hash == hash).map(|c| (c.bytes_served, c.n_streams));
        assert_eq!((of(a), of(b)), (Some((12, 1)), Some((1, 0))));
        assert_eq!(view.contents.first().map(|c| c.hash), Some(a), "what is under way comes first");
    }

    #[test]
    fn only_so_many_contents_are_remembered() {
        let meter = Meter::default();
        for n in 0..MAX_CONTENTS + 10 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            meter.begin(Blake3::from_bytes(bytes)).add(1);
        }
        assert_eq!(meter.view().contents.len(), MAX_CONTENTS);
    }
}
