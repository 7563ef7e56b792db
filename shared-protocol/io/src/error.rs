//! The error of every file operation: what was tried, on which path, and what the system said.

use std::io;
use std::path::{Path, PathBuf};

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
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_with_what_it_means() {
        let told = |kind: io::ErrorKind| FileError::of("write", Path::new("/x"))(kind.into()).to_string();
        assert!(told(io::ErrorKind::ReadOnlyFilesystem).ends_with("mounted for reading only"));
        assert!(told(io::ErrorKind::PermissionDenied).contains("may not do that"));
        assert_eq!(told(io::ErrorKind::NotFound), "cannot write /x: entity not found");
    }
}
