//! A web site with one file at many addresses, each of which is bad in its own way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};

/// Bytes of one piece of a body.
const PIECE: usize = 64 << 10;

struct Served {
    content: Bytes,
    n_requests: AtomicUsize,
}

/// A running site.
pub(super) struct Site {
    address: SocketAddr,
    // Dropped with the site: that ends it.
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    pub(super) fn start(content: &[u8]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let served = Served { content: Bytes::copy_from_slice(content), n_requests: AtomicUsize::new(0) };
        let app = Router::new().route("/{fault}/{*name}", axum::routing::get(answer)).with_state(Arc::new(served));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, _runtime: runtime })
    }

    pub(super) fn url(&self, fault: &str) -> String {
        format!("http://{}/{fault}/a.safetensors", self.address)
    }
}

async fn answer(
    State(served): State<Arc<Served>>,
    Path((fault, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let n = served.n_requests.fetch_add(1, Ordering::SeqCst);
    let content = served.content.clone();
    let from = range(&headers);
    match fault.as_str() {
        "gone" => (StatusCode::NOT_FOUND, "gone").into_response(),
        "page" => ([(header::CONTENT_TYPE, "text/html")], "<html>Please accept our terms</html>").into_response(),
        "busy" if n == 0 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "").into_response(),
        "whole" => part(&content, None, "\"a\"", Ending::Whole),
        "liar" => part(&lies(&content), from, "\"a\"", Ending::Whole),
        "short" => part(&content, from, "\"a\"", Ending::Breaks(content.len() / 5)),
        "silent" => part(&content, from, "\"a\"", Ending::Stalls(PIECE / 16)),
        // The second time it is another file of the same length, and says so.
        "fickle" if n == 0 => part(&content, from, "\"a\"", Ending::Breaks(content.len() / 3)),
        "fickle" => part(&lies(&content), from, "\"b\"", Ending::Whole),
        // An address that was signed for a while: it breaks off, and is forbidden from then on.
        "expiring" => {
            let to = format!("/signed/{n}?signature=hidden");
            (StatusCode::FOUND, [(header::LOCATION, to)], "").into_response()
        }
        "signed" if name == "0" && n <= 1 => part(&content, from, "\"a\"", Ending::Breaks(content.len() / 2)),
        "signed" if name == "0" => (StatusCode::FORBIDDEN, "expired").into_response(),
        "busy" | "signed" => part(&content, from, "\"a\"", Ending::Whole),
        _ => (StatusCode::NOT_FOUND, "nothing").into_response(),
    }
}

#[derive(Clone, Copy)]
enum Ending {
    Whole,
    Breaks(usize),
    Stalls(usize),
}

/// The same length, with other bytes here and there.
fn lies(content: &Bytes) -> Bytes {
    content.iter().enumerate().map(|(i, byte)| if i % 4096 == 0 { byte ^ 1 } else { *byte }).collect()
}

fn range(headers: &HeaderMap) -> Option<(usize, Option<usize>)> {
    let (first, last) = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()))
}

fn part(content: &Bytes, asked: Option<(usize, Option<usize>)>, tag: &str, ending: Ending) -> Response {
    let total = content.len();
    let (from, to) = asked.map_or((0, total), |(from, last)| (from, last.map_or(total, |last| (last + 1).min(total))));
    if from >= total {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let bytes = content.slice(from..to);
    let says = [(header::ETAG, tag.to_owned()), (header::CONTENT_LENGTH, bytes.len().to_string())];
    let status = if asked.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, says, body(&bytes, ending)).into_response();
    if asked.is_some() {
        let content_range = format!("bytes {from}-{}/{total}", to - 1);
        if let Ok(value) = content_range.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    response
}

fn body(bytes: &Bytes, ending: Ending) -> Body {
    let pieces = |bytes: &Bytes| -> Vec<Result<Bytes, std::io::Error>> {
        bytes.chunks(PIECE).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
    };
    match ending {
        Ending::Whole => Body::from_stream(stream::iter(pieces(bytes))),
        Ending::Breaks(after) => {
            let mut some = pieces(&bytes.slice(..after.min(bytes.len())));
            some.push(Err(std::io::Error::other("the line broke")));
            Body::from_stream(stream::iter(some))
        }
        Ending::Stalls(after) => {
            let some = pieces(&bytes.slice(..after.min(bytes.len())));
            Body::from_stream(stream::iter(some).chain(stream::pending()))
        }
    }
}
