//! The store behind a site: addresses that are signed, expire, and want nothing of a token.
//!
//! S3 and its like answer 400 where a signed address comes with `Authorization`: "Only one auth mechanism allowed".

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;

use super::offered::Offered;
use super::server::{Heard, Reply, StandIn};

#[derive(Default)]
struct Signed {
    files: BTreeMap<u64, Arc<Offered>>,
    next: u64,
    /// Those from here on are valid.
    valid_from: u64,
}

/// A store.
#[derive(Debug)]
pub struct Storage {
    server: StandIn,
    signed: Signatures,
}

/// Makes signed addresses.
#[derive(Clone)]
pub(super) struct Signatures {
    signed: Arc<Mutex<Signed>>,
    parameter: &'static str,
}

impl std::fmt::Debug for Signatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signatures")
    }
}

impl Storage {
    /// A store whose signature stands in a parameter of this name.
    pub(super) fn start(parameter: &'static str) -> Result<Self> {
        let signed = Signatures { signed: Arc::default(), parameter };
        let of_server = signed.clone();
        Ok(Self { server: StandIn::start(move |heard| of_server.answer(heard))?, signed })
    }

    /// The server, for what it heard.
    pub const fn server(&self) -> &StandIn {
        &self.server
    }

    /// Lets all addresses expire that were signed so far.
    pub fn expire_all(&self) {
        let mut signed = self.signed.signed.lock();
        signed.valid_from = signed.next;
    }

    pub(super) fn signatures(&self) -> (Signatures, String) {
        (self.signed.clone(), self.server.base())
    }
}

impl Signatures {
    /// A new signed address for a file.
    pub(super) fn sign(&self, base: &str, file: &Arc<Offered>) -> String {
        let mut signed = self.signed.lock();
        let number = signed.next;
        signed.next += 1;
        signed.files.insert(number, Arc::clone(file));
        format!("{base}/store/{number}?X-Amz-Expires=86400&{}=canary-signature-{number}", self.parameter)
    }

    fn answer(&self, heard: &Heard) -> Reply {
        if heard.header("authorization").is_some() {
            return xml(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        let signed = self.signed.lock();
        let number = heard.parts().last().and_then(|part| part.parse::<u64>().ok());
        let Some((number, file)) = number.and_then(|number| Some((number, signed.files.get(&number)?))) else {
            return xml(404, "NoSuchKey", "The specified key does not exist.");
        };
        let signature = format!("canary-signature-{number}");
        if number < signed.valid_from || heard.queried(self.parameter) != Some(signature.as_str()) {
            return xml(403, "AccessDenied", "Request has expired");
        }
        let name = format!("attachment; filename=\"{}\"", file.name);
        Reply::file(&file.bytes, heard).with("content-disposition", &name)
    }
}

fn xml(status: u16, code: &str, message: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Reply { body: body.into_bytes(), ..Reply::status(status) }.with("content-type", "application/xml")
}
