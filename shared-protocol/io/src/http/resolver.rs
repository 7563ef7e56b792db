//! Names become addresses here, and only those that may be connected to come out.
//!
//! A client connects to what its resolver returns, so nothing can change between the judgement and the
//! connection: a name that answers with another address the second time (DNS rebinding) gains nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared_protocol::Allowed;
use shared_protocol::source_url::{UrlError, check_address};

use super::proxies::Proxies;

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// Asks the system.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// A name leads only to addresses that may not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) UrlError);

/// Which addresses a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard {
    pub(super) allowed: Allowed,
    pub(super) is_encrypted: bool,
}

impl Guard {
    /// A resolver that lets through what this guard does.
    pub(super) fn with(self, lookup: Lookup, proxies: Arc<Proxies>) -> Guarded {
        Guarded { guard: self, lookup, proxies }
    }

    /// Lets through which addresses may be connected to; why not, if there are only others.
    pub(super) fn judge_addresses(self, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Option<UrlError>> {
        let mut refused = None;
        let mut fine = Vec::new();
        for address in addresses {
            match check_address(address, self.allowed, self.is_encrypted) {
                Ok(()) => fine.push(address),
                Err(why) => refused = Some(why),
            }
        }
        if fine.is_empty() { Err(refused) } else { Ok(fine) }
    }
}

/// A resolver with its guard.
pub(super) struct Guarded {
    guard: Guard,
    lookup: Lookup,
    proxies: Arc<Proxies>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, is_proxy) = (self.guard, self.proxies.is_one(name.as_str()));
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            let judged = if is_proxy { Ok(found) } else { guard.judge_addresses(found) };
            match judged {
                Ok(fine) => Ok(Box::new(fine.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs),
                Err(Some(why)) => Err(Refused(why).into()),
                Err(None) => Err(io::Error::other("the name has no address").into()),
            }
        })
    }
}
