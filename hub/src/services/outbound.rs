//! The hub's own requests to the outside, by the one guarded way out (`shared_io::http`).
//!
//! A request goes to exactly one address. Redirects come back to the caller, who judges where they lead
//! and asks again. A token goes to exactly its host, made anew for each request, so no redirect can carry it
//! elsewhere.

mod question;

use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, RANGE};
use reqwest::{ClientBuilder, RequestBuilder, Response};
use shared_io::http::{Http, HttpFailure, bearer, builder};
use shared_protocol::{Allowed, Gate, Secret, WebUrl};

use crate::config::Config;

/// How long a site may be silent.
const SILENCE: Duration = Duration::from_secs(20);

/// Asks outside; clones share their clients.
#[derive(Clone)]
pub struct Outbound(Http);

impl Outbound {
    /// With the names of this computer, and trusting whom it trusts.
    #[allow(clippy::new_without_default, reason = "a client is no value of its own")]
    pub fn new() -> Self {
        // A connection kept would outlive the judgement of its address.
        Self(Http::with_clients(|| client_builder().read_timeout(SILENCE).pool_max_idle_per_host(0)))
    }

    /// Asks for some bytes of what is at an address, by their offsets.
    pub async fn bytes(
        &self,
        url: &WebUrl,
        range: &RangeInclusive<u64>,
        config: &Config,
    ) -> Result<Response, HttpFailure> {
        let range = format!("bytes={}-{}", range.start(), range.end());
        let request = self.0.get(url, allowed(config))?.header(RANGE, range);
        with_token(request, token_for(config, url)).send().await.map_err(HttpFailure::of)
    }
}

fn with_token(request: RequestBuilder, token: Option<&Secret>) -> RequestBuilder {
    match token.and_then(|token| bearer(token.expose())) {
        Some(value) => request.header(AUTHORIZATION, value),
        None => request,
    }
}

/// The way out of downloads: they ask the same site for one part after another.
pub(super) fn for_downloads() -> Http {
    Http::with_clients(client_builder)
}

/// A client that trusts whom this computer trusts.
pub(super) fn client_builder() -> ClientBuilder {
    // Taken already by whoever came first: it is the same one.
    rustls::crypto::ring::default_provider().install_default().ok();
    builder()
}

/// Which networks the configuration opens.
pub fn allowed(config: &Config) -> Allowed {
    Allowed::with_private(config.remote.allow_private_sources)
}

/// The token that is set for the host of an address: to that host, encrypted, and nowhere else.
pub fn token_for<'a>(config: &'a Config, url: &WebUrl) -> Option<&'a Secret> {
    token_of(config, url.gate()?)
}

/// The token that is set for a site.
pub fn token_of(config: &Config, gate: Gate) -> Option<&Secret> {
    match gate {
        Gate::HuggingFace => config.remote.hf_token.as_ref(),
        Gate::Civitai => config.remote.civitai_token.as_ref(),
    }
}

#[cfg(test)]
#[path = "outbound/tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
