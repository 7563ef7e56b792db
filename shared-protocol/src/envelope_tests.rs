#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::hub_to_agent::{HubToAgent, Ping};

#[test]
fn a_later_type_is_skipped_and_still_counts() {
    let decoded = Decoded::<HubToAgent>::decode(r#"{"t":"dance","seq":9,"ack":4,"d":{"steps":3}}"#).unwrap();
    assert_eq!(decoded, Decoded::Unknown { t: "dance".to_owned(), seq: Some(9), ack: 4 });
}

#[test]
fn a_later_field_is_passed_over_and_missing_numbers_are_none() {
    let decoded = Decoded::<HubToAgent>::decode(r#"{"t":"ping","d":{"n":3,"mood":"good"},"more":[]}"#).unwrap();
    let message = HubToAgent::Ping(Ping { n: 3 });
    assert_eq!(decoded, Decoded::Known(Frame { seq: None, ack: 0, message }));
}

#[test]
fn what_is_no_frame_is_told_from_a_later_type() {
    for text in ["", "[]", "{}", r#"{"t":1}"#, r#"{"t":"ping","d":3}"#] {
        assert!(matches!(Decoded::<HubToAgent>::decode(text), Err(FrameError::Malformed(_))), "{text}");
    }
    for text in [r#"{"t":"ping"}"#, r#"{"t":"ping","d":{"n":"x"}}"#] {
        assert!(matches!(Decoded::<HubToAgent>::decode(text), Err(FrameError::Content { .. })), "{text}");
    }
}

#[test]
fn a_frame_that_is_too_long_is_neither_read_nor_written() {
    let text = format!(r#"{{"t":"ping","d":{{"n":3,"x":"{}"}}}}"#, "x".repeat(MAX_FRAME_BYTES));
    assert!(matches!(Decoded::<HubToAgent>::decode(&text), Err(FrameError::TooLong(_))));
    let refusal = crate::refusal::Refusal {
        code: crate::refusal::RefusalCode::Other,
        detail: "x".repeat(MAX_FRAME_BYTES),
        retry: true,
        retry_after_s: None,
    };
    let frame = Frame { seq: None, ack: 0, message: HubToAgent::Refuse(refusal) };
    assert!(matches!(frame.encode(), Err(FrameError::TooLong(_))));
}

#[test]
fn a_kind_of_job_from_later_is_known_as_such() {
    let text = r#"{"t":"job_assign","d":{"job":"9d5b0a3e-7c1f-4e2b-b1de-2f6f5b8c3d33","attempt":1,
        "spec":{"kind":"make_coffee","cups":2}}}"#;
    let Decoded::Known(frame) = Decoded::<HubToAgent>::decode(text).unwrap() else {
        unreachable!("job_assign is known")
    };
    let HubToAgent::JobAssign(assign) = frame.message else { unreachable!("it is a job_assign") };
    assert_eq!(assign.spec, crate::job::JobSpec::Unknown);
}
