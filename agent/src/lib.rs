//! The agent: the small program on a rented GPU machine that fetches models there.
//!
//! [`connection`] keeps the way to the hub open, [`dispatcher`] does the jobs that come by it, [`jobs`] are
//! what it can be asked to do. What it writes always lies below the folders it was started with, and
//! `shared_io::confine` is the only way from a path that someone sent to a path on its disk. [`facts`] is what it
//! tells about the machine it runs on. Requests, part files and downloads are those of `shared_io`, which the hub
//! stands on, too.

pub mod app;
pub mod cli;
pub mod config;
pub mod connection;
pub mod dispatcher;
pub mod exit;
pub mod facts;
pub mod heartbeat;
pub mod identity;
pub mod inventory;
pub mod jobs;
pub mod journal;
pub mod key;
pub mod library;
pub mod log;
pub mod machine_dir;
pub mod process;
pub mod shutdown;
pub mod start;
pub mod state_dir;
pub mod status;
pub mod supervise;
pub mod timing;
pub mod update;

pub use start::{report, run};
