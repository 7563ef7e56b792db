//! What the hub shows on localhost: pages for people, JSON for tools, sockets for both.
//!
//! This is the one place that knows axum. Handlers are thin: they parse what came in, call one
//! service or one read-only view, and shape the answer. Every error ends in [`error::Problem`],
//! every request passes the [`guards`] first.

mod address;
pub mod api;
pub mod assets;
pub mod error;
mod events_socket;
pub mod extract;
mod fragments;
pub mod guards;
pub mod limits;
mod live;
mod pages;
pub mod remote;
pub mod router;
mod socket;
mod spelled;
pub mod state;
pub mod templates;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests may unwrap")]
mod test_hub;

pub use remote::RemoteState;
pub use router::router;
pub use state::{LaunchToken, WebState};
