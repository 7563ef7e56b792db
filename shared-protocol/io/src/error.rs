//! The error of every file operation: what was tried, on which path, and what the system said.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::system;

/// Between tries of what may pass.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}: {source}{}", path.display(), advice(source))]
pub struct FileError {
    /// What was tried: "open", "write", "rename" …
    pub verb: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: makes the error of `verb` on `path`.
    pub fn of<'a>(verb: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Self + 'a {
        move |source| Self { verb, path: path.to_owned(), source }
    }

    /// Whether the disk, or one's share of it, is full.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether it may be over in a moment: so answer network disks while their server is away or starts anew.
    pub fn is_passing(&self) -> bool {
        system::is_input_output(&self.source) || self.is_stale()
    }

    /// Whether the server of a network disk has forgotten what was opened.
    pub fn is_stale(&self) -> bool {
        self.source.kind() == io::ErrorKind::StaleNetworkFileHandle
    }

    /// Does something that is as good when it is done twice, again after some pauses where its error may pass.
    pub fn again<T>(mut work: impl FnMut() -> Result<T, Self>) -> Result<T, Self> {
        let mut pauses = PAUSES.iter();
        loop {
            match work() {
                Err(error) if error.is_passing() => match pauses.next() {
                    Some(pause) => std::thread::sleep(*pause),
                    None => return Err(error),
                },
                other => return other,
            }
        }
    }
}

/// What a person can do about it, where the system's own word says too little.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => ". Its disk is mounted for reading only",
        io::ErrorKind::PermissionDenied => ". The user that this program runs as may not do that there",
        io::ErrorKind::StaleNetworkFileHandle => ". Its network disk went away and came back",
        _ => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_with_what_it_means() {
        let told = |kind: io::ErrorKind| FileError::of("write", Path::new("/x"))(kind.into()).to_string();
        assert!(told(io::ErrorKind::ReadOnlyFilesystem).ends_with("mounted for reading only"));
        assert!(told(io::ErrorKind::PermissionDenied).contains("may not do that"));
        assert_eq!(told(io::ErrorKind::NotFound), "cannot write /x: entity not found");
    }

    #[cfg(unix)]
    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        for (code, n_tries) in [(5, 2), (116, 2), (13, 1)] {
            let mut n = 0;
            let result = FileError::again(|| {
                n += 1;
                if n == 1 {
                    Err(FileError::of("write", Path::new("/x"))(io::Error::from_raw_os_error(code)))
                } else {
                    Ok(n)
                }
            });
            assert_eq!((n, result.is_ok()), (n_tries, n_tries == 2), "{code}");
        }
    }
}
