//! When to ping, and when silence means that a connection is dead: a tunnel that is gone often says
//! nothing at all.

use std::time::{Duration, Instant};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping with this number.
    Ping(u64),
    /// Nothing came for too long.
    Dead,
}

/// The times of one connection.
#[derive(Debug)]
pub struct Heartbeat {
    every: Duration,
    silence: Duration,
    heard: Instant,
    next: Instant,
    n: u64,
}

impl Heartbeat {
    /// Begins now.
    pub fn new(every: Duration, silence: Duration, now: Instant) -> Self {
        Self { every, silence, heard: now, next: now + every, n: 0 }
    }

    /// Something came, whatever it was.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Pings more often, if the hub wants that; never less often than silence allows.
    pub fn ask_every(&mut self, every: Duration) {
        if !every.is_zero() && every < self.every {
            self.next = self.next.checked_sub(self.every.saturating_sub(every)).unwrap_or(self.next);
            self.every = every;
        }
    }

    /// When to ask [`Self::due`] next.
    pub fn wake_at(&self) -> Instant {
        self.next.min(self.heard + self.silence)
    }

    /// What is due, if anything.
    pub fn due(&mut self, now: Instant) -> Option<Beat> {
        if now >= self.heard + self.silence {
            return Some(Beat::Dead);
        }
        (now >= self.next).then(|| {
            self.n += 1;
            self.next = now + self.every;
            Beat::Ping(self.n)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pings_go_out_and_silence_ends_it() {
        let begin = Instant::now();
        let mut heartbeat = Heartbeat::new(s(15), s(45), begin);
        assert_eq!(heartbeat.due(begin + s(14)), None);
        assert_eq!(heartbeat.wake_at(), begin + s(15));
        assert_eq!(heartbeat.due(begin + s(15)), Some(Beat::Ping(1)));
        heartbeat.hear(begin + s(16));
        assert_eq!(heartbeat.due(begin + s(30)), Some(Beat::Ping(2)));
        assert_eq!(heartbeat.due(begin + s(45)), Some(Beat::Ping(3)), "what was heard counts");
        assert_eq!(heartbeat.wake_at(), begin + s(60));
        assert_eq!(heartbeat.due(begin + s(61)), Some(Beat::Dead));
    }

    #[test]
    fn the_hub_can_only_ask_for_more() {
        let begin = Instant::now();
        let mut heartbeat = Heartbeat::new(s(15), s(45), begin);
        heartbeat.ask_every(s(300));
        heartbeat.ask_every(s(0));
        assert_eq!(heartbeat.wake_at(), begin + s(15));
        heartbeat.ask_every(s(5));
        assert_eq!(heartbeat.wake_at(), begin + s(5));
    }
}
