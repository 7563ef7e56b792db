//! The hub's own requests to the outside: one way out, with the guard at every step.
//!
//! A request goes to exactly one address. Redirects come back to the caller, who judges where they lead
//! and asks again. Names are resolved by `resolver`, which lets only judged addresses through, so the
//! one that was judged is the one that is connected to. No proxy of the environment is used: it would
//! resolve names itself, past the judgement. A token goes to exactly its host, made anew for each
//! request, so no redirect can carry it elsewhere.

mod resolver;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderValue, RANGE};
use reqwest::{Client, Response, redirect};
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, Gate, WebUrl};

use crate::config::{Config, SecretString};
use resolver::{Guard, Lookup, Refused, system_lookup};

/// Sites refuse the names of libraries.
const USER_AGENT: &str = concat!("ComfyUI-Model-Library/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take, with its encryption.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a site may be silent.
const SILENCE: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The name leads to an address that may not be fetched from.
    #[error("{0}")]
    Refused(UrlError),
    /// No answer in time.
    #[error("the site does not answer in time")]
    TimedOut,
    /// No answer at all.
    #[error("{0}")]
    Failed(String),
}

/// Asks outside; clones share their clients.
#[derive(Clone)]
pub struct Outbound {
    lookup: Lookup,
    clients: Arc<Mutex<Vec<(Guard, Client)>>>,
}

impl Outbound {
    /// With the names of this computer.
    #[allow(clippy::new_without_default, reason = "a client is no value of its own")]
    pub fn new() -> Self {
        Self::with_lookup(system_lookup())
    }

    fn with_lookup(lookup: Lookup) -> Self {
        Self { lookup, clients: Arc::default() }
    }

    /// Asks for the first byte of what is at an address.
    pub async fn first_byte(&self, url: &WebUrl, config: &Config) -> Result<Response, OutboundError> {
        let mut request = self.client(url, allowed(config))?.get(url.as_str()).header(RANGE, "bytes=0-0");
        if let Some(value) = token_for(config, url).and_then(bearer) {
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(failure)
    }

    fn client(&self, url: &WebUrl, allowed: Allowed) -> Result<Client, OutboundError> {
        let guard = Guard { allowed, is_encrypted: url.is_encrypted() };
        let mut clients = self.clients.lock();
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == guard) {
            return Ok(client.clone());
        }
        // Taken already by whoever came first: it is the same one.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // A connection kept would outlive the judgement of its address.
            .pool_max_idle_per_host(0)
            .dns_resolver(guard.with(Arc::clone(&self.lookup)))
            .build()
            .map_err(|error| OutboundError::Failed(chain(&error)))?;
        clients.push((guard, client.clone()));
        Ok(client)
    }
}

/// Which networks the configuration opens.
pub fn allowed(config: &Config) -> Allowed {
    Allowed::with_private(config.remote.allow_private_sources)
}

/// The token that is set for the host of an address: to that host, encrypted, and nowhere else.
pub fn token_for<'a>(config: &'a Config, url: &WebUrl) -> Option<&'a SecretString> {
    token_of(config, url.gate()?)
}

/// The token that is set for a site.
pub fn token_of(config: &Config, gate: Gate) -> Option<&SecretString> {
    match gate {
        Gate::HuggingFace => config.remote.hf_token.as_ref(),
        Gate::Civitai => config.remote.civitai_token.as_ref(),
    }
}

fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
    // Kept out of whatever prints headers.
    value.set_sensitive(true);
    Some(value)
}

fn failure(error: reqwest::Error) -> OutboundError {
    // The address stays out of it: what stands behind its `?` may be secret.
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(Refused(why)) = current.downcast_ref::<Refused>() {
            return OutboundError::Refused(*why);
        }
        cause = current.source();
    }
    if error.is_timeout() { OutboundError::TimedOut } else { OutboundError::Failed(chain(&error)) }
}

/// The last cause says it: "connection refused", "certificate expired".
fn chain(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
#[path = "outbound/tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
