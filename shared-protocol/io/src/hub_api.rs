//! What a hub is asked for by plain HTTP: whether it is there, contents, and their group lists.
//!
//! Between the two are tunnels and proxies with answers of their own. Only a body that is the hub's own
//! refusal is its word ([`HubError::Refused`]); every other answer that is not what was asked for means
//! that the hub is out of reach right now ([`HubError::OutOfReach`]), and is tried again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rustls::ClientConfig;
use shared_protocol::groups::{VALUE_BYTES, n_groups};
use shared_protocol::refusal::{Health, Refusal, RefusalBody, RefusalCode};
use shared_protocol::version::APP;
use shared_protocol::{Blake3, GroupList, SessionKey, routes};
use url::{Host, Url};

use crate::http::{self, HttpFailure, Proxies, SetupError};

/// How long a small answer may take as a whole.
const SMALL_ANSWER: Duration = Duration::from_secs(30);

/// Most bytes read of an answer that is no content.
const MAX_SMALL: usize = 64 << 10;

/// Why a text is no address of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HubAddressError {
    /// Not an address at all, or one with a name, query or fragment.
    #[error("it is no address of a hub: https://HOST is expected")]
    Unreadable,
    /// Plain `http` to another machine: the key would be read on the way.
    #[error("plain http is taken for this machine's own addresses only: use https")]
    Plain,
}

/// Where the hub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress(Url);

impl HubAddress {
    /// Reads an address: `https`, or plain `http` to this machine.
    pub fn parse(text: &str) -> Result<Self, HubAddressError> {
        let url = Url::parse(text.trim()).map_err(|_| HubAddressError::Unreadable)?;
        let is_this_machine = match url.host().ok_or(HubAddressError::Unreadable)? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => IpAddr::from(address).is_loopback(),
            Host::Ipv6(address) => IpAddr::from(address).is_loopback(),
        };
        let has_more =
            !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
        match url.scheme() {
            _ if has_more => Err(HubAddressError::Unreadable),
            "https" => Ok(Self(url)),
            "http" if is_this_machine => Ok(Self(url)),
            "http" => Err(HubAddressError::Plain),
            _ => Err(HubAddressError::Unreadable),
        }
    }

    /// The address of a route, below whatever path the hub's own address has.
    pub fn route(&self, route: &str) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}{route}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// The proxy that leads there, for people.
    pub fn proxy(&self, proxies: &Proxies) -> Option<String> {
        proxies.describe(&self.0)
    }

    /// The address of the control channel as a WebSocket.
    pub fn socket(&self) -> Url {
        let mut url = self.route(routes::SOCKET);
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Both are schemes with hosts, so this can't fail; if it did, connecting would say so.
        url.set_scheme(scheme).ok();
        url
    }
}

impl std::fmt::Display for HubAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Why the hub gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The hub's own word.
    #[error("the hub refuses: {}", .0.detail)]
    Refused(Refusal),
    /// No connection, or an answer of something in between.
    #[error("the hub is out of reach: {0}")]
    OutOfReach(String),
    /// It answered with what it should not.
    #[error("the hub's answer can't be used: {0}")]
    Unusable(String),
}

impl From<reqwest::Error> for HubError {
    fn from(error: reqwest::Error) -> Self {
        Self::OutOfReach(HttpFailure::of(error).to_string())
    }
}

/// Asks the hub; clones share their connections.
#[derive(Debug, Clone)]
pub struct HubApi {
    address: HubAddress,
    authorization: HeaderValue,
    client: Client,
}

impl HubApi {
    /// Prepares requests with a session's key, through proxies where they lead.
    pub fn new(
        address: HubAddress,
        key: &SessionKey,
        tls: &Arc<ClientConfig>,
        proxies: &Proxies,
    ) -> Result<Self, SetupError> {
        // A key is letters and digits, so it always fits a header.
        let authorization = http::bearer(&key.expose()).unwrap_or_else(|| HeaderValue::from_static("Bearer"));
        let client = http::through(http::builder_with(tls), &Arc::new(proxies.clone())).build()?;
        Ok(Self { address, authorization, client })
    }

    /// Where the hub is.
    pub const fn address(&self) -> &HubAddress {
        &self.address
    }

    /// The value of `Authorization`, marked as not to be printed.
    pub fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// The client without the key, for routes that need none or other methods.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Asks who is there.
    pub async fn health(&self) -> Result<Health, HubError> {
        let request = self.client.get(self.address.route(routes::HEALTH));
        let body = read_small(answer(request.timeout(SMALL_ANSWER)).await?, MAX_SMALL).await?;
        let health: Health = serde_json::from_slice(&body).map_err(|_| not_a_hub())?;
        if health.app == APP { Ok(health) } else { Err(not_a_hub()) }
    }

    /// Begins a request for a content; the answer is judged by the caller.
    pub fn blob(&self, content: &Blake3) -> RequestBuilder {
        self.client.get(self.address.route(&routes::blob(content))).header(AUTHORIZATION, self.authorization())
    }

    /// Fetches a content's group list, verified against its digest; none if the hub has none.
    ///
    /// `came` holds what an earlier try brought of it, and what this one does: a list that breaks off is gone on from.
    /// It may take as long as it likes, but no pause of it may be longer than `silence`.
    ///
    /// # Errors
    ///
    /// If the hub refuses or is out of reach, or sends a list of another content: then what came is of no use.
    pub async fn groups(
        &self,
        content: &Blake3,
        size_bytes: u64,
        came: &mut Vec<u8>,
        silence: Duration,
    ) -> Result<Option<GroupList>, HubError> {
        let expected = usize::try_from(n_groups(size_bytes)).unwrap_or(usize::MAX).saturating_mul(VALUE_BYTES);
        if came.len() < expected {
            let url = self.address.route(&routes::groups(content));
            let mut request = self.client.get(url).header(AUTHORIZATION, self.authorization());
            if !came.is_empty() {
                request = request.header(RANGE, format!("bytes={}-", came.len()));
            }
            let response = match tokio::time::timeout(silence, answer(request)).await.map_err(|_| silent(silence))? {
                Err(HubError::Refused(refusal)) if refusal.code == RefusalCode::NotFound => return Ok(None),
                other => other?,
            };
            if response.status() != StatusCode::PARTIAL_CONTENT || !goes_on_from(&response, came.len()) {
                came.clear();
            }
            read_on(response, came, expected, silence).await?;
        }
        let list = GroupList::from_bytes(size_bytes, came).map_err(|error| HubError::Unusable(error.to_string()))?;
        if list.root() == *content {
            Ok(Some(list))
        } else {
            Err(HubError::Unusable("its group list belongs to another content".to_owned()))
        }
    }
}

fn silent(silence: Duration) -> HubError {
    HubError::OutOfReach(format!("nothing for {} s", silence.as_secs()))
}

/// Whether a part begins where one wants to go on.
fn goes_on_from(response: &Response, at: usize) -> bool {
    let range = http::header_text(response, CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
    range.is_some_and(|range| range.starts_with(&format!("{at}-")))
}

/// Reads a body to its end.
async fn read_on(
    mut response: Response,
    came: &mut Vec<u8>,
    at_most: usize,
    silence: Duration,
) -> Result<(), HubError> {
    while let Some(chunk) = tokio::time::timeout(silence, response.chunk()).await.map_err(|_| silent(silence))?? {
        if came.len() + chunk.len() > at_most {
            return Err(HubError::Unusable(format!("it is longer than {at_most} bytes")));
        }
        came.extend_from_slice(&chunk);
    }
    Ok(())
}

/// Sends a request; an answer that is not a success becomes an error.
pub async fn answer(request: RequestBuilder) -> Result<Response, HubError> {
    let response = request.send().await?;
    if response.status().is_success() { Ok(response) } else { Err(refusal_of(response).await) }
}

/// What an answer means that is no success: the hub's word, or someone else's.
pub async fn refusal_of(response: Response) -> HubError {
    let status = response.status();
    let body = read_small(response, MAX_SMALL).await.unwrap_or_default();
    RefusalBody::read(&body).map_or_else(|| HubError::OutOfReach(strange(status)), HubError::Refused)
}

fn strange(status: StatusCode) -> String {
    format!("something in between answered {status}")
}

fn not_a_hub() -> HubError {
    HubError::OutOfReach("who answers there is no hub".to_owned())
}

/// Reads the body of an answer that is no content.
///
/// # Errors
///
/// If it breaks off, or is longer than `at_most` bytes.
pub async fn read_small(mut response: Response, at_most: usize) -> Result<Vec<u8>, HubError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > at_most {
            return Err(HubError::Unusable(format!("it is longer than {at_most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_key_travels_encrypted_or_not_at_all() {
        for fine in
            ["https://hub.example", "https://hub.example:8443/models/", "http://127.0.0.1:8421", "http://[::1]:1"]
        {
            assert!(HubAddress::parse(fine).is_ok(), "{fine}");
        }
        for plain in ["http://hub.example", "http://192.168.1.2:8421", "http://localhost.example"] {
            assert_eq!(HubAddress::parse(plain), Err(HubAddressError::Plain), "{plain}");
        }
        for wrong in ["", "hub", "ftp://127.0.0.1", "https://a:b@hub.example", "https://hub.example?x", "https://"] {
            assert_eq!(HubAddress::parse(wrong), Err(HubAddressError::Unreadable), "{wrong}");
        }
    }

    #[test]
    fn routes_lie_below_the_address() {
        let address = HubAddress::parse("https://hub.example/models/").unwrap();
        assert_eq!(address.route(routes::HEALTH).as_str(), "https://hub.example/models/remote/v1/health");
        assert_eq!(address.socket().as_str(), "wss://hub.example/models/remote/v1/ws");
        assert_eq!(address.to_string(), "https://hub.example/models");
        assert_eq!(HubAddress::parse("http://localhost:1").unwrap().socket().as_str(), "ws://localhost:1/remote/v1/ws");
    }
}
