//! The rules of PROTOCOL.md about jobs, one by one, and what must hold whatever happens.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared_protocol::Blake3;
use shared_protocol::job::{AssetDownload, AssetSource, Bearer, SourcePolicy};
use shared_protocol::outcome::How;
use shared_protocol::secret::Secret;

use super::*;

fn spec_to(dest: &str, token: Option<&str>) -> JobSpec {
    let bearer = token.map(|token| Bearer { host: "h".to_owned(), token: Secret::new(token.to_owned()) });
    JobSpec::AssetDownload(AssetDownload {
        blake3: Blake3::from_bytes([1; 32]),
        size_bytes: 2 * SMALL,
        dest: RelPath::parse(dest).unwrap(),
        sources: vec![AssetSource::Public { url: "https://h/x".to_owned(), bearer }],
        policy: SourcePolicy {
            stall_timeout_s: 1,
            min_speed: 1,
            retry_per_source: 1,
            source_patience_s: 0,
            allow_private: false,
        },
    })
}

fn assign(job: JobRef) -> Input {
    Input::Assigned(JobAssign { job, spec: spec_to(&format!("loras/{}", job.job), None) })
}

fn fresh() -> JobRef {
    JobRef { job: JobId::new(), attempt: 1 }
}

fn table(slots: usize, parallel: usize) -> Table {
    Table::restore(slots, parallel, Vec::new()).0
}

fn done() -> Outcome {
    Outcome::Succeeded { how: How::Downloaded, duration_ms: 1, sources: Vec::new(), commit: None }
}

/// The effects in short words.
fn words(effects: &[Effect]) -> Vec<&'static str> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Write(_) => "write",
            Effect::WriteResult(_) => "write result",
            Effect::Forget(_) => "forget",
            Effect::Start(..) => "start",
            Effect::Stop(_) => "stop",
            Effect::Say(AgentToHub::JobAccepted(_)) => "accepted",
            Effect::Say(AgentToHub::JobRejected(rejected)) => match rejected.reason {
                RejectReason::Busy => "busy",
                RejectReason::Disk => "disk",
                RejectReason::Storage => "storage",
                _ => "policy",
            },
            Effect::Say(AgentToHub::CancelAck(_)) => "cancel ack",
            Effect::Say(AgentToHub::JobResult(_)) => "result",
            Effect::Say(_) => "?",
        })
        .collect()
}

#[test]
fn small_files_are_under_way_together_beside_a_large_one() {
    let mut table = table(64, 1);
    let small = |job: JobRef| {
        let mut spec = spec_to(&format!("loras/{}", job.job), None);
        if let JobSpec::AssetDownload(order) = &mut spec {
            order.size_bytes = SMALL;
        }
        Input::Assigned(JobAssign { job, spec })
    };
    assert_eq!(words(&table.apply(assign(fresh()))), ["write", "accepted", "start"]);
    let started = |effects: Vec<Effect>| effects.iter().any(|effect| matches!(effect, Effect::Start(..)));
    let jobs: Vec<JobRef> = (0..30).map(|_| fresh()).collect();
    let n_started = jobs.iter().filter(|job| started(table.apply(small(**job)))).count();
    assert_eq!(n_started, SMALL_AT_ONCE + 1);
    assert!(!started(table.apply(assign(fresh()))), "another large one waits");
    assert!(started(table.apply(Input::Ended(jobs[0], done()))));
}

#[test]
fn a_job_is_written_down_before_it_is_accepted_and_then_begun() {
    let mut table = table(4, 1);
    let (first, second) = (fresh(), fresh());
    assert_eq!(words(&table.apply(assign(first))), ["write", "accepted", "start"]);
    assert_eq!(words(&table.apply(assign(second))), ["write", "accepted"]);
    assert_eq!(words(&table.apply(Input::Ended(first, done()))), ["write result", "result", "start"]);
    assert_eq!(words(&table.apply(Input::Acknowledged(first))), ["forget"]);
    assert_eq!(words(&table.apply(Input::Acknowledged(first))), [""; 0]);
}

#[test]
fn a_repeat_starts_nothing_twice_and_a_result_is_said_again() {
    let mut table = table(4, 1);
    let job = fresh();
    table.apply(assign(job));
    assert_eq!(words(&table.apply(assign(job))), ["accepted"]);
    table.apply(Input::Ended(job, done()));
    assert_eq!(words(&table.apply(assign(job))), ["accepted", "result"]);
}

#[test]
fn a_later_try_replaces_the_earlier_one_and_waits_until_that_has_stopped() {
    let mut table = table(4, 2);
    let first = fresh();
    let second = JobRef { attempt: 2, ..first };
    table.apply(assign(first));
    assert_eq!(words(&table.apply(assign(second))), ["stop", "write", "accepted"]);
    assert_eq!(words(&table.apply(assign(first))), [""; 0], "stale");
    assert_eq!(words(&table.apply(Input::Cancelled(first))), ["cancel ack"], "stale");
    assert_eq!(
        table.apply(Input::Ended(first, done())),
        [Effect::Start(second, Box::new(spec_to(&format!("loras/{}", first.job), None)))]
    );
    assert_eq!(words(&table.apply(Input::Ended(second, done()))), ["write result", "result"]);
}

#[test]
fn what_can_not_be_taken_is_rejected_with_the_reason() {
    let mut table = table(1, 1);
    let unknown = JobAssign { job: fresh(), spec: JobSpec::Unknown };
    assert_eq!(words(&table.apply(Input::Assigned(unknown))), ["policy"]);
    assert_eq!(words(&table.apply(Input::Forbidden(fresh(), "a link".to_owned()))), ["policy"]);
    let job = fresh();
    table.apply(assign(job));
    assert_eq!(words(&table.apply(assign(fresh()))), ["busy"]);
    assert_eq!(
        words(&table.apply(Input::NotWritten(job, NotWritten { is_full: true, why: "the disk is full".to_owned() }))),
        ["disk"]
    );
    assert!(table.jobs().is_empty());
    assert_eq!(words(&table.apply(assign(fresh()))), ["write", "accepted", "start"]);
}

#[test]
fn a_cancel_is_acknowledged_at_once_wherever_the_job_is() {
    let mut table = table(4, 1);
    let (running, waiting) = (fresh(), fresh());
    table.apply(assign(running));
    table.apply(assign(waiting));
    assert_eq!(words(&table.apply(Input::Cancelled(waiting))), ["cancel ack", "write result", "result"]);
    assert_eq!(words(&table.apply(Input::Cancelled(running))), ["cancel ack", "stop"]);
    assert_eq!(words(&table.apply(Input::Cancelled(running))), ["cancel ack"]);
    assert_eq!(words(&table.apply(Input::Ended(running, Outcome::Cancelled {}))), ["write result", "result"]);
    assert_eq!(words(&table.apply(Input::Cancelled(running))), ["cancel ack", "result"]);
    assert_eq!(words(&table.apply(Input::Cancelled(fresh()))), ["cancel ack", "result"], "never arrived");
}

#[test]
fn after_a_restart_jobs_go_on_but_wait_for_their_tokens() {
    let (plain, gated, ended) = (fresh(), fresh(), fresh());
    let mut records = vec![
        Record::new(gated, 0, spec_to("loras/a", Some("hf_x"))),
        Record::new(plain, 1, spec_to("loras/b", None)),
        Record::new(ended, 2, spec_to("loras/c", None)),
    ];
    records[2].outcome = Some(done());
    let (mut table, effects) = Table::restore(4, 2, records);
    assert_eq!(effects, [Effect::Start(plain, Box::new(spec_to("loras/b", None)))]);
    assert_eq!(words(&table.apply(Input::Welcomed(Vec::new()))), ["result"]);
    let assigned = table.apply(Input::Assigned(JobAssign { job: gated, spec: spec_to("loras/a", Some("hf_y")) }));
    assert_eq!(words(&assigned), ["accepted", "start"]);
    assert_eq!(assigned[1], Effect::Start(gated, Box::new(spec_to("loras/a", Some("hf_y")))));
}

#[test]
fn a_welcome_stops_what_someone_else_does_now() {
    let mut table = table(4, 1);
    let (running, waiting) = (fresh(), fresh());
    table.apply(assign(running));
    table.apply(assign(waiting));
    let answer = |job, answer| Reconciled { job, answer };
    let both = vec![answer(running, Answer::Cancel), answer(waiting, Answer::Continue)];
    assert_eq!(words(&table.apply(Input::Welcomed(both))), ["stop"]);
    let stale = vec![answer(JobRef { attempt: 9, ..waiting }, Answer::Cancel)];
    assert_eq!(words(&table.apply(Input::Welcomed(stale))), [""; 0]);
}

#[test]
fn no_two_jobs_write_to_the_same_place() {
    let mut table = table(4, 4);
    let (first, second) = (fresh(), fresh());
    let to_same = |job| Input::Assigned(JobAssign { job, spec: spec_to("loras/x", None) });
    assert_eq!(words(&table.apply(to_same(first))), ["write", "accepted", "start"]);
    assert_eq!(words(&table.apply(to_same(second))), ["write", "accepted"]);
    assert_eq!(words(&table.apply(Input::Ended(first, done()))), ["write result", "result", "start"]);
}

#[derive(Debug, Clone)]
enum Step {
    Assign(usize, u32),
    Cancel(usize, u32),
    Acknowledge(usize, u32),
    End,
    Welcome,
    NotWritten,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..6, 1_u32..4).prop_map(|(job, attempt)| Step::Assign(job, attempt)),
        2 => (0_usize..6, 1_u32..4).prop_map(|(job, attempt)| Step::Cancel(job, attempt)),
        2 => (0_usize..6, 1_u32..4).prop_map(|(job, attempt)| Step::Acknowledge(job, attempt)),
        3 => Just(Step::End),
        1 => Just(Step::Welcome),
        1 => Just(Step::NotWritten),
    ]
}

proptest! {
    /// Whatever happens in whatever order: no job works twice at once, no more work than places, no more
    /// jobs than slots, accepted means written, and every accepted job ends with a result that is on disk.
    #[test]
    fn what_must_hold(steps in prop::collection::vec(step(), 0..120), parallel in 1_usize..4) {
        let ids: Vec<JobId> = (0..6).map(|_| JobId::new()).collect();
        let mut table = table(4, parallel);
        let mut working: BTreeSet<(JobId, u32)> = BTreeSet::new();
        let mut disk: BTreeMap<JobId, Record> = BTreeMap::new();
        for step in steps {
            let input = match step {
                Step::Assign(job, attempt) => assign(JobRef { job: ids[job], attempt }),
                Step::Cancel(job, attempt) => Input::Cancelled(JobRef { job: ids[job], attempt }),
                Step::Acknowledge(job, attempt) => Input::Acknowledged(JobRef { job: ids[job], attempt }),
                Step::Welcome => Input::Welcomed(Vec::new()),
                Step::NotWritten => {
                    let job = fresh();
                    let effects = table.apply(assign(job));
                    if effects.iter().any(|effect| matches!(effect, Effect::Write(_))) {
                        Input::NotWritten(job, NotWritten { is_full: false, why: String::new() })
                    } else {
                        continue;
                    }
                }
                Step::End => match working.pop_first() {
                    Some((job, attempt)) => Input::Ended(JobRef { job, attempt }, done()),
                    None => continue,
                },
            };
            for effect in table.apply(input) {
                match effect {
                    Effect::Write(record) | Effect::WriteResult(record) => {
                        disk.insert(record.job.job, *record);
                    }
                    Effect::Forget(job) => {
                        prop_assert!(disk.remove(&job).is_some_and(|record| record.outcome.is_some()));
                    }
                    Effect::Start(job, _) => {
                        prop_assert!(working.iter().all(|(other, _)| *other != job.job), "twice at once");
                        prop_assert_eq!(disk.get(&job.job).map(|record| record.job), Some(job));
                        working.insert((job.job, job.attempt));
                    }
                    Effect::Stop(job) => prop_assert!(working.contains(&(job.job, job.attempt))),
                    Effect::Say(AgentToHub::JobAccepted(job)) => {
                        prop_assert_eq!(disk.get(&job.job).map(|record| record.job), Some(job));
                    }
                    Effect::Say(_) => {}
                }
            }
            prop_assert!(working.len() <= parallel);
            prop_assert!(table.jobs().iter().filter(|held| held.is_active()).count() <= 4);
            prop_assert_eq!(table.jobs().len(), disk.len());
            let waits = table.jobs().iter().any(|held| held.stage == Stage::Waiting
                && working.iter().all(|(job, _)| *job != held.job.job));
            prop_assert!(!waits || working.len() == parallel, "a place is free and a job waits");
        }
        while let Some((job, attempt)) = working.pop_first() {
            for effect in table.apply(Input::Ended(JobRef { job, attempt }, done())) {
                if let Effect::Start(job, _) = effect {
                    working.insert((job.job, job.attempt));
                }
            }
        }
        prop_assert!(table.jobs().iter().all(|held| !held.is_active()), "everything ends");
    }
}
