//! HTTP clients of tests.
//!
//! The workspace is built as one, and the programs take reqwest without a TLS provider of its own: each
//! brings ring. So do the tests, once per process.

use reqwest::blocking::{Client, ClientBuilder};

/// Lets TLS be used, by whoever makes a client without us.
pub fn ready() {
    // Taken already by whoever came first: it is the same one.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A client that uses no proxy.
pub fn builder() -> ClientBuilder {
    ready();
    Client::builder().no_proxy()
}
