//! How fast the queue went lately, for the curve on its page. Kept in memory only: after a restart
//! it begins anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

use super::{Event, Events, Queue, Tasks};

/// Time between two samples.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Samples kept: ten minutes of work.
pub const KEPT: usize = 300;

/// The latest rates; clones share them.
#[derive(Clone, Default)]
pub struct Throughput {
    rates: Arc<Mutex<VecDeque<u64>>>,
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

    /// The latest rates in bytes per second, the oldest first.
    pub fn recent(&self) -> Vec<u64> {
        self.rates.lock().iter().copied().collect()
    }

    /// Takes samples until nothing runs; `false` when the program ends.
    async fn follow(&self, queue: &Queue, tasks: &Tasks) -> bool {
        loop {
            let Ok(status) = queue.status().await else { return true };
            if status.running == 0 {
                if self.rates.lock().back().is_some_and(|last| *last > 0) {
                    self.push(0);
                }
                return true;
            }
            self.push(status.bytes_per_second);
            if !tasks.pause(INTERVAL).await {
                return false;
            }
        }
    }

    fn push(&self, rate: u64) {
        let mut rates = self.rates.lock();
        if rates.len() == KEPT {
            rates.pop_front();
        }
        rates.push_back(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_rates_are_kept() {
        let throughput = Throughput::default();
        for rate in 0..KEPT as u64 + 5 {
            throughput.push(rate);
        }
        let recent = throughput.recent();
        assert_eq!((recent.len(), recent.first(), recent.last()), (KEPT, Some(&5), Some(&(KEPT as u64 + 4))));
    }
}
