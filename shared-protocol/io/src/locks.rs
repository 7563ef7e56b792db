//! Locks of files, and disks that have none.
//!
//! A network file system may refuse them (`ENOSYS`, `ENOLCK`), and some take every lock and exclude nobody. Neither is
//! a fault of the disk: who needs to know that it is alone has to ask in another way there.

use std::fs::{File, TryLockError};
use std::io;

use crate::system::is_not_offered;

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// It is ours, as far as the disk knows.
    Ours,
    /// Someone has it.
    Theirs,
    /// The disk has no locks.
    NotOffered,
}

/// Tries to lock a file.
///
/// # Errors
///
/// If it fails for another reason than that someone has it, or that there are no locks.
pub fn try_lock(file: &File) -> io::Result<Locked> {
    match file.try_lock() {
        Ok(()) => Ok(Locked::Ours),
        Err(TryLockError::WouldBlock) => Ok(Locked::Theirs),
        Err(TryLockError::Error(error)) if is_not_offered(&error) => Ok(Locked::NotOffered),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
