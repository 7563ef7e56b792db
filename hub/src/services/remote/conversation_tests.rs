use proptest::prelude::*;
use shared_protocol::agent_to_hub::Bye;
use shared_protocol::hub_to_agent::{Drain, Ping};

use super::*;

fn bye(seq: Option<u64>, ack: u64, reason: &str) -> Decoded<AgentToHub> {
    Decoded::Known(Frame { seq, ack, message: AgentToHub::Bye(Bye { reason: reason.to_owned() }) })
}

fn drain(n: u64) -> HubToAgent {
    HubToAgent::Drain(Drain { deadline_s: n })
}

fn numbers(frames: &[Frame<HubToAgent>]) -> Vec<Option<u64>> {
    frames.iter().map(|frame| frame.seq).collect()
}

#[test]
fn a_repetition_is_dropped_and_a_gap_ends_it() {
    let mut talk = Conversation::default();
    assert!(talk.receive(bye(Some(1), 0, "a")).unwrap().is_some());
    assert!(talk.receive(bye(Some(1), 0, "a")).unwrap().is_none());
    assert!(talk.owes_ack());
    assert!(matches!(talk.receive(bye(Some(3), 0, "c")), Err(Broken::Gap { last: 1, got: 3 })));
    assert!(matches!(talk.receive(bye(None, 0, "d")), Err(Broken::Unnumbered(_))));
}

#[test]
fn an_unknown_type_is_skipped_and_counts() {
    let mut talk = Conversation::default();
    assert!(talk.receive_text(r#"{"t":"dance","seq":1,"ack":0,"d":{}}"#).unwrap().is_none());
    assert!(talk.receive(bye(Some(2), 0, "b")).unwrap().is_some());
    assert_eq!(talk.take_new(), [], "nothing to say, but what came is known");
}

#[test]
fn what_is_not_acknowledged_comes_with_every_turn_and_else_once() {
    let mut talk = Conversation::default();
    talk.say(drain(1)).unwrap();
    talk.say(drain(2)).unwrap();
    assert_eq!(numbers(&talk.take_new()), [Some(1), Some(2)]);
    assert!(!talk.has_new() && talk.take_new().is_empty());
    assert_eq!(numbers(&talk.take_unacked()), [Some(1), Some(2)]);
    talk.receive(bye(Some(1), 1, "x")).unwrap();
    assert_eq!(numbers(&talk.take_unacked()), [Some(2)]);
    assert!(matches!(talk.receive(bye(Some(2), 3, "y")), Err(Broken::Ack(3))), "never said");
}

#[test]
fn pings_never_pile_up_and_orders_never_vanish() {
    let mut talk = Conversation::default();
    for n in 0..1_000 {
        talk.say(HubToAgent::Ping(Ping { n })).unwrap();
    }
    assert_eq!(talk.take_new().len(), MOST_LOOSE);
    for n in 0..MOST_UNACKED as u64 {
        talk.say(drain(n)).unwrap();
    }
    assert!(matches!(talk.say(drain(0)), Err(Broken::Overflow)));
}

#[test]
fn garbage_is_told_from_a_frame() {
    let mut talk = Conversation::default();
    for text in ["", "[]", "{}", "\u{0}", r#"{"t":"bye","seq":1,"d":{"reason":5}}"#, r#"{"t":"bye","seq":-1}"#] {
        assert!(matches!(talk.receive_text(text), Err(Broken::Frame(_))), "{text}");
    }
    let long = format!(r#"{{"t":"bye","seq":1,"d":{{"reason":"{}"}}}}"#, "x".repeat(300_000));
    assert!(matches!(talk.receive_text(&long), Err(Broken::Frame(FrameError::TooLong(_)))));
}

proptest! {
    #[test]
    fn over_a_poll_that_loses_turns_everything_arrives_once_and_in_order(
        turns in proptest::collection::vec((0_u64..4, any::<bool>(), any::<bool>()), 1..40)
    ) {
        let mut hub = Conversation::default();
        let (mut said, mut heard, mut ack) = (0_u64, Vec::new(), 0_u64);
        let mut upward = 0_u64;
        let turn = |hub: &mut Conversation, heard: &mut Vec<u64>, ack: &mut u64, arrives: bool| {
            for frame in hub.take_unacked() {
                let HubToAgent::Drain(Drain { deadline_s }) = frame.message else { continue };
                if arrives && frame.seq.unwrap() == *ack + 1 {
                    *ack += 1;
                    heard.push(deadline_s);
                }
            }
        };
        for (n, asks, answer_arrives) in turns {
            for _ in 0..n {
                if hub.say(drain(said)).is_ok() { said += 1; }
            }
            if asks {
                hub.receive(bye(Some(upward + 1), ack, "poll")).unwrap();
                upward += 1;
            }
            turn(&mut hub, &mut heard, &mut ack, answer_arrives);
        }
        turn(&mut hub, &mut heard, &mut ack, true);
        prop_assert_eq!(heard, (0..said).collect::<Vec<_>>());
    }
}
