//! HTTP clients of tests.
//!
//! The workspace is built as one, and the programs take reqwest without a TLS provider of its own: each
//! brings ring. So do the tests, once per process.

use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder};

/// Shorter than the hub keeps a connection on which nothing is asked: a request sent in the moment it is closed has no
/// answer.
const IDLE: Duration = Duration::from_secs(5);

/// Lets TLS be used, by whoever makes a client without us.
pub fn ready() {
    // Taken already by whoever came first: it is the same one.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A client that uses no proxy, and no connection that may be closed already.
pub fn builder() -> ClientBuilder {
    ready();
    Client::builder().no_proxy().pool_idle_timeout(IDLE)
}
