//! BLAKE3 and SHA-256 over the blocks of one file, each in a thread of its own.
//!
//! SHA-256 has no parallel form and is the slower one, so BLAKE3 costs no time beside it; without it
//! BLAKE3 takes the groups of a block on several cores.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rayon::prelude::*;
use sha2::Digest as _;
use shared_protocol::groups::{GROUP_BYTES, GroupValue, GroupsError, group_value};
use shared_protocol::{Blake3, GroupList, Sha256};

use super::{Block, ContentHash};

/// Something that is computed from the bytes of a file in their order.
pub(in crate::fs) trait Absorb: Send {
    fn absorb(&mut self, block: &Block);
}

/// The values of the groups so far.
#[derive(Clone, Default)]
pub(in crate::fs) struct GroupDigest {
    pub(in crate::fs) values: Vec<GroupValue>,
}

impl Absorb for GroupDigest {
    fn absorb(&mut self, block: &Block) {
        let group = usize::try_from(GROUP_BYTES).unwrap_or(usize::MAX);
        let groups = block.bytes().par_chunks(group).enumerate();
        self.values.par_extend(groups.map(|(n, bytes)| group_value(block.offset() + n as u64 * GROUP_BYTES, bytes)));
    }
}

impl GroupDigest {
    /// Stands for the content so far: the digest of the values so far.
    pub(in crate::fs) fn proof(&self) -> Blake3 {
        Blake3::from_bytes(*blake3::hash(self.values.as_flattened()).as_bytes())
    }
}

impl Absorb for sha2::Sha256 {
    fn absorb(&mut self, block: &Block) {
        self.update(block.bytes());
    }
}

/// The digests of one file under way.
pub(in crate::fs) struct Digests<'scope> {
    groups: Worker<'scope, GroupDigest>,
    sha256: Option<Worker<'scope, sha2::Sha256>>,
}

impl<'scope> Digests<'scope> {
    /// Starts the threads with what is known of the file's beginning.
    pub(in crate::fs) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        groups: GroupDigest,
        sha256: Option<sha2::Sha256>,
    ) -> Self {
        Self { groups: Worker::start(scope, groups), sha256: sha256.map(|sha256| Worker::start(scope, sha256)) }
    }

    /// Hands over the next block. Never blocks: the buffers bound how many are on their way.
    pub(in crate::fs) fn take_block(&self, block: &Arc<Block>) {
        self.groups.take_block(block);
        if let Some(sha256) = &self.sha256 {
            sha256.take_block(block);
        }
    }

    /// A look at the values of everything handed over so far; waits for them.
    pub(in crate::fs) fn groups<T: Send + 'static>(
        &self,
        look: impl FnOnce(&GroupDigest) -> T + Send + 'static,
    ) -> Option<T> {
        self.groups.look_at_state(look)
    }

    /// The same for SHA-256, if it is computed.
    pub(in crate::fs) fn sha256<T: Send + 'static>(
        &self,
        look: impl FnOnce(&sha2::Sha256) -> T + Send + 'static,
    ) -> Option<T> {
        self.sha256.as_ref()?.look_at_state(look)
    }

    /// The digests of the whole file; an error if not all of it was handed over.
    pub(in crate::fs) fn finish(self, size_bytes: u64) -> Result<ContentHash, GroupsError> {
        result(size_bytes, self.groups.finish().values, self.sha256.map(Worker::finish))
    }
}

/// The digests of one file, computed by the thread that reads it.
pub(in crate::fs) struct InPlace {
    pub(in crate::fs) values: Vec<GroupValue>,
    pub(in crate::fs) sha256: Option<sha2::Sha256>,
}

impl InPlace {
    /// With what is known of the file's beginning.
    pub(in crate::fs) const fn going_on(values: Vec<GroupValue>, sha256: Option<sha2::Sha256>) -> Self {
        Self { values, sha256 }
    }

    /// Takes the next group.
    pub(in crate::fs) fn absorb(&mut self, offset: u64, group: &[u8]) {
        self.values.push(group_value(offset, group));
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(group);
        }
    }

    /// The digests of the whole file; an error if not all of it was taken.
    pub(in crate::fs) fn finish(self, size_bytes: u64) -> Result<ContentHash, GroupsError> {
        result(size_bytes, self.values, self.sha256)
    }
}

fn result(size_bytes: u64, values: Vec<GroupValue>, sha256: Option<sha2::Sha256>) -> Result<ContentHash, GroupsError> {
    let groups = GroupList::new(size_bytes, values)?;
    let sha256 = sha256.map(|sha256| Sha256::from_bytes(sha256.finalize().into()));
    Ok(ContentHash { size_bytes, blake3: groups.root(), sha256, groups: Some(groups) })
}

enum DigestOrder<S> {
    Take(Arc<Block>),
    Look(Box<dyn FnOnce(&S) + Send>),
}

/// A thread that owns a state and works off its orders.
struct Worker<'scope, S> {
    orders: Sender<DigestOrder<S>>,
    thread: ScopedJoinHandle<'scope, S>,
}

impl<'scope, S: Absorb + 'scope> Worker<'scope, S> {
    fn start<'env>(scope: &'scope Scope<'scope, 'env>, state: S) -> Self {
        // Bounded by the number of buffers.
        let (orders, inbox) = unbounded();
        Self { orders, thread: scope.spawn(move || work_off(state, &inbox)) }
    }

    fn take_block(&self, block: &Arc<Block>) {
        // Only a thread that panicked is gone; finish() passes that on.
        self.orders.send(DigestOrder::Take(Arc::clone(block))).ok();
    }

    fn look_at_state<T: Send + 'static>(&self, look: impl FnOnce(&S) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = bounded(1);
        let order = DigestOrder::Look(Box::new(move |state: &S| drop(answer.send(look(state)))));
        self.orders.send(order).ok()?;
        answered.recv().ok()
    }

    fn finish(self) -> S {
        drop(self.orders);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn work_off<S: Absorb>(mut state: S, inbox: &Receiver<DigestOrder<S>>) -> S {
    for order in inbox {
        match order {
            DigestOrder::Take(block) => state.absorb(&block),
            DigestOrder::Look(look) => look(&state),
        }
    }
    state
}
