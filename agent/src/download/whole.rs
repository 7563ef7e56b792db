//! A download that is proved only as a whole: small files, and contents whose group list nobody has.
//!
//! One stream after the other, in order of the sources. When one breaks off, the next goes on from the
//! same byte, since the digest at the end judges them all. If it does not fit, everything is
//! thrown away: the liar is known if all came from one source, and from then on every source is taken by
//! itself, so that the liar shows.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use shared_protocol::Blake3;

use super::fault::Fault;
use super::fetch::{End, Sink, Unaccepted, attempt};
use super::fleet::Fleet;
use super::part::Part;
use super::progress::{Meter, TICK};
use super::room::Reservation;
use super::supply::{NotOpened, Supply, Wanted};
use super::{Job, Stop};

#[derive(Default)]
struct Hashed {
    hasher: blake3::Hasher,
    /// Everything before it is written and hashed.
    next: u64,
    /// How much of it each source brought.
    from: BTreeMap<usize, u64>,
}

struct Stream {
    state: Mutex<Hashed>,
    part: Arc<Part>,
    size_bytes: u64,
}

impl Stream {
    fn state(&self) -> MutexGuard<'_, Hashed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> u64 {
        self.state().next
    }

    fn is_right(&self, expected: &Blake3) -> bool {
        self.state().hasher.finalize().as_bytes() == expected.as_bytes()
    }
}

/// One source's turn.
struct Turn {
    stream: Arc<Stream>,
    supply: Arc<Supply>,
    source: usize,
    from: u64,
}

impl Sink for Turn {
    fn wants(&self, offset: u64) -> bool {
        offset >= self.from
    }

    fn end(&self) -> u64 {
        self.stream.size_bytes
    }

    fn expect_all(&self) {}

    fn accept(&self, offset: u64, bytes: &[u8]) -> Result<bool, Unaccepted> {
        let mut state = self.stream.state();
        if offset != state.next {
            // Written by a turn that was over already.
            return Ok(false);
        }
        self.stream.part.write(offset, bytes).map_err(Unaccepted::Disk)?;
        state.hasher.update(bytes);
        state.next += bytes.len() as u64;
        *state.from.entry(self.source).or_default() += bytes.len() as u64;
        self.supply.proved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        drop(state);
        Ok(true)
    }
}

impl Stream {
    /// Throws everything away; tells which sources it came from.
    fn restart(&self, fleet: &Fleet) -> Vec<usize> {
        let before = std::mem::take(&mut *self.state());
        for (source, n_bytes) in &before.from {
            if let Some(member) = fleet.members.get(*source) {
                // It was counted when it came.
                member.supply.proved.fetch_sub(*n_bytes, Ordering::Relaxed);
                member.supply.wasted.fetch_add(*n_bytes, Ordering::Relaxed);
            }
        }
        before.from.into_keys().collect()
    }

    /// Whether something is there that another source brought.
    fn is_mixed_with(&self, source: usize) -> bool {
        self.state().from.keys().any(|other| *other != source)
    }
}

/// Fetches all of it.
pub(super) async fn run(job: &Arc<Job>, part: &Arc<Part>, fleet: &mut Fleet, room: &Reservation) -> Result<(), Stop> {
    let size_bytes = job.order.size_bytes;
    let stream = Arc::new(Stream { state: Mutex::default(), part: Arc::clone(part), size_bytes });
    let mut meter = Meter::new(0);
    let (mut furthest, mut is_alone) = (0, false);
    loop {
        if stream.next() == size_bytes {
            if stream.is_right(&job.order.blake3) {
                return Ok(());
            }
            is_alone = true;
            match stream.restart(fleet)[..] {
                [] => return Err(Stop::NotItself),
                [liar] => {
                    let fault = Fault::wrong_bytes("its file has another content");
                    failed(job, fleet, liar, &NotOpened { fault, is_redirected: false }, furthest)?;
                }
                _ => job
                    .context
                    .report
                    .warn("What several sources sent is not the content: now each is taken by itself."),
            }
        }
        let Some(source) = choose(fleet) else { return Err(Stop::NoSource) };
        let Some(member) = fleet.members.get_mut(source) else { return Err(Stop::NoSource) };
        if member.not_before > Instant::now() {
            tokio::select! {
                () = job.context.cancel.cancelled() => return Err(Stop::Cancelled),
                () = tokio::time::sleep_until(member.not_before.into()) => continue,
            }
        }
        if is_alone && stream.is_mixed_with(source) {
            stream.restart(fleet);
        }
        match take_turn(job, &stream, fleet, source, room, &mut meter).await? {
            End::Done => {}
            End::Disk(error) => return Err(Stop::Disk(error)),
            End::Failed(failure) => {
                // Nothing is proved before the end: what counts as progress is getting further than ever.
                furthest = furthest.max(stream.next());
                if failure.fault.code == "changed" {
                    stream.restart(fleet);
                }
                failed(job, fleet, source, &failure, furthest)?;
            }
        }
    }
}

/// Takes from one source what it has.
async fn take_turn(
    job: &Arc<Job>,
    stream: &Arc<Stream>,
    fleet: &mut Fleet,
    source: usize,
    room: &Reservation,
    meter: &mut Meter,
) -> Result<End, Stop> {
    let Some(member) = fleet.members.get_mut(source) else { return Err(Stop::NoSource) };
    member.state.begins();
    member.n_workers = 1;
    let supply = Arc::clone(&member.supply);
    let from = stream.next();
    let same_file = stream.state().from.contains_key(&source);
    if !same_file {
        supply.forget_file();
    }
    let turn = Arc::new(Turn { stream: Arc::clone(stream), supply: Arc::clone(&supply), source, from });
    let attempt = attempt(job, &supply, Wanted { from, to: stream.size_bytes, same_file }, turn);
    tokio::pin!(attempt);
    let mut tick = tokio::time::interval(TICK);
    let end = loop {
        tokio::select! {
            biased;
            () = job.context.cancel.cancelled() => return Err(Stop::Cancelled),
            end = &mut attempt => break end,
            _ = tick.tick() => {
                fleet.worked(TICK);
                room.left(stream.size_bytes - stream.next());
                meter.tell(job, stream.next(), Some(supply.name()));
            }
        }
    };
    if let Some(member) = fleet.members.get_mut(source) {
        member.n_workers = 0;
    }
    meter.tell(job, stream.next(), None);
    Ok(end)
}

/// The best source that may be asked now, else the one that may be asked soonest.
fn choose(fleet: &Fleet) -> Option<usize> {
    let now = Instant::now();
    let live = fleet.live();
    let at = |i: &usize| fleet.members.get(*i).map(|member| member.not_before);
    live.iter().copied().find(|i| at(i).is_some_and(|at| at <= now)).or_else(|| live.iter().copied().min_by_key(at))
}

fn failed(job: &Job, fleet: &mut Fleet, source: usize, failure: &NotOpened, furthest: u64) -> Result<(), Stop> {
    match fleet.members.get_mut(source) {
        Some(member) => member.failed(job, failure, furthest, false).map_err(Stop::of_weight),
        None => Ok(()),
    }
}
