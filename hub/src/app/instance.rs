//! One hub per data folder: a lock that the system drops with the process, and beside it where the
//! running hub listens, for whoever comes second.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fs::private;

/// Name of the lock in the data folder.
pub const LOCK: &str = "hub.lock";
/// Name of the file that says where the hub listens.
pub const WHERE: &str = "hub.pid.json";

/// A hub that was killed a moment ago may still be ending: its lock goes with it.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningHub {
    pub pid: u32,
    pub url: String,
}

/// Held as long as this hub runs.
#[derive(Debug)]
pub struct Instance {
    file: PathBuf,
    _lock: File,
}

/// Why this hub can't be the one.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another one is.
    #[error("another hub serves this data folder{}", .0.as_ref().map(|r| format!(" at {} (process {})", r.url, r.pid)).unwrap_or_default())]
    Taken(Option<RunningHub>),
    /// The lock can't be made.
    #[error("{path} can't be locked: {source}")]
    File {
        /// The lock file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Instance {
    /// Takes the data folder for this process.
    pub fn take_folder(app_data_dir: &Path) -> Result<Self, InstanceError> {
        let path = app_data_dir.join(LOCK);
        let failed = |source| InstanceError::File { path: path.display().to_string(), source };
        let lock = private::open(&path).map_err(failed)?;
        let file = app_data_dir.join(WHERE);
        let mut patience = PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { file, _lock: lock }),
                Err(TryLockError::WouldBlock) if patience.is_zero() => {
                    return Err(InstanceError::Taken(read(&file)));
                }
                Err(TryLockError::WouldBlock) => {
                    let pause = patience.min(PAUSE);
                    std::thread::sleep(pause);
                    patience -= pause;
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// Says where this hub listens.
    pub fn announce(&self, url: &str) -> io::Result<()> {
        let running = RunningHub { pid: std::process::id(), url: url.to_owned() };
        private::create(&self.file)?.write_all(&serde_json::to_vec(&running)?)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A file that stays behind only names a hub that no longer holds the lock.
        fs::remove_file(&self.file).ok();
    }
}

fn read(file: &Path) -> Option<RunningHub> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_where_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = Instance::take_folder(folder.path()).unwrap();
        first.announce("http://127.0.0.1:1/").unwrap();
        let second = Instance::take_folder(folder.path()).unwrap_err();
        assert!(second.to_string().contains("http://127.0.0.1:1/"), "{second}");
        drop(first);
        assert!(Instance::take_folder(folder.path()).is_ok());
    }
}
