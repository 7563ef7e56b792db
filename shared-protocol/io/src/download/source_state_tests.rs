//! How long a source is tried.

use proptest::prelude::*;
use shared_protocol::refusal::{Refusal, RefusalCode};

use super::*;

fn source() -> SourceState {
    SourceState::new("https://models.example/x".to_owned(), 3, Patience::default())
}

fn gone() -> AttemptError {
    AttemptError { consequence: Consequence::Address, ..AttemptError::retry("status", "403") }
}

fn is_left(step: &NextStep) -> bool {
    matches!(step, NextStep::Leave)
}

#[test]
fn a_budget_starts_anew_with_every_verified_byte() {
    let (mut source, now) = (source(), Instant::now());
    let error = AttemptError::stalled("silence");
    for verified in 0..20 {
        for _ in 0..2 {
            assert!(!is_left(&source.judge_failure(&error, verified, false, now)));
        }
        source.verified_before = verified;
        assert!(source.is_live());
    }
    assert!(is_left(&source.judge_failure(&error, 19, false, now)));
    let report = source.report(19, 5);
    assert_eq!(report.verdict, Verdict::GaveUp);
    assert_eq!(report.reasons, [Reason { code: "stalled".to_owned(), detail: "silence".to_owned(), n: 41 }]);
}

#[test]
fn an_address_that_expired_is_resolved_again_three_times() {
    let (mut source, now) = (source(), Instant::now());
    for _ in 0..MAX_RESOLUTIONS {
        assert!(matches!(source.judge_failure(&gone(), 0, true, now), NextStep::Again { resolve: true, .. }));
    }
    assert!(is_left(&source.judge_failure(&gone(), 0, true, now)));
}

#[test]
fn an_address_that_was_named_ends_at_once() {
    assert!(is_left(&source().judge_failure(&gone(), 0, false, Instant::now())));
}

#[test]
fn a_liar_is_banned_whatever_it_brought() {
    let mut source = source();
    assert!(is_left(&source.judge_failure(&AttemptError::wrong_bytes("group 3"), 1 << 40, true, Instant::now())));
    assert_eq!(source.report(1, 0).verdict, Verdict::Banned);
}

#[test]
fn the_hub_is_waited_for_but_not_for_ever() {
    let (mut source, now) = (source(), Instant::now());
    let error = AttemptError { consequence: Consequence::OutOfReach, ..AttemptError::retry("unavailable", "") };
    for minute in 0..10 {
        assert!(!is_left(&source.judge_failure(&error, 0, false, now + Duration::from_mins(minute))));
    }
    assert!(is_left(&source.judge_failure(&error, 0, false, now + Duration::from_mins(10))));
}

#[test]
fn the_end_of_a_session_is_final_and_being_busy_is_not() {
    let refusal = |code| Refusal { code, detail: String::new(), retry: false, retry_after_s: Some(7) };
    let over = AttemptError::of_refusal(refusal(RefusalCode::Revoked));
    assert!(matches!(over.consequence, Consequence::SessionOver(_)));
    let now = Instant::now();
    let busy = source().judge_failure(&AttemptError::of_refusal(refusal(RefusalCode::Busy)), 0, false, now);
    assert!(matches!(busy, NextStep::Again { not_before, .. } if not_before >= now + Duration::from_secs(7)));
}

proptest! {
    /// What a source asks for is granted, up to a limit, and nothing makes us wait longer than that.
    #[test]
    fn waits_are_bounded(seconds in 0_u64..1_000_000) {
        let now = Instant::now();
        let error = AttemptError { retry_after: Some(Duration::from_secs(seconds)), ..AttemptError::retry("rate_limited", "429") };
        let NextStep::Again { not_before, .. } = source().judge_failure(&error, 0, false, now) else { unreachable!("first of three") };
        prop_assert!(not_before <= now + Duration::from_mins(2));
        prop_assert!(not_before >= now + Duration::from_secs(seconds.min(120)));
    }
}
