//! A site in this process that models are downloaded from.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// What a site was asked.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) range: Option<(usize, Option<usize>)>,
}

impl Heard {
    fn of(request: &Request) -> Self {
        let range = |headers: &HeaderMap| {
            let (first, last) = headers.get("range")?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()))
        };
        Self { range: range(request.headers()) }
    }

    pub(super) fn is_look(&self) -> bool {
        self.range == Some((0, Some(0)))
    }
}

/// A site that answers by a function.
pub(super) struct Site {
    pub(super) base: String,
    pub(super) heard: Arc<Mutex<Vec<Heard>>>,
}

impl Site {
    pub(super) async fn start(script: impl Fn(&Heard) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (script, told) = (Arc::new(script), Arc::clone(&heard));
        let app = Router::new().fallback(move |request: Request| {
            let (script, told) = (Arc::clone(&script), Arc::clone(&told));
            async move {
                let heard = Heard::of(&request);
                told.lock().push(heard.clone());
                script(&heard)
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, heard }
    }

    /// A site of one file, whatever the path, that tells its SHA-256 or does not.
    pub(super) async fn of(content: Vec<u8>, tells: bool) -> Self {
        Self::start(move |heard| file(&content, heard, tells.then(|| sha256(&content)))).await
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

pub(super) fn sha256(content: &[u8]) -> String {
    shared_protocol::Sha256::from_bytes(Sha256::digest(content).into()).to_hex()
}

pub(super) fn blake3_of(content: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(content).to_hex())
}

/// The part of a file that is asked for.
pub(super) fn file(content: &[u8], heard: &Heard, sha256: Option<String>) -> Response {
    let (from, last) = heard.range.unwrap_or((0, None));
    let end = last.map_or(content.len(), |last| (last + 1).min(content.len()));
    let mut answer = Response::builder().header("content-type", "application/octet-stream");
    if let Some(sha256) = sha256 {
        answer = answer.header("x-linked-etag", format!("\"{sha256}\""));
    }
    if heard.range.is_some() {
        let range = format!("bytes {from}-{}/{}", end - 1, content.len());
        answer = answer.status(206).header("content-range", range);
    }
    answer.body(Body::from(content[from..end].to_vec())).unwrap()
}

pub(super) fn status(status: u16) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

pub(super) fn noise(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Sends a file up to a place, and then nothing.
pub(super) fn stalling(content: &[u8], heard: &Heard, until: usize) -> Response {
    let whole = file(content, heard, Some(sha256(content)));
    if heard.is_look() {
        return whole;
    }
    let (parts, _) = whole.into_parts();
    let from = heard.range.map_or(0, |(from, _)| from);
    let beginning = content[from..until.max(from)].to_vec();
    let rest = stream::pending::<Result<Vec<u8>, std::convert::Infallible>>();
    let chunks = stream::StreamExt::chain(stream::iter([Ok(beginning)]), rest);
    Response::from_parts(parts, Body::from_stream(chunks))
}
