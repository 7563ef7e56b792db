//! How fast the queue went lately, for the curve on its page. Kept in memory only: after a restart
//! it begins anew. A rate has its time: while nothing runs none is taken, and that is a gap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

use super::{Event, Events, Queue, Tasks};

/// Time between two samples.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// How far back rates are kept.
pub const SPAN: Duration = Duration::from_mins(10);

/// Rates kept, so that a clock that stands still fills no memory.
const KEPT: usize = 400;

/// How fast it went, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThroughputSample {
    pub at: Instant,
    /// Bytes per second.
    pub rate: u64,
}

/// The latest rates; clones share them.
#[derive(Clone, Default)]
pub struct Throughput {
    samples: Arc<Mutex<VecDeque<ThroughputSample>>>,
}

impl Throughput {
    /// Takes samples while transfers run, and sleeps while none do.
    pub(super) fn start(queue: Queue, events: &Events, tasks: &Tasks) -> Self {
        let throughput = Self::default();
        let (this, mut heard, own) = (throughput.clone(), events.subscribe(), tasks.clone());
        tasks.spawn(async move {
            loop {
                let event = tokio::select! {
                    event = heard.recv() => event,
                    () = own.token().cancelled() => return,
                };
                match event {
                    Ok(Event::TransferChanged(_) | Event::QueueChanged) | Err(RecvError::Lagged(_)) => {}
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                }
                if !this.follow(&queue, &own).await {
                    return;
                }
                // What was said meanwhile is known already.
                heard = heard.resubscribe();
            }
        });
        throughput
    }

    /// The latest rates up to this moment, the oldest first.
    pub fn recent(&self, now: Instant) -> Vec<ThroughputSample> {
        let is_recent = |sample: &&ThroughputSample| now.saturating_duration_since(sample.at) <= SPAN;
        self.samples.lock().iter().filter(is_recent).copied().collect()
    }

    /// Takes samples until nothing runs; `false` when the program ends.
    async fn follow(&self, queue: &Queue, tasks: &Tasks) -> bool {
        loop {
            let Ok(status) = queue.status().await else { return true };
            if status.running == 0 {
                if self.samples.lock().back().is_some_and(|last| last.rate > 0) {
                    self.push(0, Instant::now());
                }
                return true;
            }
            self.push(status.bytes_per_second, Instant::now());
            if !tasks.pause(INTERVAL).await {
                return false;
            }
        }
    }

    fn push(&self, rate: u64, at: Instant) {
        let mut samples = self.samples.lock();
        let is_old = |first: &ThroughputSample| at.saturating_duration_since(first.at) > SPAN;
        while samples.len() >= KEPT || samples.front().is_some_and(is_old) {
            samples.pop_front();
        }
        samples.push_back(ThroughputSample { at, rate });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_rates_are_kept() {
        let throughput = Throughput::default();
        let start = Instant::now();
        let after = |n: u32| start + INTERVAL * n;
        for n in 0..500 {
            throughput.push(u64::from(n), after(n));
        }
        let recent = throughput.recent(after(499));
        assert_eq!((recent.first().map(|one| one.rate), recent.last().map(|one| one.rate)), (Some(199), Some(499)));
        assert_eq!(throughput.recent(after(599)).len(), 201, "what is shown ages by itself");
        assert_eq!(throughput.recent(after(9_000)), []);
        for _ in 0..1_000 {
            throughput.push(1, after(500));
        }
        assert_eq!(throughput.samples.lock().len(), KEPT);
    }
}
