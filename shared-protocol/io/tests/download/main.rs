//! The engine for downloads against sources that fail on demand, disks that fill up, and kills.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic: then it has failed")]

mod accepted;
mod bench;
mod faults;
mod hub;
#[cfg(unix)]
mod killed;
mod list;
mod patience;
mod random;
#[cfg(target_os = "linux")]
mod room;
mod slow;
#[cfg(target_os = "linux")]
mod small_disk;
mod upstream;
