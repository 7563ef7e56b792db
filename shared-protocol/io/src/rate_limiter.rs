//! A limit per second, shared by all streams in turns: what the hub sends, and what it fetches.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What may be sent at once after a pause.
const BURST: Duration = Duration::from_millis(250);

/// Pieces a second that a limited stream is cut into, so that it flows instead of jumping.
const PIECES_PER_SECOND: u64 = 8;

/// Least and most bytes of a piece: more per piece saves nothing, less costs a thread's turn each.
const PIECE: (u64, u64) = (4 << 10, 256 << 10);

/// When the next piece may go. Whoever waits holds the lock, and locks are given in order: so streams
/// take turns, and as pieces are equal each gets its share.
#[derive(Debug, Default)]
pub struct RateLimiter {
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Waits until so many bytes may go.
    pub async fn wait(&self, bytes: u64, limit: Option<u64>) {
        let Some(limit) = limit else { return };
        let mut next = self.next.lock().await;
        let (begin, following) = schedule(*next, Instant::now(), bytes, limit);
        tokio::time::sleep_until(begin).await;
        *next = Some(following);
    }
}

/// Size of a piece under this limit.
pub fn piece_bytes(limit: Option<u64>) -> u64 {
    limit.map_or(PIECE.1, |limit| (limit / PIECES_PER_SECOND).clamp(PIECE.0, PIECE.1))
}

/// When a piece may go, and the one behind it.
fn schedule(next: Option<Instant>, now: Instant, bytes: u64, limit: u64) -> (Instant, Instant) {
    let earliest = now.checked_sub(BURST).unwrap_or(now);
    let begin = next.map_or(earliest, |next| next.max(earliest));
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(limit.max(1));
    (begin, begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pause_earns_a_small_burst_and_no_more() {
        let start = Instant::now() + Duration::from_hours(1);
        let (mut next, mut sent) = (None, 0_u64);
        // An hour without a piece, then as many as may go at once.
        loop {
            let (begin, following) = schedule(next, start, 1_000, 100_000);
            next = Some(following);
            if begin > start {
                break;
            }
            sent += 1_000;
        }
        assert!((25_000..=27_000).contains(&sent), "{sent}");
    }

    #[test]
    fn pieces_fit_the_limit() {
        assert_eq!(piece_bytes(None), 256 << 10);
        assert_eq!(piece_bytes(Some(80 << 10)), 10 << 10);
        assert_eq!(piece_bytes(Some(1)), 4 << 10);
        assert_eq!(piece_bytes(Some(u64::MAX)), 256 << 10);
    }

    proptest! {
        #[test]
        fn the_limit_holds_over_any_run_of_pieces(
            pieces in prop::collection::vec((1_u64..300_000, 0_u64..500), 1..60), limit in 1_000_u64..50_000_000,
        ) {
            let start = Instant::now() + Duration::from_secs(10);
            let (mut now, mut next, mut sent) = (start, None, 0_u64);
            for (bytes, idle_ms) in pieces {
                now += Duration::from_millis(idle_ms);
                let (begin, following) = schedule(next, now, bytes, limit);
                now = now.max(begin);
                next = Some(following);
                // What went before this piece fits into the time that has passed, and the burst.
                let allowed = ((now - start) + BURST).as_nanos() * u128::from(limit) / 1_000_000_000;
                prop_assert!(u128::from(sent) <= allowed + 1, "{} of {}", sent, allowed);
                sent += bytes;
            }
        }
    }
}
