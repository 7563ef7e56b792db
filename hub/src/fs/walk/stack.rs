//! The folders still to be listed, shared by the threads of a walk.
//!
//! Last in, first out, so that it stays as small as the tree is deep and broad at one place. A walk is
//! over when the stack is empty and nobody lists a folder that could fill it again.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use shared_protocol::RelPath;

use super::FolderListing;
use crate::fs::CancelFlag;

/// Folders still to be listed and the number of threads that list one now.
pub(super) struct Stack {
    state: Mutex<StackState>,
    changed: Condvar,
}

struct StackState {
    waiting: Vec<Waiting>,
    n_busy: usize,
}

struct Waiting {
    folder: Option<Arc<RelPath>>,
    /// The device of the folder around it.
    device_above: Option<u64>,
}

/// One folder taken from the stack. The walk is not over before it is dropped, even by a panic.
pub(super) struct Task<'a> {
    stack: &'a Stack,
    waiting: Waiting,
}

impl Stack {
    pub(super) fn starting_with(folder: Option<Arc<RelPath>>) -> Self {
        Self {
            state: Mutex::new(StackState { waiting: vec![Waiting { folder, device_above: None }], n_busy: 0 }),
            changed: Condvar::new(),
        }
    }

    /// Takes a folder, waiting for one as long as others may still find some.
    pub(super) fn next(&self, cancel: &CancelFlag) -> Option<Task<'_>> {
        let mut state = self.state.lock();
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            if let Some(waiting) = state.waiting.pop() {
                state.n_busy += 1;
                return Some(Task { stack: self, waiting });
            }
            if state.n_busy == 0 {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}

impl Task<'_> {
    pub(super) fn folder(&self) -> Option<&RelPath> {
        self.waiting.folder.as_deref()
    }

    /// The device of the folder around it, where that was listed by this walk.
    pub(super) const fn device_above(&self) -> Option<u64> {
        self.waiting.device_above
    }

    /// Adds the folders that were found.
    pub(super) fn push_below(&self, listing: &FolderListing) {
        if listing.folders.is_empty() {
            return;
        }
        let below = listing.folders.iter().filter_map(|name| RelPath::in_folder(self.folder(), name).ok());
        // Reversed, so that they come off the stack in their order.
        let device_above = listing.device;
        let below: Vec<_> =
            below.map(|folder| Waiting { folder: Some(Arc::new(folder)), device_above }).rev().collect();
        self.stack.state.lock().waiting.extend(below);
        self.stack.changed.notify_all();
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.stack.state.lock().n_busy -= 1;
        self.stack.changed.notify_all();
    }
}
