//! What the stories need: the real hub as a child process, a browser, corpora, and checks of the
//! source itself.
//!
//! Everything here blocks and returns errors instead of panicking, so that a story reads as a list
//! of steps: each line either does what it says or ends the story with what went wrong.
#![allow(clippy::indexing_slicing, reason = "a story that reads outside a list has failed and may panic")]

pub mod api;
pub mod bench;
pub mod browser;
pub mod ca;
pub mod checks;
pub mod corpus;
pub mod events;
pub mod hub;
pub mod machine;
pub mod mirror;
pub mod roots;
pub mod wait;

pub use api::{Answer, Api};
pub use browser::Browser;
pub use hub::{Hub, HubSetup};
pub use roots::Roots;
pub use wait::wait_for;
