//! Facts as they change: a disk that fills, a card that appears, ComfyUI that is cloned. Looked at again and
//! again, and right after each job, whose doing most of it is.

use std::time::Duration;

use shared_protocol::facts::Facts;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Places, collect, collect_again};
use crate::dispatcher::Dispatcher;

/// A change of room or memory that is worth telling.
const WORTH_TELLING: u64 = 64 << 20;

/// How often the machine is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From one look at everything to the next.
    pub every: Duration,
    /// From any look to the next, at least: jobs that end together are looked for once.
    pub apart: Duration,
}

/// Looks again and again, and tells what changed.
pub async fn keep(
    places: Places,
    facts: watch::Sender<Facts>,
    dispatcher: Dispatcher,
    pace: Pace,
    shutdown: CancellationToken,
) {
    let mut whole_at = Instant::now() + pace.every;
    loop {
        let is_whole = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep_until(whole_at) => true,
            () = dispatcher.job_ended() => false,
        };
        let (asked, known) = (places.clone(), facts.borrow().clone());
        let look = move || if is_whole { collect(&asked) } else { collect_again(&asked, known) };
        let looked = tokio::task::spawn_blocking(look).await;
        if is_whole {
            whole_at = Instant::now() + pace.every;
        }
        tell(looked.map_err(Into::into).flatten(), &facts, &dispatcher).await;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pace.apart) => {}
        }
    }
}

async fn tell(found: anyhow::Result<Facts>, facts: &watch::Sender<Facts>, dispatcher: &Dispatcher) {
    match found {
        Ok(found) => {
            // Not in the condition itself: what was borrowed would be held while it is told.
            let is_news = differ_enough(&facts.borrow(), &found);
            if is_news {
                facts.send_replace(found.clone());
                dispatcher.facts(found).await;
            }
        }
        Err(error) => tracing::warn!("the machine can't be looked at: {error:#}"),
    }
}

/// Whether the hub wants to know. Room and memory change all the time by a little.
pub fn differ_enough(before: &Facts, now: &Facts) -> bool {
    let moved = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(b) >= WORTH_TELLING,
        _ => a != b,
    };
    let rooms = before.roots.iter().zip(&now.roots).any(|(a, b)| moved(a.free_bytes, b.free_bytes));
    let memory = moved(before.memory_available_bytes, now.memory_available_bytes);
    let still = |facts: &Facts| {
        let mut still = facts.clone();
        still.memory_available_bytes = None;
        still.roots.iter_mut().for_each(|root| root.free_bytes = None);
        still
    };
    rooms || memory || still(before) != still(now)
}

#[cfg(test)]
mod tests {
    use shared_protocol::facts::RootFacts;

    use super::*;

    #[test]
    fn a_little_room_is_no_news_and_everything_else_is() {
        let root = |free_bytes| RootFacts {
            path: "/x".to_owned(),
            exists: true,
            free_bytes: Some(free_bytes),
            total_bytes: Some(1 << 40),
            lacks: Vec::new(),
        };
        let facts = Facts { memory_available_bytes: Some(1 << 30), roots: vec![root(1 << 30)], ..Facts::default() };
        assert!(!differ_enough(&facts, &facts));
        let little = Facts { roots: vec![root((1 << 30) - 5)], memory_available_bytes: Some(1 << 30), ..facts.clone() };
        assert!(!differ_enough(&facts, &little));
        let full = Facts { roots: vec![root(5)], ..facts.clone() };
        let unknown = Facts { memory_available_bytes: None, ..facts.clone() };
        let renamed = Facts { hostname: Some("other".to_owned()), ..facts.clone() };
        for changed in [full, unknown, renamed] {
            assert!(differ_enough(&facts, &changed));
        }
    }
}
