//! The life of one transfer as a pure function: `(progress, event) → (progress, effects)`.
//!
//! The queue's service runs the effects and stores the progress; it decides nothing itself. What a
//! running worker was asked to do stays a request (`stop`) until the worker says that it has
//! stopped, so that the stored state never claims more than the disk shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry::RetryPolicy;

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Its turn has not come.
    Queued,
    Running,
    /// Held by a person; what was copied is kept.
    Paused,
    /// Tried, and will be tried again by itself.
    Waiting,
    /// Done.
    Completed,
    /// Given up, with a reason.
    Failed,
    /// Dropped by a person; nothing is left of it.
    Cancelled,
}

impl TransferState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Running, Self::Paused, Self::Waiting, Self::Completed, Self::Failed, Self::Cancelled];

    /// Nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a running worker was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Stop and keep what is there.
    Pause,
    /// Stop and leave nothing.
    Cancel,
}

/// Everything that decides what may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    pub state: TransferState,
    /// A request to the worker; only while running.
    pub stop: Option<Stop>,
    /// Tries so far that counted.
    pub attempts: u32,
}

#[cfg(test)]
impl TransferProgress {
    /// A transfer that was just made.
    pub const NEW: Self = Self { state: TransferState::Queued, stop: None, attempts: 0 };
}

/// Why a try ended without success, as far as it decides what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Another program holds the file.
    InUse,
    /// The destination is full.
    DiskFull,
    /// A disk that is mounted inside the destination is full: everything else goes on.
    MountFull,
    /// A root can't be reached.
    Offline,
    /// A site can't be reached, or wants to be left alone for so long.
    Later(Duration),
    /// May go away by itself.
    Transient,
    /// Trying again would end the same way: the source changed, the name is taken, not allowed.
    Final,
}

/// What happens to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEvent {
    /// A worker takes it.
    Claim,
    /// The worker has finished and the result is on the disk.
    Succeeded,
    /// The worker's try failed.
    Failed(Failure),
    /// The worker stopped because it was asked to.
    Stopped,
    /// The program ended while the worker ran.
    Interrupted,
    /// A person holds it.
    Pause,
    /// A person lets it go on.
    Resume,
    /// A person drops it.
    Cancel,
    /// A person tries it again.
    Retry,
}

/// What the queue has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEffect {
    /// Tell the worker to stop.
    StopWorker,
    /// Remove what was written so far.
    RemovePart,
    /// List it among what is open again. What was copied before a failure is kept.
    StartOver,
    /// Try it again after this time.
    WakeAfter(Duration),
    /// Hold the whole queue: there is no space, and the next file would end the same way.
    PauseQueue,
}

/// The event does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transfer that is {} can't do that", .0.as_str())]
pub struct TransferRefused(pub TransferState);

/// What follows from an event.
pub fn step(
    from: TransferProgress,
    event: TransferEvent,
    policy: &RetryPolicy,
) -> Result<(TransferProgress, Vec<TransferEffect>), TransferRefused> {
    use TransferState as S;
    let to = |state| TransferProgress { state, stop: None, ..from };
    let next = match (from.state, event) {
        (S::Queued, TransferEvent::Claim) => (to(S::Running), vec![]),

        (S::Running, TransferEvent::Succeeded) => (to(S::Completed), vec![]),
        (S::Running, TransferEvent::Stopped | TransferEvent::Interrupted) => stopped(from),
        (S::Running, TransferEvent::Failed(_)) if from.stop.is_some() => stopped(from),
        (S::Running, TransferEvent::Failed(failure)) => failed(from, failure, policy),
        (S::Running, TransferEvent::Pause) if from.stop == Some(Stop::Cancel) => {
            return Err(TransferRefused(from.state));
        }
        (S::Running, TransferEvent::Pause) => {
            (TransferProgress { stop: Some(Stop::Pause), ..from }, vec![TransferEffect::StopWorker])
        }
        (S::Running, TransferEvent::Cancel) => {
            (TransferProgress { stop: Some(Stop::Cancel), ..from }, vec![TransferEffect::StopWorker])
        }

        (S::Queued | S::Waiting, TransferEvent::Pause) => (to(S::Paused), vec![]),
        (S::Waiting, TransferEvent::Resume | TransferEvent::Retry) | (S::Paused, TransferEvent::Resume) => {
            (to(S::Queued), vec![])
        }
        (S::Queued | S::Waiting | S::Paused, TransferEvent::Cancel) => {
            (to(S::Cancelled), vec![TransferEffect::RemovePart])
        }
        (S::Failed | S::Cancelled, TransferEvent::Retry) => {
            (TransferProgress { attempts: 0, ..to(S::Queued) }, vec![TransferEffect::StartOver])
        }
        (state, _) => return Err(TransferRefused(state)),
    };
    Ok(next)
}

/// The worker is gone: what it was asked for is done now; without a request it takes its turn again.
fn stopped(from: TransferProgress) -> (TransferProgress, Vec<TransferEffect>) {
    let to = |state| TransferProgress { state, stop: None, ..from };
    match from.stop {
        Some(Stop::Pause) => (to(TransferState::Paused), vec![]),
        Some(Stop::Cancel) => (to(TransferState::Cancelled), vec![TransferEffect::RemovePart]),
        None => (to(TransferState::Queued), vec![]),
    }
}

fn failed(from: TransferProgress, failure: Failure, policy: &RetryPolicy) -> (TransferProgress, Vec<TransferEffect>) {
    let to = |state| TransferProgress { state, stop: None, ..from };
    match failure {
        Failure::InUse | Failure::MountFull => {
            (to(TransferState::Waiting), vec![TransferEffect::WakeAfter(policy.in_use)])
        }
        Failure::Offline => (to(TransferState::Waiting), vec![TransferEffect::WakeAfter(policy.offline)]),
        Failure::Later(pause) => (to(TransferState::Waiting), vec![TransferEffect::WakeAfter(pause)]),
        Failure::DiskFull => (to(TransferState::Queued), vec![TransferEffect::PauseQueue]),
        Failure::Final => (to(TransferState::Failed), vec![TransferEffect::RemovePart]),
        Failure::Transient => match policy.delay_after(from.attempts) {
            Some(delay) => (
                TransferProgress { attempts: from.attempts + 1, ..to(TransferState::Waiting) },
                vec![TransferEffect::WakeAfter(delay)],
            ),
            None => (to(TransferState::Failed), vec![]),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = TransferEvent> {
        prop_oneof![
            4 => Just(TransferEvent::Claim),
            1 => Just(TransferEvent::Succeeded),
            3 => prop_oneof![
                Just(Failure::InUse), Just(Failure::DiskFull), Just(Failure::MountFull), Just(Failure::Offline),
                Just(Failure::Later(Duration::from_secs(7))), Just(Failure::Transient), Just(Failure::Final)
            ].prop_map(TransferEvent::Failed),
            2 => Just(TransferEvent::Stopped),
            2 => Just(TransferEvent::Interrupted),
            2 => prop_oneof![Just(TransferEvent::Pause), Just(TransferEvent::Resume), Just(TransferEvent::Cancel), Just(TransferEvent::Retry)],
        ]
    }

    const POLICY: RetryPolicy = RetryPolicy::with_tries(3);

    proptest! {
        #[test]
        fn every_history_keeps_the_promises(events in proptest::collection::vec(event(), 0..60)) {
            let mut now = TransferProgress::NEW;
            for event in events {
                let Ok((next, effects)) = step(now, event, &POLICY) else { continue };
                prop_assert!(next.stop.is_none() || next.state == TransferState::Running, "only a worker can be asked");
                prop_assert!(next.attempts <= POLICY.tries, "no try beyond the limit");
                prop_assert_eq!(
                    next.state == TransferState::Waiting && now.state == TransferState::Running,
                    effects.iter().any(|e| matches!(e, TransferEffect::WakeAfter(_))),
                    "whoever waits is woken"
                );
                if next.state == TransferState::Cancelled {
                    prop_assert!(effects.contains(&TransferEffect::RemovePart), "a cancelled transfer leaves nothing");
                }
                if now.state.is_final() {
                    prop_assert_eq!(event, TransferEvent::Retry, "what has ended stays ended until someone asks");
                    prop_assert!(now.state != TransferState::Completed, "nothing is done twice");
                }
                if next.state == TransferState::Running && now.state != TransferState::Running {
                    prop_assert_eq!(now.state, TransferState::Queued, "only the queue starts a worker");
                }
                now = next;
            }
        }

        #[test]
        fn every_transfer_can_end(events in proptest::collection::vec(event(), 0..40)) {
            let mut now = TransferProgress::NEW;
            for event in events {
                if let Ok((next, _)) = step(now, event, &POLICY) { now = next; }
            }
            for event in [TransferEvent::Cancel, TransferEvent::Stopped] {
                if let Ok((next, _)) = step(now, event, &POLICY) { now = next; }
            }
            prop_assert!(now.state.is_final());
        }
    }

    #[test]
    fn success_wins_over_a_late_cancel() {
        let (running, _) = step(TransferProgress::NEW, TransferEvent::Claim, &POLICY).unwrap();
        let (asked, effects) = step(running, TransferEvent::Cancel, &POLICY).unwrap();
        assert_eq!(effects, [TransferEffect::StopWorker]);
        let (done, _) = step(asked, TransferEvent::Succeeded, &POLICY).unwrap();
        assert_eq!(done.state, TransferState::Completed, "the file is there: saying otherwise would be a lie");
    }

    #[test]
    fn a_kill_in_the_middle_queues_again_without_costing_a_try() {
        let (running, _) = step(TransferProgress::NEW, TransferEvent::Claim, &POLICY).unwrap();
        assert_eq!(step(running, TransferEvent::Interrupted, &POLICY).unwrap(), (TransferProgress::NEW, vec![]));
    }

    #[test]
    fn transient_failures_use_up_the_tries() {
        let mut now = TransferProgress::NEW;
        for _ in 0..POLICY.tries {
            now = step(now, TransferEvent::Claim, &POLICY).unwrap().0;
            now = step(now, TransferEvent::Failed(Failure::Transient), &POLICY).unwrap().0;
            assert_eq!(now.state, TransferState::Waiting);
            now = step(now, TransferEvent::Resume, &POLICY).unwrap().0;
        }
        now = step(now, TransferEvent::Claim, &POLICY).unwrap().0;
        now = step(now, TransferEvent::Failed(Failure::Transient), &POLICY).unwrap().0;
        assert_eq!(now.state, TransferState::Failed);
    }
}
