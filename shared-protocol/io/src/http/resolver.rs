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
                match check_address(address, guard.allowed, guard.is_encrypted) {
                    Ok(()) => fine.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                _ if !fine.is_empty() => Ok(Box::new(fine.into_iter()) as Addrs),
                Some(why) => Err(Refused(why).into()),
                None => Err(io::Error::other("the name has no address").into()),
            }
        })
    }
}
