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
#[error("cannot {verb} {path}{}: {cause}", at_byte(*offset))]
pub struct FsError {
    /// What was tried: "open", "list", "rename" …
    pub verb: &'static str,
    /// The path as people write it, never with `\\?\`.
    pub path: String,
    /// What the system said.
    pub cause: io::Error,
    /// How far into the file it was.
    pub offset: Option<u64>,
}

fn at_byte(offset: Option<u64>) -> String {
    offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default()
}

impl FsError {
    /// Makes the error of `verb` on `path`.
    pub fn new(verb: &'static str, path: &Path, cause: io::Error) -> Self {
        Self { verb, path: verbatim::shown(path), cause, offset: None }
    }

    /// An error that this program found, not the system.
    pub fn refused(verb: &'static str, path: &Path, kind: ErrorKind, why: &'static str) -> Self {
        Self::new(verb, path, io::Error::new(kind, why))
    }

    /// For `map_err`: makes the error of `verb` on `path`.
    pub fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::new(verb, path, cause)
    }

    /// The same error with the place in the file where it happened.
    #[must_use]
    pub const fn at_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The error once more, for another file that it befell too.
    #[must_use]
    pub fn again(&self) -> Self {
        let cause = match self.cause.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.cause.kind(), self.cause.to_string()),
        };
        Self { verb: self.verb, path: self.path.clone(), cause, offset: self.offset }
    }

    /// Whether the two ends lie on different mounts or volumes, where a rename does not reach.
    pub fn is_across_volumes(&self) -> bool {
        self.cause.kind() == ErrorKind::CrossesDevices
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
    fn tells_how_far_it_was() {
        let error = FsError::new("read", Path::new("/models/x"), io::Error::from_raw_os_error(5)).at_offset(10 << 20);
        assert!(error.to_string().starts_with("cannot read /models/x at byte 10485760: "), "{error}");
        assert_eq!(error.again().to_string(), error.to_string());
        assert_eq!(error.again().class(), error.class());
    }

    #[test]
    fn never_shows_the_verbatim_prefix() {
        let error = FsError::new("open", Path::new(r"\\?\D:\models\x"), ErrorKind::NotFound.into());
        assert!(error.to_string().contains(r"cannot open D:\models\x"), "{error}");
    }
}
