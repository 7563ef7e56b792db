//! Names become addresses here, and only those that may be connected to come out.
//!
//! A client connects to what its resolver returns, so nothing can change between the judgement and the
//! connection: a name that answers with another address the second time (DNS rebinding) gains nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared_protocol::addresses::{Allowed, Network, network_of};
use shared_protocol::source_url::UrlError;

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// Asks the system.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// A name leads only to addresses that may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub UrlError);

/// Which addresses a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Which networks.
    pub allowed: Allowed,
    /// Whether it speaks `https`.
    pub is_encrypted: bool,
}

impl Guard {
    /// Judges an address, by the rule of `WebUrl::check`.
    pub fn check(self, address: IpAddr) -> Result<(), UrlError> {
        match (network_of(address), self.allowed, self.is_encrypted) {
            (Network::Never, _, _) => Err(UrlError::Never),
            (Network::Private, Allowed::PublicOnly, _) => Err(UrlError::Private),
            (Network::Public, _, false) => Err(UrlError::PlainToPublic),
            (Network::Public, _, true) | (Network::Private, Allowed::PrivateToo, _) => Ok(()),
        }
    }

    /// A resolver that lets through what this guard does.
    pub(super) fn with(self, lookup: Lookup) -> Guarded {
        Guarded { guard: self, lookup }
    }
}

/// A resolver with its guard.
pub(super) struct Guarded {
    guard: Guard,
    lookup: Lookup,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard;
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let mut refused = None;
            let mut fine = Vec::new();
            for address in found.await? {
                match guard.check(address) {
                    Ok(()) => fine.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if fine.is_empty() => Err(Refused(why).into()),
                _ => Ok(Box::new(fine.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::WebUrl;

    use super::*;

    /// The rule is written down twice, because a resolver is not told the address: it has to stay one rule.
    #[test]
    fn the_guard_judges_as_the_address_does() {
        for scheme in ["http", "https"] {
            let url = WebUrl::parse(&format!("{scheme}://models.example/x"), Allowed::PrivateToo).unwrap();
            for allowed in [Allowed::PublicOnly, Allowed::PrivateToo] {
                let guard = Guard { allowed, is_encrypted: url.is_encrypted() };
                for address in ["1.1.1.1", "127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "fe80::1"] {
                    let address = address.parse().unwrap();
                    assert_eq!(guard.check(address), url.check(address, allowed), "{scheme} {address} {allowed:?}");
                }
            }
        }
    }
}
