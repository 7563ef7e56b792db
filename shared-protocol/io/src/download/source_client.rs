//! Where bytes come from: a source's address, what was learnt about it, and how a request to it is answered.
//!
//! Redirects are followed here, one judged step at a time; where they end is remembered for the next
//! request. A token is added anew at each step and only for its own host, so that none is ever carried on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use reqwest::header::{self, AUTHORIZATION, IF_RANGE, LOCATION, RANGE};
use reqwest::{RequestBuilder, Response};
use shared_protocol::job::{AssetSource, Bearer};
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, WebUrl};

use super::Download;
use super::answer::{AnswerBody, AnswerHead, AskedRange, judge_answer, strong};
use super::attempt_error::{AttemptError, Consequence};
use super::lines::{Line, Lines};
use super::retry_after::{is_used_up, wait_asked_for};
use crate::http::{HttpFailure, bearer, header_number, header_text, is_redirect};
use crate::hub_api::{HubApi, HubError, refusal_of};

/// Longest chain of redirects.
const MAX_REDIRECTS: usize = 10;

/// The kinds of sources.
#[derive(Debug)]
enum Origin {
    Public {
        url: WebUrl,
        bearer: Option<Bearer>,
    },
    Hub(HubApi),
    /// An address that may not be used.
    Nowhere {
        name: String,
        why: UrlError,
    },
}

/// A source while a download goes on.
#[derive(Debug)]
pub(super) struct SourceClient {
    origin: Origin,
    allowed: Allowed,
    resolved: Mutex<Option<WebUrl>>,
    etag: Mutex<Option<String>>,
    /// Bytes that came from it and were verified.
    pub(super) verified: AtomicU64,
    /// Bytes that came from it and were thrown away.
    pub(super) wasted: AtomicU64,
    /// Whether it sends the whole whatever is asked.
    pub(super) is_whole: AtomicBool,
    /// Whether it said by its entity tag that its file is another one now.
    pub(super) has_changed: AtomicBool,
    /// Whether nothing more is wanted of it now, for connections that are still at work.
    pub(super) is_stopped: AtomicBool,
    /// Whether it may be slower than the least speed, as there is nobody else.
    pub(super) may_be_slow: AtomicBool,
    /// All bytes that came from it.
    pub(super) heard: AtomicU64,
    /// What it shares with other downloads.
    pub(super) line: Line,
}

/// What to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedRange {
    pub(super) from: u64,
    /// Behind the last one.
    pub(super) to: u64,
    /// Whether what is there already came from the same file, so that another one is of no use.
    pub(super) same_file: bool,
}

/// An answer whose body is to be read.
pub(super) struct OpenBody {
    pub(super) response: Response,
    pub(super) body: AnswerBody,
}

/// A request that brought nothing to read.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) error: AttemptError,
    /// Whether a redirect led to the address that failed.
    pub(super) is_redirected: bool,
    /// Since when it failed.
    pub(super) since: Instant,
}

impl FailedAttempt {
    /// One that failed just now, at the address that was named.
    pub(super) fn of(error: AttemptError) -> Self {
        Self { error, is_redirected: false, since: Instant::now() }
    }
}

impl SourceClient {
    /// From an order; none for a kind that is not known here, and for the hub where there is none.
    pub(super) fn new(source: &AssetSource, allowed: Allowed, hub: Option<&HubApi>, lines: &Lines) -> Option<Self> {
        let origin = match source {
            AssetSource::Public { url, bearer } => match WebUrl::parse(url, allowed) {
                Ok(url) => Origin::Public { url, bearer: bearer.clone() },
                Err(why) => Origin::Nowhere { name: harmless(url), why },
            },
            AssetSource::Hub => Origin::Hub(hub?.clone()),
            AssetSource::Unknown => return None,
        };
        let line = lines.to(site(&origin));
        Some(Self {
            origin,
            allowed,
            resolved: Mutex::default(),
            etag: Mutex::default(),
            verified: AtomicU64::new(0),
            wasted: AtomicU64::new(0),
            is_whole: AtomicBool::new(false),
            has_changed: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            may_be_slow: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            line,
        })
    }

    /// Why its address may not be used, if so.
    pub(super) const fn address_error(&self) -> Option<UrlError> {
        match &self.origin {
            Origin::Nowhere { why, .. } => Some(*why),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> String {
        match &self.origin {
            Origin::Public { url, .. } => url.to_string(),
            Origin::Hub(_) => "hub".to_owned(),
            Origin::Nowhere { name, .. } => name.clone(),
        }
    }

    /// Whom it is asked of, whatever the path.
    pub(super) fn site(&self) -> String {
        site(&self.origin)
    }

    pub(super) const fn is_hub(&self) -> bool {
        matches!(self.origin, Origin::Hub(_))
    }

    /// Forgets where redirects ended.
    pub(super) fn forget_redirect(&self) {
        *self.resolved.lock() = None;
    }

    /// Forgets which file it had.
    pub(super) fn forget_file(&self) {
        *self.etag.lock() = None;
        self.has_changed.store(false, Ordering::Relaxed);
    }

    /// Asks for a part and judges the head of the answer. `patience` bounds each wait for an answer.
    pub(super) async fn open_range(
        &self,
        download: &Download,
        wanted: WantedRange,
        patience: Duration,
    ) -> Result<OpenBody, FailedAttempt> {
        let since = Instant::now();
        let plain = |error| FailedAttempt { error, is_redirected: false, since };
        match &self.origin {
            Origin::Hub(hub) => self.open_hub(download, hub, wanted, patience).await.map_err(plain),
            Origin::Public { url, bearer } => self.open_public(download, url, bearer.as_ref(), wanted, patience).await,
            Origin::Nowhere { why, .. } => Err(plain(address_refused(*why))),
        }
    }

    async fn open_public(
        &self,
        download: &Download,
        url: &WebUrl,
        token: Option<&Bearer>,
        wanted: WantedRange,
        patience: Duration,
    ) -> Result<OpenBody, FailedAttempt> {
        let since = Instant::now();
        let known = self.resolved.lock().clone();
        let mut is_redirected = known.is_some();
        let mut here = known.unwrap_or_else(|| url.clone());
        for _ in 0..=MAX_REDIRECTS {
            let wrong = |error| FailedAttempt { error, is_redirected, since };
            download.tools.http.judge(&here, self.allowed).await.map_err(address_refused).map_err(wrong)?;
            let request = download
                .tools
                .http
                .get(&here, self.allowed)
                .map_err(|error| wrong(AttemptError::last("tls", error.to_string())))?;
            let mut request = self.with_range(download, request, wanted);
            let token = token.filter(|token| here.may_see_token_of(&token.host));
            if let Some(value) = token.and_then(|token| bearer(token.token.expose())) {
                request = request.header(AUTHORIZATION, value);
            }
            let response = send(request, patience).await.map_err(wrong)?;
            if !is_redirect(&response) {
                let opened = self.judge_response(download, response, wanted).map_err(wrong)?;
                if is_redirected {
                    *self.resolved.lock() = Some(here);
                }
                return Ok(opened);
            }
            here = next_address(&here, &response, self.allowed).map_err(wrong)?;
            is_redirected = true;
        }
        let error = AttemptError::last("redirects", format!("it redirects more than {MAX_REDIRECTS} times"));
        Err(FailedAttempt { error, is_redirected: false, since })
    }

    async fn open_hub(
        &self,
        download: &Download,
        hub: &HubApi,
        wanted: WantedRange,
        patience: Duration,
    ) -> Result<OpenBody, AttemptError> {
        let Some(content) = download.order.expected.blake3() else {
            return Err(AttemptError::last("not_found", "the hub knows contents by their BLAKE3 only"));
        };
        let request = self.with_range(download, hub.blob(&content), wanted);
        let response = send(request, patience).await.map_err(waited_for)?;
        let status = response.status();
        if status.is_success() || status.as_u16() == 416 {
            // A page in place of the file is a proxy's.
            return self.judge_response(download, response, wanted).map_err(waited_for);
        }
        Err(match refusal_of(response).await {
            HubError::Refused(refusal) => AttemptError::of_refusal(refusal),
            other => waited_for(AttemptError::retry("unavailable", other.to_string())),
        })
    }

    fn with_range(&self, download: &Download, mut request: RequestBuilder, wanted: WantedRange) -> RequestBuilder {
        let is_part = wanted.from > 0 || wanted.to < download.order.size_bytes;
        if is_part && !self.is_whole.load(Ordering::Relaxed) {
            request = request.header(RANGE, format!("bytes={}-{}", wanted.from, wanted.to - 1));
            // Where every group is verified, another file is noticed anyway, and mirrors whose machines have
            // tags of their own would only send the whole again and again.
            if wanted.same_file
                && let Some(etag) = strong(self.etag.lock().as_deref())
            {
                request = request.header(IF_RANGE, etag);
            }
        }
        request
    }

    fn judge_response(
        &self,
        download: &Download,
        response: Response,
        wanted: WantedRange,
    ) -> Result<OpenBody, AttemptError> {
        let head = head_of(&response);
        let from = if self.is_whole.load(Ordering::Relaxed) { 0 } else { wanted.from };
        let asked = AskedRange { from, size_bytes: download.order.size_bytes, name: download.order.dest.name() };
        let body = judge_answer(asked, &head)?;
        let mut known = self.etag.lock();
        if let Some(etag) = head.etag {
            if known.as_ref().is_some_and(|known| *known != etag) {
                self.has_changed.store(true, Ordering::Relaxed);
                if wanted.same_file {
                    return Err(AttemptError::retry("changed", "its file is another one than before"));
                }
            } else {
                *known = Some(etag);
            }
        }
        drop(known);
        Ok(OpenBody { response, body })
    }
}

/// Whatever happens on the way to the hub is waited for: the computer it runs on may be starting anew.
pub(super) fn waited_for(error: AttemptError) -> AttemptError {
    if matches!(error.consequence, Consequence::Retry | Consequence::Slow) {
        AttemptError { consequence: Consequence::OutOfReach, ..error }
    } else {
        error
    }
}

async fn send(request: RequestBuilder, patience: Duration) -> Result<Response, AttemptError> {
    match tokio::time::timeout(patience, request.send()).await {
        Ok(answer) => answer.map_err(|error| HttpFailure::of(error).into()),
        Err(_) => Err(AttemptError::stalled(format!("no answer for {} s", patience.as_secs()))),
    }
}

/// An address that may not be used, as far as it can be shown: without name, password and query.
fn harmless(text: &str) -> String {
    let Ok(url) = url::Url::parse(text) else { return "an unreadable address".to_owned() };
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// What it means that an address may not be used.
pub(super) fn address_refused(why: UrlError) -> AttemptError {
    let code = match why {
        UrlError::Private | UrlError::Never | UrlError::PlainToPublic => "private_address",
        _ => "address",
    };
    AttemptError::last(code, format!("its address is not used: {why}"))
}

fn next_address(here: &WebUrl, response: &Response, allowed: Allowed) -> Result<WebUrl, AttemptError> {
    let location = response.headers().get(LOCATION);
    let location = location.ok_or_else(|| AttemptError::last("redirects", "it redirects without saying where"))?;
    here.join(&readable(location.as_bytes()), allowed).map_err(address_refused)
}

/// An address as a header has it. Some sites write names in it as they are, in UTF-8 or whatever they have.
fn readable(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(
        |_| {
            let escape =
                |byte: &u8| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
            bytes.iter().map(escape).collect()
        },
        str::to_owned,
    )
}

/// Whom an address belongs to.
pub(super) fn site_of(url: &WebUrl) -> String {
    format!("{}:{}", url.host(), url.port())
}

fn site(origin: &Origin) -> String {
    match origin {
        Origin::Public { url, .. } => site_of(url),
        Origin::Hub(_) => "hub".to_owned(),
        Origin::Nowhere { name, .. } => name.clone(),
    }
}

fn head_of(response: &Response) -> AnswerHead {
    let text = |name| header_text(response, name).map(str::to_owned);
    // What stands in several lines is one list.
    let all = |name: &str| {
        let lines: Vec<&str> = response.headers().get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    };
    AnswerHead {
        status: response.status().as_u16(),
        content_range: text(header::CONTENT_RANGE),
        content_length: header_number(response, header::CONTENT_LENGTH),
        content_type: text(header::CONTENT_TYPE),
        content_encoding: all(header::CONTENT_ENCODING.as_str()),
        etag: text(header::ETAG),
        wait: wait_asked_for(all, SystemTime::now()),
        is_used_up: is_used_up(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_redirect_leads_is_read_as_it_is_written() {
        assert_eq!(readable("/models/größe.safetensors?x=%20".as_bytes()), "/models/größe.safetensors?x=%20");
        assert_eq!(readable(b"/models/gr\xf6\xdfe"), "/models/gr%F6%DFe");
    }
}
