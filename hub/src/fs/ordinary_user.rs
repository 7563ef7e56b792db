//! For tests of permissions: root, who runs many a CI, is refused nothing.

use std::thread;

use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_uid;

/// The number of nobody on every common Linux.
const NOBODY: u32 = 65_534;

/// Runs `work` in a thread, and with it the threads it starts, that has no privileges. Only the thread
/// changes its user: that is what the bare system call does.
pub(super) fn as_ordinary_user<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let run = || {
        if geteuid().is_root() {
            set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
        }
        find_room();
        work()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// The folder for temporary files may be closed to all but its owner.
fn find_room() {
    let open_to_all = ["/tmp", "/var/tmp", "/dev/shm"];
    if tempfile::tempdir().is_err()
        && let Some(open) = open_to_all.iter().find(|folder| tempfile::tempdir_in(folder).is_ok())
    {
        tempfile::env::override_temp_dir(open.as_ref()).ok();
    }
}
