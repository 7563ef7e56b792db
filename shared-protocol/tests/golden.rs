//! The wire as it is spoken: every line of the golden files is read and written again unchanged. A
//! line that has to change means that agents and hubs in use no longer understand each other: raise
//! `PROTO`, or make the change one that both can read.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may unwrap")]

use std::collections::BTreeSet;

use serde_json::Value;
use shared_protocol::agent_to_hub::AgentToHub;
use shared_protocol::envelope::{Decoded, Message};
use shared_protocol::hub_to_agent::HubToAgent;

fn check<M: Message + std::fmt::Debug>(golden: &str) {
    let mut seen = BTreeSet::new();
    for line in golden.lines() {
        let Decoded::Known(frame) = Decoded::<M>::decode(line).unwrap_or_else(|error| panic!("{error}: {line}")) else {
            panic!("not known: {line}");
        };
        let expected: Value = serde_json::from_str(line).unwrap();
        let written: Value = serde_json::from_str(&frame.encode().unwrap()).unwrap();
        assert_eq!(written, expected);
        seen.insert(expected["t"].as_str().unwrap().to_owned());
    }
    let known: BTreeSet<_> = M::TYPES.iter().map(|t| (*t).to_owned()).collect();
    assert_eq!(seen, known, "every type has a line");
}

#[test]
fn what_the_hub_says_is_written_as_ever() {
    check::<HubToAgent>(include_str!("../golden/hub_to_agent.jsonl"));
}

#[test]
fn what_the_agent_says_is_written_as_ever() {
    check::<AgentToHub>(include_str!("../golden/agent_to_hub.jsonl"));
}
