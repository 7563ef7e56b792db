//! Room on the disk, shared by all downloads that run.
//!
//! Two downloads that each fit must not fill the disk together, so each one reserves what it still has to
//! write. What is written is no longer reserved: the system counts it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

/// Left free: a full disk breaks more than a download.
const SPARE: u64 = 64 << 20;

/// What downloads have reserved; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Room(Arc<Mutex<Reserved>>);

#[derive(Debug)]
struct Reserved {
    /// Left free.
    spare: u64,
    next: u64,
    by: HashMap<u64, u64>,
}

/// One download's share, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    room: Room,
    id: u64,
}

/// There is too little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{needed} more bytes are needed and {free} are free")]
pub struct TooLittle {
    /// Bytes needed.
    pub needed: u64,
    /// Bytes free, less what others have reserved.
    pub free: u64,
    /// Whether the disk would be too small even if it were empty.
    pub never: bool,
}

/// Free and total bytes of a disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// What may still be written.
    pub(super) free: u64,
    /// All of it.
    pub(super) total: u64,
}

impl Default for Reserved {
    fn default() -> Self {
        Self { spare: SPARE, next: 0, by: HashMap::new() }
    }
}

impl Room {
    /// For whoever sees to it that something stays free.
    pub fn without_spare() -> Self {
        Self(Arc::new(Mutex::new(Reserved { spare: 0, ..Reserved::default() })))
    }

    /// Begins with nothing reserved.
    pub(super) fn new_reservation(&self) -> Reservation {
        let mut reserved = self.0.lock();
        reserved.next += 1;
        let id = reserved.next;
        drop(reserved);
        Reservation { room: self.clone(), id }
    }
}

impl Reservation {
    /// Reserves what is still to be written, if it fits. Without knowledge of the disk it always does.
    pub(super) fn reserve(&self, needed: u64, space: Option<Space>) -> Result<(), TooLittle> {
        let mut reserved = self.room.0.lock();
        if let Some(space) = space {
            let others: u64 = reserved.by.iter().filter(|(id, _)| **id != self.id).map(|(_, bytes)| bytes).sum();
            let free = space.free.saturating_sub(others).saturating_sub(reserved.spare);
            if needed > free {
                reserved.by.remove(&self.id);
                return Err(TooLittle { needed, free, never: needed > space.total });
            }
        }
        reserved.by.insert(self.id, needed);
        Ok(())
    }

    /// So much is left to write.
    pub(super) fn set_left(&self, bytes: u64) {
        if let Some(own) = self.room.0.lock().by.get_mut(&self.id) {
            *own = bytes.min(*own);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.0.lock().by.remove(&self.id);
    }
}

/// Asks the system.
#[cfg(unix)]
pub(super) fn space(folder: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(Space { free: found.f_bavail * found.f_frsize, total: found.f_blocks * found.f_frsize })
}

/// Nothing is known; a write that fails tells.
#[cfg(not(unix))]
pub(super) fn space(_folder: &Path) -> Option<Space> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_reserved_is_not_free() {
        let (room, space) = (Room::default(), Some(Space { free: SPARE + 100, total: SPARE + 1_000 }));
        let (first, second) = (room.new_reservation(), room.new_reservation());
        first.reserve(70, space).unwrap();
        assert_eq!(second.reserve(40, space), Err(TooLittle { needed: 40, free: 30, never: false }));
        first.set_left(10);
        second.reserve(40, space).unwrap();
        assert!(first.reserve(70, space).is_err());
        drop(second);
        first.reserve(70, space).unwrap();
        assert!(first.reserve(u64::MAX, space).unwrap_err().never);
        assert!(first.reserve(u64::MAX, None).is_ok());
    }
}
