//! What the tests need: the real hub and the real agent as child processes, a proxy between them
//! that fails, a git server, a browser, corpora, and checks of the source itself.
//!
//! Everything here blocks and returns errors instead of panicking, so that a test reads as a list
//! of steps: each line either does what it says or ends the test with what went wrong.
#![allow(clippy::indexing_slicing, reason = "a test that reads outside a list has failed and may panic")]

pub mod agent;
pub mod api;
#[cfg(target_os = "linux")]
pub mod bare_machine;
pub mod bench;
#[cfg(unix)]
pub mod bootstrap;
pub mod browser;
pub mod ca;
pub mod chaos;
pub mod checks;
pub mod client;
pub mod corpus;
pub mod events;
pub mod fake_agent;
pub mod faulty_disk;
pub mod git_server;
pub mod hub;
pub mod loop_disk;
pub mod losing_disk;
pub mod machine;
pub mod mirror;
#[cfg(unix)]
pub mod nginx;
pub mod optional_disk;
mod preload;
pub mod public_site;
pub mod remote;
pub mod roots;
pub mod shim;
pub mod stand_ins;
pub mod wait;

pub use api::{Answer, Api};
pub use browser::Browser;
pub use hub::{Hub, HubSetup};
pub use roots::Roots;
pub use wait::wait_for;
