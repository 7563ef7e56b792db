//! What all stand-ins have in common: a server that asks a function for each answer and keeps what it heard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;

/// Bytes of a body that are taken. Ten thousand digests are less than one.
const MAX_BODY: usize = 4 << 20;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// The path as it was sent, encoded.
    pub path: String,
    /// What stands behind `?`.
    pub query: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parts of the path, encoded as they came.
    pub fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// A value of the query, as it was sent.
    pub fn queried(&self, name: &str) -> Option<&str> {
        self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, v)| v)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The first and the last byte that are asked for.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()))
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body; of `HEAD` it is left out.
    pub body: Vec<u8>,
}

impl Reply {
    /// A status, and nothing else.
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..Self::status(status) }.with("content-type", "application/json")
    }

    /// A page for people.
    pub fn page(status: u16, text: &str) -> Self {
        let body = format!("<!DOCTYPE html><html><body>{text}</body></html>").into_bytes();
        Self { body, ..Self::status(status) }.with("content-type", "text/html; charset=utf-8")
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).with("location", to)
    }

    /// A file, or the part of it that is asked for.
    pub fn file(bytes: &[u8], heard: &Heard) -> Self {
        let total = bytes.len();
        let Some((first, last)) = heard.range() else {
            return Self { body: bytes.to_vec(), ..Self::status(200) }.with("accept-ranges", "bytes").binary();
        };
        let end = last.map_or(total, |last| last.saturating_add(1).min(total));
        let Some(part) = bytes.get(first..end).filter(|part| !part.is_empty()) else {
            return Self::status(416).with("content-range", &format!("bytes */{total}"));
        };
        let range = format!("bytes {first}-{}/{total}", end - 1);
        Self { body: part.to_vec(), ..Self::status(206) }.with("content-range", &range).binary()
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn binary(self) -> Self {
        self.with("content-type", "application/octet-stream")
    }
}

/// How a site says that it was asked too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// 429 and nothing else.
    Bare,
    /// 429 with `Retry-After` in seconds.
    RetryAfter(u64),
    /// 429 with Hugging Face's `RateLimit`: seconds until the window is over.
    Window(u64),
}

type Script = Box<dyn Fn(&Heard) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    heard: Mutex<Vec<Heard>>,
    limited: Mutex<(usize, Option<Limit>)>,
    pause: Mutex<Duration>,
    now: AtomicUsize,
    most_at_once: AtomicUsize,
}

/// A running server; it stops when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Dropped with the server: that ends it.
    _runtime: tokio::runtime::Runtime,
}

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StandIn({})", self.address)
    }
}

impl StandIn {
    /// Answers every request by this function.
    pub fn start(script: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).context("cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Box::new(script),
            heard: Mutex::default(),
            limited: Mutex::default(),
            pause: Mutex::default(),
            now: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, shared, _runtime: runtime })
    }

    /// Its address without a path.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that it was asked.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().clone()
    }

    /// How often it was asked.
    pub fn n_requests(&self) -> usize {
        self.shared.heard.lock().len()
    }

    /// Every `Authorization` that it was sent.
    pub fn authorizations(&self) -> Vec<String> {
        self.heard().iter().filter_map(|heard| heard.header("authorization").map(str::to_owned)).collect()
    }

    /// Whether a text was anywhere in what it was sent: address, headers or body.
    pub fn has_heard(&self, text: &str) -> bool {
        let is_in = |heard: &Heard| {
            let told = [heard.path.as_str(), heard.query.as_str()].into_iter();
            told.chain(heard.headers.iter().map(|(_, value)| value.as_str())).any(|told| told.contains(text))
                || String::from_utf8_lossy(&heard.body).contains(text)
        };
        self.heard().iter().any(is_in)
    }

    /// The most requests that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::SeqCst)
    }

    /// Answers the next so many requests with 429.
    pub fn limit(&self, n_requests: usize, how: Limit) {
        *self.shared.limited.lock() = (n_requests, Some(how));
    }

    /// Takes so long for each answer from now on.
    pub fn pause(&self, each: Duration) {
        *self.shared.pause.lock() = each;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_at_once.fetch_max(now, Ordering::SeqCst);
    let heard = hear(request).await;
    let pause = *shared.pause.lock();
    tokio::time::sleep(pause).await;
    let reply = limited(&shared).unwrap_or_else(|| (shared.script)(&heard));
    let is_head = heard.method == "HEAD";
    shared.heard.lock().push(heard);
    shared.now.fetch_sub(1, Ordering::SeqCst);
    response(reply, is_head)
}

async fn hear(request: Request) -> Heard {
    let (head, body) = request.into_parts();
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Heard {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(header).collect(),
        body: to_bytes(body, MAX_BODY).await.unwrap_or_default().to_vec(),
    }
}

fn limited(shared: &Shared) -> Option<Reply> {
    let mut limited = shared.limited.lock();
    let (left, Some(how)) = *limited else { return None };
    *limited = (left.checked_sub(1)?, Some(how));
    let refused = Reply::json(429, &serde_json::json!({ "error": "Too many requests" }));
    Some(match how {
        Limit::Bare => refused,
        Limit::RetryAfter(seconds) => refused.with("retry-after", &seconds.to_string()),
        Limit::Window(seconds) => refused
            .with("ratelimit", &format!("\"api\";r=0;t={seconds}"))
            .with("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300"),
    })
}

fn response(reply: Reply, is_head: bool) -> Response {
    let length = reply.body.len();
    let mut response = Response::new(if is_head { Body::empty() } else { Body::from(reply.body) });
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    if is_head {
        response.headers_mut().insert("content-length", HeaderValue::from(length));
    }
    response
}
