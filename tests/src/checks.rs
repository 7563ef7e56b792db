//! Checks of the source itself, run by `scripts/check-layers`, `scripts/check-lengths` and `scripts/count`.
//!
//! They are part of the test crate and not shell scripts so that they read Rust as Rust, run on
//! every system, and have tests of their own.

pub mod count;
pub mod cycles;
pub mod layers;
pub mod lengths;
pub mod source;

use std::fmt;

/// One thing that is wrong, at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File, relative to the checked folder, with `/`.
    pub file: String,
    /// What is wrong, as a sentence.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}
