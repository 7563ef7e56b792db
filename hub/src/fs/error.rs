//! The error of every file operation: what was tried, on which path, and what the system said.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::domain::failure::FailureClass;
use crate::fs::verbatim;

/// A file operation that failed.
///
/// The sentence already holds the system's reason, so there is no `source()` that would print it
/// twice.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}: {cause}")]
pub struct FsError {
    /// What was tried: "open", "list", "rename" …
    pub verb: &'static str,
    /// The path as people write it, never with `\\?\`.
    pub path: String,
    /// What the system said.
    pub cause: io::Error,
}

impl FsError {
    /// Makes the error of `verb` on `path`.
    pub fn new(verb: &'static str, path: &Path, cause: io::Error) -> Self {
        Self { verb, path: verbatim::shown(path), cause }
    }

    /// An error that this program found, not the system.
    pub fn refused(verb: &'static str, path: &Path, kind: ErrorKind, why: &'static str) -> Self {
        Self::new(verb, path, io::Error::new(kind, why))
    }

    /// For `map_err`: makes the error of `verb` on `path`.
    pub fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::new(verb, path, cause)
    }

    /// What kind of trouble it is.
    pub fn class(&self) -> FailureClass {
        FailureClass::of(&self.cause)
    }

    /// Whether the file was simply not there.
    pub fn is_not_found(&self) -> bool {
        self.class() == FailureClass::NotFound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_tried_on_what_and_why() {
        let error = FsError::new("open", Path::new("/models/x"), ErrorKind::NotFound.into());
        assert_eq!(error.to_string(), "cannot open /models/x: entity not found");
        assert!(error.is_not_found());
    }

    #[test]
    fn never_shows_the_verbatim_prefix() {
        let error = FsError::new("open", Path::new(r"\\?\D:\models\x"), ErrorKind::NotFound.into());
        assert!(error.to_string().contains(r"cannot open D:\models\x"), "{error}");
    }
}
