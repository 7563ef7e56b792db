//! The job of a download, with the bench of the downloads themselves.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

#[path = "../../../shared-protocol/io/tests/download/bench.rs"]
#[allow(dead_code, reason = "shared with the tests of the downloads")]
mod bench;
mod places;
#[path = "../../../shared-protocol/io/tests/download/small_disk.rs"]
#[allow(dead_code, reason = "shared with the tests of the downloads")]
mod small_disk;
#[path = "../../../shared-protocol/io/tests/download/upstream.rs"]
#[allow(dead_code, reason = "shared with the tests of the downloads")]
mod upstream;
