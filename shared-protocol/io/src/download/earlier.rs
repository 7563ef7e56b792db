//! What sources did for a content in earlier runs of the program. Pure.
//!
//! A download may be gone on with by another process: after a kill, an update, a retry. The journal beside the
//! half-done file holds what each source had done by then, and what is told in the end is the sum.

use std::collections::BTreeMap;

use shared_protocol::outcome::{Reason, SourceReport, Verdict};

/// Most reasons of one source that are kept.
const MAX_REASONS: usize = 20;

/// Bytes by the names of those who brought them.
pub(super) type Shares = BTreeMap<String, u64>;

/// The reports of earlier runs.
#[derive(Debug, Default)]
pub(super) struct Earlier(Vec<SourceReport>);

impl Earlier {
    pub(super) fn new(reports: Vec<SourceReport>) -> Self {
        Self(reports)
    }

    /// Bytes that they brought.
    pub(super) fn n_bytes(&self) -> u64 {
        self.0.iter().map(|report| report.bytes).fold(0, u64::saturating_add)
    }

    /// So many of their bytes turned out to be missing or wrong; whose they were is not known.
    pub(super) fn take_off(&mut self, mut n_bytes: u64) {
        while n_bytes > 0 {
            let Some(most) = self.0.iter_mut().filter(|report| report.bytes > 0).max_by_key(|report| report.bytes)
            else {
                return;
            };
            let lost = most.bytes.min(n_bytes);
            most.bytes -= lost;
            most.wasted_bytes = most.wasted_bytes.saturating_add(lost);
            n_bytes -= lost;
        }
    }

    /// The sums, with what sources did in this run, and with what of earlier runs was verified only in this one.
    pub(super) fn with(&self, now: Vec<SourceReport>, settled: &Shares) -> Vec<SourceReport> {
        let mut earlier = self.0.clone();
        for (name, n_bytes) in settled {
            match earlier.iter_mut().find(|report| report.source == *name) {
                Some(report) => report.bytes = report.bytes.saturating_add(*n_bytes),
                None => earlier.push(brought(name, *n_bytes)),
            }
        }
        let mut sums: Vec<SourceReport> = now
            .into_iter()
            .map(|report| match earlier.iter().position(|before| before.source == report.source) {
                Some(i) => sum(earlier.remove(i), report),
                None => report,
            })
            .collect();
        // Who is not named any more brought it all the same.
        sums.extend(earlier.into_iter().filter(|report| report.verdict != Verdict::NotTried));
        sums
    }
}

/// A source of which nothing else is known.
fn brought(name: &str, n_bytes: u64) -> SourceReport {
    SourceReport {
        source: name.to_owned(),
        bytes: n_bytes,
        wasted_bytes: 0,
        attempts: 1,
        duration_ms: 0,
        verdict: Verdict::Used,
        reasons: Vec::new(),
    }
}

fn sum(before: SourceReport, now: SourceReport) -> SourceReport {
    SourceReport {
        bytes: before.bytes.saturating_add(now.bytes),
        wasted_bytes: before.wasted_bytes.saturating_add(now.wasted_bytes),
        attempts: before.attempts.saturating_add(now.attempts),
        duration_ms: before.duration_ms.saturating_add(now.duration_ms),
        verdict: if now.verdict == Verdict::NotTried { before.verdict } else { now.verdict },
        reasons: joined(before.reasons, now.reasons),
        source: now.source,
    }
}

fn joined(mut before: Vec<Reason>, now: Vec<Reason>) -> Vec<Reason> {
    for reason in now {
        if let Some(known) = before.iter_mut().find(|known| known.code == reason.code) {
            known.n = known.n.saturating_add(reason.n);
            known.detail = reason.detail;
        } else if before.len() < MAX_REASONS {
            before.push(reason);
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(source: &str, bytes: u64, verdict: Verdict, reasons: &[(&str, u32)]) -> SourceReport {
        let reason = |(code, n): &(&str, u32)| Reason { code: (*code).to_owned(), detail: String::new(), n: *n };
        SourceReport { verdict, reasons: reasons.iter().map(reason).collect(), ..brought(source, bytes) }
    }

    #[test]
    fn what_was_done_before_is_added_by_name() {
        let before = [
            report("one", 10, Verdict::Used, &[("reset", 1)]),
            report("gone", 5, Verdict::GaveUp, &[]),
            report("never", 0, Verdict::NotTried, &[]),
        ];
        let now = vec![
            report("one", 3, Verdict::GaveUp, &[("reset", 2), ("stalled", 1)]),
            report("hub", 7, Verdict::Used, &[]),
        ];
        let settled = Shares::from([("hub".to_owned(), 2), ("older".to_owned(), 4)]);
        let sums = Earlier::new(before.into()).with(now, &settled);
        let told: Vec<_> = sums.iter().map(|report| (&*report.source, report.bytes, report.verdict)).collect();
        let expected = [
            ("one", 13, Verdict::GaveUp),
            ("hub", 9, Verdict::Used),
            ("gone", 5, Verdict::GaveUp),
            ("older", 4, Verdict::Used),
        ];
        assert_eq!(told, expected);
        let reasons: Vec<_> = sums.iter().flat_map(|report| &report.reasons).map(|r| (&*r.code, r.n)).collect();
        assert_eq!(reasons, [("reset", 3), ("stalled", 1)]);
    }

    #[test]
    fn what_was_asked_of_nobody_this_time_keeps_its_verdict() {
        let earlier = Earlier::new(vec![report("one", 10, Verdict::Banned, &[])]);
        let sums = earlier.with(vec![report("one", 0, Verdict::NotTried, &[])], &Shares::new());
        assert_eq!(sums.first().map(|report| (report.bytes, report.verdict)), Some((10, Verdict::Banned)));
    }

    #[test]
    fn what_is_lost_is_taken_from_those_who_brought_most() {
        let reports = vec![report("one", 10, Verdict::Used, &[]), report("two", 4, Verdict::Used, &[])];
        let mut earlier = Earlier::new(reports);
        earlier.take_off(11);
        let left: Vec<_> = earlier.0.iter().map(|report| (report.bytes, report.wasted_bytes)).collect();
        assert_eq!((left, earlier.n_bytes()), (vec![(0, 10), (3, 1)], 3));
        earlier.take_off(u64::MAX);
        assert_eq!(earlier.n_bytes(), 0);
    }
}
