use proptest::prelude::*;

use super::*;

fn phase() -> impl Strategy<Value = JobPhase> {
    prop_oneof![
        Just(JobPhase::Waiting),
        Just(JobPhase::Running),
        Just(JobPhase::Verifying),
        Just(JobPhase::Paused),
        Just(JobPhase::Other)
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![Just(Ending::Succeeded), Just(Ending::Failed), Just(Ending::Cancelled)]
}

fn reason() -> impl Strategy<Value = RejectReason> {
    prop_oneof![Just(RejectReason::Busy), Just(RejectReason::Disk), Just(RejectReason::Policy)]
}

fn event() -> impl Strategy<Value = JobEvent> {
    let attempt = 0_u32..5;
    prop_oneof![
        6 => Just(JobEvent::Assign),
        3 => attempt.clone().prop_map(JobEvent::Accepted),
        2 => (attempt.clone(), reason()).prop_map(|(of, reason)| JobEvent::Rejected(of, reason)),
        4 => (attempt.clone(), phase()).prop_map(|(of, phase)| JobEvent::Progress(of, phase)),
        4 => (attempt.clone(), ending()).prop_map(|(of, ending)| JobEvent::Result(of, ending)),
        2 => Just(JobEvent::LeaseOver),
        3 => prop_oneof![
            (attempt.clone(), phase()).prop_map(|(of, phase)| Back::Has(of, phase)),
            attempt.prop_map(Back::HasResult),
            Just(Back::Nothing)
        ].prop_map(JobEvent::Back),
        1 => Just(JobEvent::Impossible),
        2 => Just(JobEvent::Cancel),
        1 => Just(JobEvent::CancelOverdue),
        2 => Just(JobEvent::Retry),
    ]
}

proptest! {
    #[test]
    fn every_history_keeps_the_promises(events in proptest::collection::vec(event(), 0..80)) {
        let mut now = Life::NEW;
        let mut endings = 0_u32;
        let mut starts = 1_u32;
        for event in events {
            let Ok((next, effects)) = step(now, event) else { continue };
            prop_assert!(next.attempt >= now.attempt, "tries are never numbered back");
            if next.attempt > now.attempt {
                prop_assert_eq!(event, JobEvent::Assign, "only an order begins a try");
                prop_assert!(effects.contains(&JobEffect::SendOrder));
            }
            if now.state.is_final() && next.state != now.state {
                prop_assert_eq!(event, JobEvent::Retry, "what has ended stays ended until a person asks");
                prop_assert!(now.state != JobState::Succeeded, "nothing is done twice");
                starts += 1;
            }
            if next.state.is_final() && !now.state.is_final() {
                endings += 1;
                prop_assert!(endings <= starts, "one start, one ending");
            }
            if let JobEvent::Result(of, _) = event {
                prop_assert_eq!(&effects, &vec![JobEffect::AckResult(of)], "the agent may always forget");
                prop_assert!(of == now.attempt || next == now, "a stale result changes nothing");
            }
            if let JobEvent::Progress(of, _) = event {
                prop_assert_eq!(of, now.attempt);
            }
            prop_assert!(!next.cancel || next.state.is_with_agent(), "only an agent can be asked to stop");
            if now.cancel && !next.cancel {
                prop_assert!(next.state.is_final(), "a cancel ends in an end");
            }
            now = next;
        }
    }

    #[test]
    fn every_event_may_come_twice(events in proptest::collection::vec(event(), 0..60)) {
        // What a person does is not repeated by a network, and an order is the hub's own.
        let is_the_hubs = |event| matches!(event, JobEvent::Assign | JobEvent::Cancel | JobEvent::Retry | JobEvent::Impossible);
        let (mut once, mut twice) = (Life::NEW, Life::NEW);
        for event in events {
            once = step(once, event).map_or(once, |(next, _)| next);
            twice = step(twice, event).map_or(twice, |(next, _)| next);
            if !is_the_hubs(event) {
                twice = step(twice, event).map_or(twice, |(next, _)| next);
            }
            prop_assert_eq!(once, twice, "{:?}", event);
        }
    }

    #[test]
    fn every_job_can_be_dropped_for_good(events in proptest::collection::vec(event(), 0..60)) {
        let mut now = Life::NEW;
        for event in events {
            now = step(now, event).map_or(now, |(next, _)| next);
        }
        for event in [JobEvent::Cancel, JobEvent::CancelOverdue] {
            now = step(now, event).map_or(now, |(next, _)| next);
        }
        prop_assert!(now.state.is_final());
    }
}

fn run(events: &[JobEvent]) -> Life {
    events.iter().fold(Life::NEW, |now, event| step(now, *event).unwrap().0)
}

#[test]
fn the_usual_way() {
    let life = run(&[
        JobEvent::Assign,
        JobEvent::Accepted(1),
        JobEvent::Progress(1, JobPhase::Running),
        JobEvent::Progress(1, JobPhase::Verifying),
        JobEvent::Result(1, Ending::Succeeded),
    ]);
    assert_eq!(life, Life { state: JobState::Succeeded, attempt: 1, cancel: false });
    let (again, effects) = step(life, JobEvent::Result(1, Ending::Succeeded)).unwrap();
    assert_eq!((again, effects), (life, vec![JobEffect::AckResult(1)]));
}

#[test]
fn an_agent_that_comes_back_goes_on_and_gets_fresh_tokens() {
    let unknown = run(&[JobEvent::Assign, JobEvent::Progress(1, JobPhase::Running), JobEvent::LeaseOver]);
    assert_eq!(unknown.state, JobState::Unknown);
    let (back, effects) = step(unknown, JobEvent::Back(Back::Has(1, JobPhase::Verifying))).unwrap();
    assert_eq!((back.state, back.attempt, effects), (JobState::Verifying, 1, vec![JobEffect::SendOrder]));
}

#[test]
fn an_order_that_never_arrived_is_sent_again_as_the_same_try() {
    let assigned = run(&[JobEvent::Assign]);
    let (again, effects) = step(assigned, JobEvent::Back(Back::Nothing)).unwrap();
    assert_eq!((again, effects), (assigned, vec![JobEffect::SendOrder]));
}

#[test]
fn a_cancel_survives_the_way_and_success_wins_over_it() {
    let asked = run(&[JobEvent::Assign, JobEvent::Accepted(1), JobEvent::Cancel]);
    assert!(asked.cancel && asked.state == JobState::Assigned);
    assert_eq!(step(asked, JobEvent::Back(Back::Has(1, JobPhase::Running))).unwrap().1, [JobEffect::SendCancel]);
    assert_eq!(step(asked, JobEvent::Back(Back::Nothing)).unwrap().0.state, JobState::Cancelled);
    assert_eq!(step(asked, JobEvent::LeaseOver).unwrap().0.state, JobState::Cancelled);
    assert_eq!(step(asked, JobEvent::Result(1, Ending::Succeeded)).unwrap().0.state, JobState::Succeeded);
    assert_eq!(step(asked, JobEvent::Result(1, Ending::Failed)).unwrap().0.state, JobState::Cancelled);
}

#[test]
fn a_busy_agent_is_asked_again_later_and_with_another_try() {
    let assigned = run(&[JobEvent::Assign]);
    let (queued, effects) = step(assigned, JobEvent::Rejected(1, RejectReason::Busy)).unwrap();
    assert_eq!((queued.state, effects), (JobState::Queued, vec![JobEffect::Wait]));
    assert_eq!(step(queued, JobEvent::Assign).unwrap().0.attempt, 2);
    assert_eq!(step(queued, JobEvent::Progress(1, JobPhase::Running)), Err(Dropped::Stale));
    assert_eq!(step(assigned, JobEvent::Rejected(1, RejectReason::Disk)).unwrap().0.state, JobState::Failed);
}
