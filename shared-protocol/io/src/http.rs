//! Requests to the outside: one way out, with the guard at every step.
//!
//! A request goes to exactly one address. Redirects come back to the caller, who judges where they lead
//! and asks again. Names are resolved by `resolver`, which lets only judged addresses through, so that
//! what was judged is what is connected to. A proxy is used only where one is given: it resolves names itself, so
//! what a name leads to is judged by this machine's own answer, if it has one. HTTP/1.1 only, because several connections are wanted, not several
//! streams in one; and no encodings, because ranges count the bytes of the file.

mod proxies;
mod resolver;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{ACCEPT_ENCODING, AsHeaderName, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Proxy, RequestBuilder, Response, redirect};
use rustls::ClientConfig;
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, WebUrl};
use url::Url;

pub use proxies::Proxies;
pub use resolver::Lookup;
use resolver::{Guard, Refused, system_lookup};

/// Sites refuse the names of libraries.
const USER_AGENT: &str = concat!("ComfyUI-Model-Library/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take, with its encryption.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection waits for its next request.
const IDLE: Duration = Duration::from_secs(15);

/// Connections that wait, per host.
const MAX_IDLE: usize = 20;

/// No client could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up a client for HTTP: {0}")]
pub struct SetupError(#[from] reqwest::Error);

/// Asks outside; clones share their connections.
#[derive(Clone)]
pub struct Http {
    builder: Arc<dyn Fn() -> ClientBuilder + Send + Sync>,
    lookup: Lookup,
    proxies: Arc<Proxies>,
    clients: Arc<Mutex<Vec<(Guard, Client)>>>,
}

impl Http {
    /// Trusts whom this configuration trusts.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self::with_clients(move || builder_with(&tls))
    }

    /// With clients of one's own, which begin with [`builder`].
    pub fn with_clients(builder: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Self {
        let proxies = Arc::default();
        Self { builder: Arc::new(builder), lookup: system_lookup(), proxies, clients: Arc::default() }
    }

    /// Through proxies, where they lead.
    #[must_use]
    pub fn through(self, proxies: Proxies) -> Self {
        Self { proxies: Arc::new(proxies), clients: Arc::default(), ..self }
    }

    /// Judges what a name leads to that a proxy is to resolve. Where this machine can't resolve it, nothing is known.
    pub async fn judge(&self, url: &WebUrl, allowed: Allowed) -> Result<(), UrlError> {
        let Ok(parsed) = Url::parse(url.as_str()) else { return Err(UrlError::Unreadable) };
        if url.ip().is_some() || self.proxies.to(&parsed).is_none() {
            return Ok(());
        }
        let guard = Guard { allowed, is_encrypted: url.is_encrypted() };
        match (self.lookup)(url.host().to_owned()).await {
            Ok(addresses) => guard.judge_addresses(addresses).map(drop).or_else(|why| why.map_or(Ok(()), Err)),
            Err(_) => Ok(()),
        }
    }

    /// With names of one's own in place of this machine's.
    #[must_use]
    pub fn with_lookup(self, lookup: Lookup) -> Self {
        Self { lookup, ..self }
    }

    /// Begins a request to an address that was judged by the same rule. It goes there only: redirects come back.
    pub fn get(&self, url: &WebUrl, allowed: Allowed) -> Result<RequestBuilder, SetupError> {
        Ok(self.client(url, allowed)?.get(url.as_str()))
    }

    /// [`Self::get`] for the head of the answer alone.
    pub fn head(&self, url: &WebUrl, allowed: Allowed) -> Result<RequestBuilder, SetupError> {
        Ok(self.client(url, allowed)?.head(url.as_str()))
    }

    /// [`Self::get`] with a body to be sent.
    pub fn post(&self, url: &WebUrl, allowed: Allowed) -> Result<RequestBuilder, SetupError> {
        Ok(self.client(url, allowed)?.post(url.as_str()))
    }

    fn client(&self, url: &WebUrl, allowed: Allowed) -> Result<Client, SetupError> {
        let guard = Guard { allowed, is_encrypted: url.is_encrypted() };
        let mut clients = self.clients.lock();
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == guard) {
            return Ok(client.clone());
        }
        let resolver = guard.with(Arc::clone(&self.lookup), Arc::clone(&self.proxies));
        let client = through((self.builder)(), &self.proxies).dns_resolver(resolver).build()?;
        clients.push((guard, client.clone()));
        Ok(client)
    }
}

/// What all clients have in common. Whom they trust is the caller's to add.
pub fn builder() -> ClientBuilder {
    let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_idle_timeout(IDLE)
}

/// Leads a client's requests through proxies.
pub(crate) fn through(builder: ClientBuilder, proxies: &Arc<Proxies>) -> ClientBuilder {
    if **proxies == Proxies::default() {
        return builder;
    }
    let proxies = Arc::clone(proxies);
    builder.proxy(Proxy::custom(move |url| proxies.to(url).cloned()))
}

/// [`builder`] with a configuration of whom to trust.
pub(crate) fn builder_with(tls: &ClientConfig) -> ClientBuilder {
    builder().tls_backend_preconfigured(tls.clone())
}

/// The value of `Authorization` that carries a token, marked as not to be printed; none if no header can hold it.
pub fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether an answer leads elsewhere.
pub fn is_redirect(response: &Response) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A header of an answer, if it is there and is text.
pub fn header_text(response: &Response, name: impl AsHeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// A header of an answer, if it is there and is a number.
pub fn header_number(response: &Response, name: impl AsHeaderName) -> Option<u64> {
    header_text(response, name)?.trim().parse().ok()
}

/// Why a request brought no answer, or an answer broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// The name leads to an address that may not be fetched from.
    #[error("{0}")]
    Address(UrlError),
    /// The name leads nowhere.
    #[error("its name can't be resolved: {0}")]
    Name(String),
    /// Nobody takes the connection.
    #[error("it takes no connection: {0}")]
    Connect(String),
    /// It is not who it says it is, or does not speak TLS.
    #[error("no encrypted connection: {0}")]
    Tls(String),
    /// Nothing came in time.
    #[error("it does not answer in time")]
    TimedOut,
    /// The body ended before it was whole.
    #[error("the answer ended before it was whole")]
    Truncated,
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl From<SetupError> for HttpFailure {
    fn from(SetupError(error): SetupError) -> Self {
        Self::of(error)
    }
}

impl HttpFailure {
    /// Sorts an error of the client. The address stays out of it: its query may be secret.
    pub fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let (mut is_tls, mut is_truncated) = (false, false);
        let mut last: &(dyn std::error::Error + 'static) = &error;
        loop {
            if let Some(Refused(why)) = last.downcast_ref() {
                return Self::Address(*why);
            }
            is_tls |= last.is::<rustls::Error>();
            // An error inside one of the system's is not told by `source`.
            let mut inner = last.downcast_ref::<io::Error>();
            while let Some(error) = inner {
                is_truncated |= error.kind() == io::ErrorKind::UnexpectedEof;
                is_tls |= error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
                inner = error.get_ref().and_then(|error| error.downcast_ref());
            }
            match last.source() {
                Some(cause) => last = cause,
                None => break,
            }
        }
        let text = last.to_string();
        if is_tls {
            Self::Tls(text)
        } else if error.is_timeout() {
            Self::TimedOut
        } else if error.is_dns() {
            Self::Name(text)
        } else if error.is_connect() {
            Self::Connect(text)
        } else if is_truncated || text.contains("end of file before message length") {
            Self::Truncated
        } else {
            Self::Broken(text)
        }
    }

    /// What the system or a library said, without what that means.
    pub fn cause(&self) -> String {
        match self {
            Self::Name(why) | Self::Connect(why) | Self::Tls(why) | Self::Broken(why) => why.clone(),
            Self::Address(_) | Self::TimedOut | Self::Truncated => self.to_string(),
        }
    }

    /// A stable word for reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address(_) => "private_address",
            Self::Name(_) => "dns",
            Self::Connect(_) => "refused",
            Self::Tls(_) => "tls",
            Self::TimedOut => "stalled",
            Self::Truncated => "truncated",
            Self::Broken(_) => "reset",
        }
    }
}

#[cfg(test)]
#[path = "http/tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
