//! Which sources of a plan are not whole.
//!
//! Only files that would replace another one are looked at, a few hundred kilobytes of each. What could
//! not be read now is looked at again when its turn comes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::domain::ids::FileId;
use crate::fs::unfinished::is_damaged;
use crate::fs::{FileStamp, ensure_no_links};
use crate::services::roots::LiveRoot;
use crate::storage::plans::{self, NewPlan, OverwriteCandidate};
use crate::storage::{Database, StorageError};

/// What files whose header tells their size are called.
const ENDINGS: [&str; 2] = [".safetensors", ".sft"];

/// Files looked at side by side: a NAS takes milliseconds for each.
const READERS: usize = 8;

/// The sources that a plan would put in the place of others and that are damaged.
pub(super) fn find(database: &Database, from: &LiveRoot, new: &NewPlan) -> Result<BTreeSet<FileId>, StorageError> {
    if !new.rules.overwrites || new.rules.damaged {
        return Ok(BTreeSet::new());
    }
    let found = database.read_blocking(|connection| plans::candidates(connection, new, &ENDINGS))?;
    let (next, damaged) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some(file) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
            if is_known_damaged(from, file) {
                damaged.lock().insert(file.id);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..READERS.min(found.len()) {
            scope.spawn(work);
        }
        work();
    });
    Ok(damaged.into_inner())
}

fn is_known_damaged(from: &LiveRoot, file: &OverwriteCandidate) -> bool {
    let stamp = FileStamp::known(file.size_bytes, file.modified, None);
    let verdict =
        ensure_no_links(&from.dir, &file.path).and_then(|()| is_damaged(&from.dir.resolve(&file.path), stamp));
    verdict.unwrap_or_else(|error| {
        tracing::info!(%error, "whether a file is whole is not known yet");
        false
    })
}
