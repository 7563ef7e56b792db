//! Waiting for a root that can't be reached.

use std::time::Duration;

use super::Hasher;
use crate::domain::root::Root;
use crate::fs::CancelFlag;
use crate::services::roots::LiveRoot;

/// Between two looks at it.
pub(super) const UNTIL_NEXT_LOOK: Duration = Duration::from_secs(2);

/// The root, as soon as it can be reached; none if the job is to stop.
pub(super) fn wait_until_online(hasher: &Hasher, root: Root, cancel: &CancelFlag) -> Option<LiveRoot> {
    loop {
        if cancel.is_cancelled() {
            return None;
        }
        match hasher.roots.live(root) {
            Ok(live) => {
                hasher.update(root, |running| running.waiting = None);
                return Some(live);
            }
            Err(error) => {
                hasher.update(root, |running| running.waiting = Some(error.to_string()));
                cancel.pause(UNTIL_NEXT_LOOK);
            }
        }
    }
}
