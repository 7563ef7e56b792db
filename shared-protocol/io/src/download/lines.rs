//! What comes over the line from each site, all downloads together: the least speed is asked of a site, not of each
//! of the connections that share its line.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Counts bytes by site; clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<HashMap<String, Line>>>);

/// The bytes that came from one site.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Arc<AtomicU64>);

impl Lines {
    /// The line to a site.
    pub(super) fn to(&self, site: String) -> Line {
        self.0.lock().entry(site).or_default().clone()
    }
}

impl Line {
    /// So many bytes came.
    pub(super) fn add(&self, n_bytes: u64) {
        self.0.fetch_add(n_bytes, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The least that has to come over a line in each stretch of time.
#[derive(Debug)]
pub(super) struct MinimumSpeed {
    line: Line,
    stretch: Duration,
    least: u64,
    began: Instant,
    before: u64,
}

impl MinimumSpeed {
    pub(super) fn new(line: Line, stretch: Duration, per_second: u64) -> Self {
        let least = u64::try_from(u128::from(per_second) * stretch.as_millis() / 1_000).unwrap_or(u64::MAX);
        let before = line.total();
        Self { line, stretch, least, began: Instant::now(), before }
    }

    /// Since when too little came, if it did; each stretch is judged once.
    pub(super) fn missed(&mut self, now: Instant) -> Option<Instant> {
        if now.duration_since(self.began) < self.stretch {
            return None;
        }
        let (began, came) = (self.began, self.line.total() - self.before);
        self.restart(now);
        (came < self.least).then_some(began)
    }

    /// Begins a stretch: what was before counts for nothing.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.began, self.before) = (now, self.line.total());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_no_speed() {
        let line = Lines::default().to("x".to_owned());
        let mut floor = MinimumSpeed::new(line.clone(), Duration::from_secs(30), 10);
        let began = floor.began;
        line.add(1);
        assert_eq!(floor.missed(began + Duration::from_secs(29)), None);
        assert_eq!(floor.missed(began + Duration::from_secs(31)), Some(began));
        line.add(300);
        assert_eq!(floor.missed(began + Duration::from_secs(62)), None);
    }

    #[test]
    fn connections_that_share_a_line_are_measured_together() {
        let lines = Lines::default();
        let mut floor = MinimumSpeed::new(lines.to("hub".to_owned()), Duration::from_secs(30), 10);
        let began = floor.began;
        lines.to("hub".to_owned()).add(300);
        lines.to("other".to_owned()).add(9);
        assert_eq!(floor.missed(began + Duration::from_secs(30)), None);
        lines.to("other".to_owned()).add(9_000);
        assert!(floor.missed(began + Duration::from_mins(1)).is_some());
    }
}
