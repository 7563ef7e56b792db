//! Changes that a client has not been told of yet.

use crate::services::Event;

/// Things beyond which a client gets a snapshot instead of each of them.
const MAX: usize = 256;

/// Each thing once, in the order in which it changed first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Vec<Event>,
    everything: bool,
}

impl Pending {
    pub(super) fn add(&mut self, event: Event) {
        if self.everything || self.events.contains(&event) {
            return;
        }
        if self.events.len() == MAX {
            self.everything();
        } else {
            self.events.push(event);
        }
    }

    /// Too much has changed to be told one by one.
    pub(super) fn everything(&mut self) {
        self.events.clear();
        self.everything = true;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.everything
    }

    /// What to tell; `None` asks for a snapshot.
    pub(super) fn take_events(&mut self) -> Option<Vec<Event>> {
        let events = std::mem::take(&mut self.events);
        if std::mem::take(&mut self.everything) { None } else { Some(events) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TransferId;

    #[test]
    fn a_thing_is_pending_once_and_in_order() {
        let mut pending = Pending::default();
        for event in [Event::QueueChanged, Event::PairsChanged, Event::QueueChanged] {
            pending.add(event);
        }
        assert_eq!(pending.take_events(), Some(vec![Event::QueueChanged, Event::PairsChanged]));
        assert!(pending.is_empty());
    }

    #[test]
    fn too_many_things_become_one_snapshot() {
        let mut pending = Pending::default();
        for n in 0..10_000 {
            pending.add(Event::TransferChanged(TransferId(n)));
            assert!(pending.events.len() <= MAX);
        }
        assert_eq!(pending.take_events(), None);
        assert!(pending.is_empty());
    }
}
