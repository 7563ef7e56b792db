//! How long a source is tried.

use proptest::prelude::*;
use shared_protocol::refusal::{Refusal, RefusalCode};

use super::*;

const NOTHING: Brought = Brought { bytes: 0, time: Duration::from_secs(1) };

fn policy(retry_per_source: u32) -> SourcePolicy {
    SourcePolicy {
        stall_timeout_s: 30,
        min_speed: 10 << 10,
        retry_per_source,
        source_patience_s: 60,
        allow_private: false,
    }
}

fn source() -> SourceState {
    SourceState::new("https://models.example/x".to_owned(), &policy(3), Patience::default())
}

fn gone() -> AttemptError {
    AttemptError { consequence: Consequence::Address, ..AttemptError::retry("status", "403") }
}

fn is_left(step: NextStep) -> bool {
    matches!(step, NextStep::Leave)
}

/// Tries again and again as soon as it may, and tells when, from the first failure to the first rest.
fn tries_until_rest(source: &mut SourceState, error: &AttemptError, began: Instant) -> (Vec<Duration>, Duration) {
    let (mut now, mut tries) = (began, Vec::new());
    loop {
        tries.push(now.duration_since(began));
        source.note_attempt();
        match source.judge_failure(error, NOTHING, now, false, now) {
            NextStep::Again { not_before, .. } => now = not_before,
            NextStep::Rest { until } => return (tries, until.duration_since(now)),
            NextStep::Leave => unreachable!("it may pass"),
        }
    }
}

#[test]
fn its_tries_are_spread_over_a_minute_and_then_it_rests() {
    for (n, error) in [
        (3, AttemptError::retry("status", "503")),
        (3, AttemptError::retry("refused", "")),
        (2, AttemptError::stalled("silence")),
        (5, AttemptError::slow(10)),
    ] {
        let mut source = SourceState::new("x".to_owned(), &policy(n), Patience::default());
        let (tries, rest) = tries_until_rest(&mut source, &error, Instant::now());
        assert_eq!(tries.len(), n as usize, "{error:?}");
        assert!(tries.last().is_some_and(|last| (60..=95).contains(&last.as_secs())), "{tries:?}");
        let pauses: Vec<Duration> = tries.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{tries:?}");
        assert_eq!(rest, Duration::from_mins(1));
        assert!(source.is_live() && source.is_resting());
        assert_eq!(source.report(0, 0).verdict, Verdict::GaveUp);
    }
}

#[test]
fn rests_grow_and_are_bounded_and_end_with_what_it_brings() {
    let (mut source, now) = (source(), Instant::now());
    let error = AttemptError::retry("status", "503");
    tries_until_rest(&mut source, &error, now);
    let mut rests = Vec::new();
    for _ in 0..6 {
        let NextStep::Rest { until } = source.judge_failure(&error, NOTHING, now, false, now) else {
            unreachable!("it rests again after one try")
        };
        rests.push(until.duration_since(now).as_secs());
    }
    assert_eq!(rests, [120, 240, 480, 600, 600, 600]);
    source.note_progress();
    assert!(!source.is_resting());
    assert_eq!(source.report(1, 0).verdict, Verdict::Used);
    let (tries, _) = tries_until_rest(&mut source, &error, now);
    assert_eq!(tries.len(), 6, "who has brought something has credit");
}

#[test]
fn what_comes_fast_enough_starts_the_budget_anew() {
    let (mut source, now) = (source(), Instant::now());
    let error = AttemptError::retry("truncated", "");
    let brought = Brought { bytes: 700 << 10, time: Duration::from_secs(4) };
    for _ in 0..1_000 {
        let step = source.judge_failure(&error, brought, now, false, now);
        assert_eq!(step, NextStep::Again { not_before: now, resolve: false }, "and it is asked on at once");
    }
    let trickle = Brought { bytes: 1_000, time: Duration::from_millis(1) };
    let far = now + Duration::from_hours(1);
    for _ in 0..5 {
        assert!(matches!(source.judge_failure(&error, trickle, now, false, far), NextStep::Again { .. }));
    }
    assert!(matches!(source.judge_failure(&error, trickle, now, false, far), NextStep::Rest { .. }));
}

#[test]
fn who_is_only_slow_is_better_than_nobody() {
    let mut source = source();
    tries_until_rest(&mut source, &AttemptError::slow(10), Instant::now());
    assert!(source.is_resting() && source.is_only_slow());
}

#[test]
fn a_machine_that_is_cut_off_blames_nobody() {
    let (mut source, mut now) = (source(), Instant::now());
    let error = AttemptError { consequence: Consequence::CutOff, ..AttemptError::retry("dns", "") };
    for _ in 0..1_000 {
        let NextStep::Again { not_before, .. } = source.judge_failure(&error, NOTHING, now, false, now) else {
            unreachable!("nobody is at fault")
        };
        assert!(not_before <= now + CUT_OFF, "it looks again soon");
        now = not_before;
    }
    let (tries, _) = tries_until_rest(&mut source, &AttemptError::retry("status", "503"), now);
    assert_eq!(tries.len(), 3, "its budget is whole");
}

#[test]
fn an_address_that_expired_is_resolved_again_three_times() {
    let (mut source, now) = (source(), Instant::now());
    for _ in 0..MAX_RESOLUTIONS {
        let step = source.judge_failure(&gone(), NOTHING, now, true, now);
        assert!(matches!(step, NextStep::Again { resolve: true, .. }));
    }
    assert!(is_left(source.judge_failure(&gone(), NOTHING, now, true, now)));
}

#[test]
fn an_address_that_was_named_ends_at_once() {
    let now = Instant::now();
    assert!(is_left(source().judge_failure(&gone(), NOTHING, now, false, now)));
}

#[test]
fn a_liar_is_banned_whatever_it_brought() {
    let (mut source, now) = (source(), Instant::now());
    let much = Brought { bytes: 1 << 40, time: Duration::from_secs(1) };
    assert!(is_left(source.judge_failure(&AttemptError::wrong_bytes("group 3"), much, now, true, now)));
    assert_eq!(source.report(1, 0).verdict, Verdict::Banned);
}

#[test]
fn the_hub_is_waited_for_without_end() {
    let (mut source, began) = (source(), Instant::now());
    let error = AttemptError { consequence: Consequence::OutOfReach, ..AttemptError::retry("unavailable", "") };
    let mut now = began;
    while now < began + Duration::from_hours(12) {
        let NextStep::Again { not_before, .. } = source.judge_failure(&error, NOTHING, now, false, now) else {
            unreachable!("it is waited for")
        };
        assert!(not_before > now && not_before <= now + Duration::from_mins(1));
        now = not_before;
    }
    assert!(source.is_out_of_reach() && !source.is_resting());
}

#[test]
fn the_end_of_a_session_is_final_and_being_busy_is_not() {
    let refusal = |code| Refusal { code, detail: String::new(), retry: false, retry_after_s: Some(7) };
    let over = AttemptError::of_refusal(refusal(RefusalCode::Revoked));
    assert!(matches!(over.consequence, Consequence::SessionOver(_)));
    let now = Instant::now();
    let busy = AttemptError::of_refusal(refusal(RefusalCode::Busy));
    let step = source().judge_failure(&busy, NOTHING, now, false, now);
    assert!(matches!(step, NextStep::Again { not_before, .. } if not_before >= now + Duration::from_secs(7)));
}

proptest! {
    /// What a source asks for is granted, up to a limit. What is about a minute is waited for, and others take over
    /// meanwhile where it is longer.
    #[test]
    fn waits_are_granted_and_bounded(millis in 1_u64..3_000_000) {
        let (mut source, now) = (source(), Instant::now());
        let asked = Duration::from_millis(millis);
        let error = AttemptError { retry_after: Some(asked), ..AttemptError::retry("rate_limited", "429") };
        let at = match source.judge_failure(&error, NOTHING, now, false, now) {
            NextStep::Again { not_before, .. } => {
                prop_assert!(asked <= Duration::from_secs(90) && !source.is_resting());
                not_before
            }
            NextStep::Rest { until } => {
                prop_assert!(asked > Duration::from_secs(90) && source.is_resting());
                until
            }
            NextStep::Leave => unreachable!("it may pass"),
        };
        prop_assert!(at >= now + asked.min(Duration::from_mins(10)));
        prop_assert!(at <= now + asked.clamp(Duration::from_secs(1), Duration::from_mins(10)));
    }

    /// However often it says a moment, it is not asked more often in all than its tries and once more.
    #[test]
    fn short_waits_are_no_way_to_be_asked_for_ever(millis in 1_u64..5_000) {
        let error = AttemptError {
            retry_after: Some(Duration::from_millis(millis)),
            ..AttemptError::retry("rate_limited", "429")
        };
        let (tries, _) = tries_until_rest(&mut source(), &error, Instant::now());
        prop_assert!(tries.len() <= 4, "{:?}", tries);
        prop_assert!(tries.last().is_some_and(|last| last.as_secs() >= 60));
    }
}
