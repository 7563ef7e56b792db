//! What everyone hears of: names of things that changed, not the things themselves. Whoever
//! listens reads the present state, so a missed event costs nothing but time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared_protocol::{AgentId, JobId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::ids::{BackgroundJobId, BatchId, TransferId};
use crate::domain::root::Root;

/// Shortest time between two events of progress of one thing.
const INTERVAL: Duration = Duration::from_millis(250);

/// Events a slow listener may lag behind; beyond it is told that it missed some.
const CAPACITY: usize = 1_024;

/// Something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A scan went on or ended.
    ScanChanged(BackgroundJobId),
    IndexChanged(Root),
    /// A hash job went on or ended.
    HashChanged(BackgroundJobId),
    /// A transfer changed its state or went on.
    TransferChanged(TransferId),
    /// A batch was made, or one of its transfers ended.
    BatchChanged(BatchId),
    /// The queue as a whole: held, freed, reordered, longer, shorter.
    QueueChanged,
    /// A root came, went, or has other space.
    RootChanged(Root),
    /// The comparison changed.
    PairsChanged,
    /// A search for duplicates went on or ended.
    DuplicateScanChanged(BackgroundJobId),
    /// The groups of duplicates are others.
    DuplicatesChanged,
    /// Models came, went, or more is known of them.
    ModelsChanged,
    /// A job that reads headers went on or ended.
    DescribeChanged(BackgroundJobId),
    /// The file of addresses is another.
    SourcesChanged,
    /// A round of looks at addresses went on or ended.
    SourceCheckChanged,
    /// A run of look-ups went on or ended.
    DiscoveryChanged(BackgroundJobId),
    /// The remote session began, ended, or has other limits.
    SessionChanged,
    /// An agent came, went, or told of itself.
    AgentChanged(AgentId),
    /// A job of an agent went on or ended.
    JobChanged(JobId),
    /// What goes out to agents is more or less than before.
    UplinkChanged,
    /// A line of history was written.
    HistoryAdded,
    /// The configuration changed.
    SettingsChanged,
}

/// Sends events to everyone; clones share the listeners.
#[derive(Debug, Clone)]
pub struct Events {
    sender: broadcast::Sender<Event>,
    last: Arc<Mutex<HashMap<Event, Instant>>>,
}

impl Events {
    /// Without listeners yet.
    #[allow(clippy::new_without_default, reason = "two of these would not hear of each other")]
    pub fn new() -> Self {
        Self { sender: broadcast::channel(CAPACITY).0, last: Arc::default() }
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Tells of a change at once.
    pub fn send(&self, event: Event) {
        // Nobody listening is no error.
        self.sender.send(event).ok();
    }

    /// Tells of progress, at most four times a second per thing. The end of work is told by
    /// [`Events::send`], so that the last word is never swallowed.
    pub fn progress(&self, event: Event) {
        let now = Instant::now();
        let mut last = self.last.lock();
        if last.get(&event).is_some_and(|then| now.duration_since(*then) < INTERVAL) {
            return;
        }
        if last.len() > CAPACITY {
            last.retain(|_, then| now.duration_since(*then) < INTERVAL);
        }
        last.insert(event, now);
        drop(last);
        self.send(event);
    }
}

/// Returns when a root came, went or was configured anew: what idle services wait for.
pub async fn until_roots_change(listener: &mut broadcast::Receiver<Event>) {
    loop {
        match listener.recv().await {
            Ok(Event::RootChanged(_) | Event::SettingsChanged) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_sparingly_and_the_end_always() {
        let events = Events::new();
        let mut listener = events.subscribe();
        for _ in 0..1_000 {
            events.progress(Event::QueueChanged);
        }
        events.send(Event::QueueChanged);
        let mut heard = 0;
        while listener.try_recv().is_ok() {
            heard += 1;
        }
        assert!((2..=4).contains(&heard), "{heard}");
    }
}
