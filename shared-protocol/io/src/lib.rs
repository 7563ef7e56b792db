//! What the hub and the agent both do with the network and the disk, written once.
//!
//! [`http`] is the one way out: it connects only to addresses that were judged. [`confine`] is the one way from a
//! path that someone sent to a path on the disk, [`durable`] replaces small files, and [`download`] brings a
//! content to its place from whatever sources there are, verified. Nothing here knows of jobs, of a database or of
//! the connection between the two programs; the protocol itself stays in `shared-protocol`, which touches nothing.

pub mod confine;
pub mod disk;
pub mod download;
pub mod durable;
pub mod error;
pub mod http;
pub mod hub_api;
pub mod linked;
pub mod locks;
pub mod machine;
pub mod rate_limiter;
pub mod report;
mod system;
pub mod tls;
pub mod walk;

pub use confine::{ConfinedFolder, PlaceError};
pub use error::FileError;
pub use http::Http;
pub use hub_api::HubApi;
