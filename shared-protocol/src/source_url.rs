//! Addresses that something may be fetched from, and those that may be kept.
//!
//! A [`WebUrl`] may be connected to: `https` to a public host, or what a setting opens. Redirects lead
//! from one to the next. A [`SourceUrl`] may also be written down and handed to others: it holds
//! no password, token or signature. The `url` crate reads every spelling of a host (`0x7f.1`,
//! `2130706433`, full-width letters) as browsers and resolvers do, so that a rule can't be passed by
//! writing the same host another way.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::addresses::{Allowed, Network, network_of};

/// Longest address that is taken. Browsers and servers agree on less.
pub const MAX_LENGTH: usize = 4_096;

/// Why a text is no address to fetch from, with what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not an address at all.
    #[error("it is no web address: copy the whole of it, beginning with https://")]
    Unreadable,
    /// Nobody needs as much.
    #[error("it is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// Plain `http`, or something else.
    #[error("it has to begin with https://")]
    NotHttps,
    /// Plain `http` to a host that is not private.
    #[error("plain http is taken for private addresses only: use https")]
    PlainToPublic,
    /// `user:password@`.
    #[error("it holds a user name or password: leave out what stands before the @")]
    UserInfo,
    /// A private address, and no setting opens it.
    #[error("it leads to a private address: set REMOTE_ALLOW_PRIVATE_SOURCES to true to allow that")]
    Private,
    /// An address no source can be at.
    #[error("it leads to an address that is never fetched from: link-local, multicast or reserved")]
    Never,
    /// A signature that expires.
    #[error("it is signed and expires: take the address of the file's download button, not the one it redirects to")]
    Signed,
    /// A token.
    #[error("it holds a token or key: leave it out; HF_TOKEN and CIVITAI_TOKEN in Settings are sent where needed")]
    Token,
}

/// An address that may be connected to. Its query may hold a signature, so it is never shown or logged
/// whole: `Display` and `Debug` leave the query out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebUrl(Url);

impl WebUrl {
    /// Reads an address.
    pub fn parse(text: &str, allowed: Allowed) -> Result<Self, UrlError> {
        let text = text.trim();
        // The parser would pass over tabs and line breaks silently.
        if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(UrlError::Unreadable);
        }
        if text.len() > MAX_LENGTH {
            return Err(UrlError::TooLong);
        }
        Self::judge_url(Url::parse(text).map_err(|_| UrlError::Unreadable)?, allowed)
    }

    /// Where a redirect from here leads.
    pub fn join(&self, location: &str, allowed: Allowed) -> Result<Self, UrlError> {
        if location.len() > MAX_LENGTH {
            return Err(UrlError::TooLong);
        }
        Self::judge_url(self.0.join(location).map_err(|_| UrlError::Unreadable)?, allowed)
    }

    fn judge_url(mut url: Url, allowed: Allowed) -> Result<Self, UrlError> {
        // It never reaches a server.
        url.set_fragment(None);
        match (url.scheme(), allowed) {
            ("https", _) | ("http", Allowed::PrivateToo) => {}
            _ => return Err(UrlError::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        let url = Self(url);
        match url.0.host() {
            Some(Host::Ipv4(address)) => check_address(address.into(), allowed, url.is_encrypted())?,
            Some(Host::Ipv6(address)) => check_address(address.into(), allowed, url.is_encrypted())?,
            // Names are judged by what they resolve to; only what always means this machine is told early.
            Some(Host::Domain(name)) if allowed == Allowed::PublicOnly && is_this_machine(name) => {
                return Err(UrlError::Private);
            }
            Some(Host::Domain(name)) if !name.trim_end_matches('.').is_empty() => {}
            _ => return Err(UrlError::Unreadable),
        }
        Ok(url)
    }

    /// Whether it is `https`.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host as it is resolved; an IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, the scheme's own if none is named.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The IP address, if the host is written as one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// The whole address, for the one who connects. Never log it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whose token may be sent there: to exactly that host, encrypted, on the usual port.
    pub fn gate(&self) -> Option<Gate> {
        Gate::ALL.into_iter().find(|gate| self.may_see_token_of(gate.host()))
    }

    /// Whether a host's token may be sent there: to exactly that host, encrypted, on the usual port.
    pub fn may_see_token_of(&self, host: &str) -> bool {
        self.is_encrypted() && self.port() == 443 && self.host() == host
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0;
        write!(f, "{}://{}", url.scheme(), self.host())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebUrl({self})")
    }
}

/// A site that gives some files only to whoever sends a token of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// `huggingface.co`.
    HuggingFace,
    /// `civitai.com`.
    Civitai,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::HuggingFace, Self::Civitai];

    /// The one host that gets the token.
    pub const fn host(self) -> &'static str {
        match self {
            Self::HuggingFace => "huggingface.co",
            Self::Civitai => "civitai.com",
        }
    }

    /// Its name in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HuggingFace => "huggingface",
            Self::Civitai => "civitai",
        }
    }
}

/// An address that may be kept and handed on: it can be connected to, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl(WebUrl);

impl SourceUrl {
    /// Reads an address that a person or a file named.
    pub fn parse(text: &str, allowed: Allowed) -> Result<Self, UrlError> {
        let url = WebUrl::parse(text, allowed)?;
        for (name, value) in url.0.query_pairs() {
            check_parameter(&name, &value)?;
        }
        Ok(Self(url))
    }

    /// What to connect to.
    pub const fn web(&self) -> &WebUrl {
        &self.0
    }

    /// The whole address, as it is written down.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The address without its query, for people and logs.
impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Judges an address that a host was resolved to; connect to it only if this is fine.
///
/// # Errors
///
/// If it is never fetched from, lies in a network that is not allowed, or is public and would be asked unencrypted.
pub fn check_address(address: IpAddr, allowed: Allowed, is_encrypted: bool) -> Result<(), UrlError> {
    match (network_of(address), allowed, is_encrypted) {
        (Network::Never, _, _) => Err(UrlError::Never),
        (Network::Private, Allowed::PublicOnly, _) => Err(UrlError::Private),
        (Network::Public, _, false) => Err(UrlError::PlainToPublic),
        (Network::Public, _, true) | (Network::Private, Allowed::PrivateToo, _) => Ok(()),
    }
}

/// What this machine calls itself, whatever a resolver says (RFC 6761).
fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// What the large stores of files call their signatures, and everyone their tokens. Better a harmless address refused than a secret written to a share.
fn check_parameter(name: &str, value: &str) -> Result<(), UrlError> {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect();
    let has = |parts: &[&str]| parts.iter().any(|part| plain.contains(part));
    let is = |names: &[&str]| names.contains(&plain.as_str());
    if has(&["signature", "keypairid", "accesskeyid", "accessid", "xamz", "xgoog", "xoss"])
        || is(&["sig", "sign", "expires", "expire", "exp", "policy", "hmac", "skoid", "qak"])
    {
        return Err(UrlError::Signed);
    }
    let is_value_of_token = value.len() > 20 && (value.starts_with("hf_") || value.starts_with("eyJ"));
    if has(&["token", "apikey", "authkey", "secret", "password", "passwd", "credential", "authorization", "bearer"])
        || is(&["key", "auth", "jwt", "pwd"])
        || is_value_of_token
    {
        return Err(UrlError::Token);
    }
    Ok(())
}

#[cfg(test)]
#[path = "source_url_tests.rs"]
mod tests;
