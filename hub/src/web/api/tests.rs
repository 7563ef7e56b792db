//! The routes against real services on real folders.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]

mod described;
mod duplicates;
mod evictions;
mod hashes;
mod library;
mod mirrors;
mod problems;
mod queue;
mod sources;
mod trash;
