//! Where bytes come from: a source's address, what was learnt about it, and how a request to it is answered.
//!
//! Redirects are followed here, one judged step at a time; where they end is remembered for the next
//! request. A token is added anew at each step and only for its own host, so that none is ever carried on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::{RequestBuilder, Response};
use shared_protocol::job::{AssetSource, Bearer};
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, WebUrl};

use super::Job;
use super::answer::{Asked, Body, Head, judge, strong};
use super::fault::{Fault, Weight};
use crate::http::HttpFailure;
use crate::hub_api::{HubError, refusal_of};

/// Longest chain of redirects.
const MAX_REDIRECTS: usize = 10;

/// The kinds of sources.
#[derive(Debug)]
enum Origin {
    Public {
        url: WebUrl,
        bearer: Option<Bearer>,
    },
    Hub,
    /// An address that may not be used.
    Nowhere {
        name: String,
        why: UrlError,
    },
}

/// A source while a download goes on.
#[derive(Debug)]
pub(super) struct Supply {
    origin: Origin,
    allowed: Allowed,
    resolved: Mutex<Option<WebUrl>>,
    etag: Mutex<Option<String>>,
    /// Bytes that came from it and were proved.
    pub(super) proved: AtomicU64,
    /// Bytes that came from it and were thrown away.
    pub(super) wasted: AtomicU64,
    /// Whether it sends the whole whatever is asked.
    pub(super) is_whole: AtomicBool,
    /// Whether it said by its entity tag that its file is another one now.
    pub(super) has_changed: AtomicBool,
    /// Whether it is over, for connections that are still at work.
    pub(super) is_left: AtomicBool,
}

/// What to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The first byte.
    pub(super) from: u64,
    /// Behind the last one.
    pub(super) to: u64,
    /// Whether what is there already came from the same file, so that another one is of no use.
    pub(super) same_file: bool,
}

/// An answer whose body is to be read.
pub(super) struct Opened {
    pub(super) response: Response,
    pub(super) body: Body,
}

/// A request that brought nothing to read.
#[derive(Debug)]
pub(super) struct NotOpened {
    pub(super) fault: Fault,
    /// Whether a redirect led to the address that failed.
    pub(super) is_redirected: bool,
}

impl Supply {
    /// From an order; none for a kind that is not known here.
    pub(super) fn new(source: &AssetSource, allowed: Allowed) -> Option<Self> {
        let origin = match source {
            AssetSource::Public { url, bearer } => match WebUrl::parse(url, allowed) {
                Ok(url) => Origin::Public { url, bearer: bearer.clone() },
                Err(why) => Origin::Nowhere { name: harmless(url), why },
            },
            AssetSource::Hub => Origin::Hub,
            AssetSource::Unknown => return None,
        };
        Some(Self {
            origin,
            allowed,
            resolved: Mutex::default(),
            etag: Mutex::default(),
            proved: AtomicU64::new(0),
            wasted: AtomicU64::new(0),
            is_whole: AtomicBool::new(false),
            has_changed: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
        })
    }

    /// Why its address may not be used, if so.
    pub(super) const fn refused(&self) -> Option<UrlError> {
        match &self.origin {
            Origin::Nowhere { why, .. } => Some(*why),
            _ => None,
        }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        match &self.origin {
            Origin::Public { url, .. } => url.to_string(),
            Origin::Hub => "hub".to_owned(),
            Origin::Nowhere { name, .. } => name.clone(),
        }
    }

    /// Whether it is the hub.
    pub(super) const fn is_hub(&self) -> bool {
        matches!(self.origin, Origin::Hub)
    }

    /// Forgets where redirects ended.
    pub(super) fn forget_redirect(&self) {
        *lock(&self.resolved) = None;
    }

    /// Forgets which file it had.
    pub(super) fn forget_file(&self) {
        *lock(&self.etag) = None;
        self.has_changed.store(false, Ordering::Relaxed);
    }

    /// Asks for a part and judges the head of the answer. `patience` bounds each wait for an answer.
    pub(super) async fn open(&self, job: &Job, wanted: Wanted, patience: Duration) -> Result<Opened, NotOpened> {
        let plain = |fault| NotOpened { fault, is_redirected: false };
        match &self.origin {
            Origin::Hub => self.open_hub(job, wanted, patience).await.map_err(plain),
            Origin::Public { url, bearer } => self.open_public(job, url, bearer.as_ref(), wanted, patience).await,
            Origin::Nowhere { why, .. } => Err(plain(refusal(*why))),
        }
    }

    async fn open_public(
        &self,
        job: &Job,
        url: &WebUrl,
        bearer: Option<&Bearer>,
        wanted: Wanted,
        patience: Duration,
    ) -> Result<Opened, NotOpened> {
        let known = lock(&self.resolved).clone();
        let mut is_redirected = known.is_some();
        let mut here = known.unwrap_or_else(|| url.clone());
        for _ in 0..=MAX_REDIRECTS {
            let wrong = |fault| NotOpened { fault, is_redirected };
            let request = job
                .tools
                .http
                .get(&here, self.allowed)
                .map_err(|error| wrong(Fault::last("tls", error.to_string())))?;
            let mut request = self.asking(job, request, wanted);
            if let Some(token) = bearer.filter(|bearer| may_see(&here, bearer)).and_then(token) {
                request = request.header(AUTHORIZATION, token);
            }
            let response = send(request, patience).await.map_err(wrong)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                let opened = self.judged(job, response, wanted).map_err(wrong)?;
                if is_redirected {
                    *lock(&self.resolved) = Some(here);
                }
                return Ok(opened);
            }
            here = next(&here, response.headers(), self.allowed).map_err(wrong)?;
            is_redirected = true;
        }
        let fault = Fault::last("redirects", format!("it redirects more than {MAX_REDIRECTS} times"));
        Err(NotOpened { fault, is_redirected: false })
    }

    async fn open_hub(&self, job: &Job, wanted: Wanted, patience: Duration) -> Result<Opened, Fault> {
        let request = self.asking(job, job.tools.hub.blob(&job.order.blake3), wanted);
        let response = send(request, patience).await.map_err(waited_for)?;
        let status = response.status();
        if status.is_success() || status.as_u16() == 416 {
            // A page in place of the file is a proxy's.
            return self.judged(job, response, wanted).map_err(waited_for);
        }
        Err(match refusal_of(response).await {
            HubError::Refused(refusal) => Fault::of_refusal(refusal),
            other => waited_for(Fault::retry("unavailable", other.to_string())),
        })
    }

    fn asking(&self, job: &Job, mut request: RequestBuilder, wanted: Wanted) -> RequestBuilder {
        let is_part = wanted.from > 0 || wanted.to < job.order.size_bytes;
        if is_part && !self.is_whole.load(Ordering::Relaxed) {
            request = request.header(RANGE, format!("bytes={}-{}", wanted.from, wanted.to - 1));
            // Where every group is proved, another file is noticed anyway, and mirrors whose machines have
            // tags of their own would only send the whole again and again.
            if wanted.same_file
                && let Some(etag) = strong(lock(&self.etag).as_deref())
            {
                request = request.header(IF_RANGE, etag);
            }
        }
        request
    }

    fn judged(&self, job: &Job, response: Response, wanted: Wanted) -> Result<Opened, Fault> {
        let head = head_of(&response);
        let from = if self.is_whole.load(Ordering::Relaxed) { 0 } else { wanted.from };
        let asked = Asked { from, size_bytes: job.order.size_bytes, name: job.order.dest.name() };
        let body = judge(asked, &head)?;
        let mut known = lock(&self.etag);
        if let Some(etag) = head.etag {
            if known.as_ref().is_some_and(|known| *known != etag) {
                self.has_changed.store(true, Ordering::Relaxed);
                if wanted.same_file {
                    return Err(Fault::retry("changed", "its file is another one than before"));
                }
            } else {
                *known = Some(etag);
            }
        }
        drop(known);
        Ok(Opened { response, body })
    }
}

/// Whatever happens on the way to the hub is waited for: the computer it runs on may be starting anew.
pub(super) fn waited_for(fault: Fault) -> Fault {
    if fault.weight == Weight::Retry { Fault { weight: Weight::OutOfReach, ..fault } } else { fault }
}

async fn send(request: RequestBuilder, patience: Duration) -> Result<Response, Fault> {
    match tokio::time::timeout(patience, request.send()).await {
        Ok(answer) => answer.map_err(|error| HttpFailure::of(error).into()),
        Err(_) => Err(Fault::stalled(format!("no answer for {} s", patience.as_secs()))),
    }
}

/// An address that may not be used, as far as it can be shown: without name, password and query.
fn harmless(text: &str) -> String {
    let Ok(url) = url::Url::parse(text) else { return "an unreadable address".to_owned() };
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// What it means that an address may not be used.
pub(super) fn refusal(why: UrlError) -> Fault {
    let code = match why {
        UrlError::Private | UrlError::Never | UrlError::PlainToPublic => "private_address",
        _ => "address",
    };
    Fault::last(code, format!("its address is not used: {why}"))
}

fn next(here: &WebUrl, headers: &HeaderMap, allowed: Allowed) -> Result<WebUrl, Fault> {
    let location =
        text(headers, &LOCATION).ok_or_else(|| Fault::last("redirects", "it redirects without saying where"))?;
    here.join(&location, allowed).map_err(refusal)
}

/// Exactly that host, encrypted, on the usual port.
fn may_see(url: &WebUrl, bearer: &Bearer) -> bool {
    url.is_encrypted() && url.port() == 443 && url.host() == bearer.host
}

fn token(bearer: &Bearer) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn head_of(response: &Response) -> Head {
    let headers = response.headers();
    let number = |name| text(headers, name).and_then(|text| text.trim().parse().ok());
    Head {
        status: response.status().as_u16(),
        content_range: text(headers, &header::CONTENT_RANGE),
        content_length: number(&header::CONTENT_LENGTH),
        content_type: text(headers, &header::CONTENT_TYPE),
        content_encoding: text(headers, &header::CONTENT_ENCODING),
        etag: text(headers, &header::ETAG),
        retry_after: number(&header::RETRY_AFTER),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::Secret;

    use super::*;

    #[test]
    fn a_token_is_for_its_host_alone() {
        let bearer = Bearer { host: "huggingface.co".to_owned(), token: Secret::new("hf_x".to_owned()) };
        let sees = |url: &str| may_see(&WebUrl::parse(url, Allowed::PrivateToo).unwrap(), &bearer);
        assert!(sees("https://huggingface.co/a/b"));
        for other in [
            "https://cdn.huggingface.co/a",
            "https://huggingface.co.example/a",
            "https://huggingface.co:8443/a",
            "http://huggingface.co/a",
            "https://example.com/huggingface.co",
        ] {
            assert!(!sees(other), "{other}");
        }
    }
}
