//! Names to addresses, with the judgement in between: a name that leads to where nothing may be fetched
//! from leads nowhere.
//!
//! A name may be answered differently each time it is asked (DNS rebinding), so a judgement made apart
//! from the connection proves nothing. This one is the client's own resolver.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, WebUrl};

/// Asks for the addresses of a name.
pub(super) type Lookup = Arc<dyn Fn(String) -> Looking + Send + Sync>;

type Looking = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// None of a name's addresses may be fetched from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) UrlError);

/// What a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard {
    pub(super) allowed: Allowed,
    pub(super) is_encrypted: bool,
}

/// A guard that asks.
pub(super) struct Resolver {
    guard: Guard,
    lookup: Lookup,
}

/// As this computer resolves names.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    })
}

impl Guard {
    pub(super) fn with(self, lookup: Lookup) -> Resolver {
        Resolver { guard: self, lookup }
    }

    /// The addresses that may be connected to; an error if there is none.
    fn judge(self, name: &str, found: &[IpAddr]) -> Result<Vec<SocketAddr>, UrlError> {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        let url = WebUrl::parse(&format!("{scheme}://{name}/"), self.allowed)?;
        let mut refusal = UrlError::Unreadable;
        let mut fine = Vec::new();
        for address in found {
            match url.check(*address, self.allowed) {
                // The port is the one of the address that was asked for.
                Ok(()) => fine.push(SocketAddr::new(*address, 0)),
                Err(why) => refusal = why,
            }
        }
        if fine.is_empty() { Err(refusal) } else { Ok(fine) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, name) = (self.guard, name.as_str().to_owned());
        let looking = (self.lookup)(name.clone());
        Box::pin(async move {
            let found = looking.await?;
            if found.is_empty() {
                return Err(std::io::Error::other("the name has no address").into());
            }
            let fine = guard.judge(&name, &found).map_err(Refused)?;
            let addresses: Addrs = Box::new(fine.into_iter());
            Ok(addresses)
        })
    }
}
