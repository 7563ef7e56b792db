//! A server of one file that misbehaves as it is told: what proxies, mirrors and expired addresses do.
//!
//! It speaks HTTP/1.1 by hand, because a library would not let it do what must be survived. Every
//! request is noted, so that a test can see what was asked and with which headers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How to answer one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As one should.
    None,
    /// The whole file with 200, whatever range was asked for.
    IgnoreRange,
    /// 206 that begins so many bytes early.
    StartEarly(u64),
    /// 206 that begins behind what was asked for.
    StartLate(u64),
    /// The body ends after so many bytes, though more were promised.
    Truncate(u64),
    /// After so many bytes of the body nothing comes any more.
    Stall(u64),
    /// No answer at all.
    Silence,
    /// The connection is closed without an answer.
    Hangup,
    /// From this place of the file on, all bytes are wrong.
    LieFrom(u64),
    /// The total is told too large by this.
    WrongTotal(u64),
    /// A status, with a header or none.
    Status(u16, Option<(&'static str, String)>),
    /// A page of HTML with 200.
    Page,
    /// The body is called gzip.
    Gzip,
    /// A byte at a time.
    Slice,
    /// Another entity tag, and other bytes.
    Changed,
    /// So many bytes at a time, then a rest of as many milliseconds.
    Slow(usize, u64),
    /// As one should, with one more line in the head.
    With(&'static str),
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) target: String,
    /// The first byte asked for.
    pub(crate) from: Option<u64>,
    /// All header lines, in lower case.
    pub(crate) headers: Vec<String>,
}

type Script = Box<dyn Fn(usize, &Seen) -> Fault + Send + Sync>;

struct Shared {
    content: Arc<Vec<u8>>,
    script: Script,
    n_requests: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    hold: watch::Sender<u64>,
}

/// The server; it stops when it is dropped.
pub(crate) struct Upstream {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Serves a content. The script is asked for every request, which are counted from 0.
    pub(crate) async fn start(
        content: Arc<Vec<u8>>,
        script: impl Fn(usize, &Seen) -> Fault + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            content,
            script: Box::new(script),
            n_requests: AtomicUsize::new(0),
            seen: Mutex::default(),
            hold: watch::Sender::new(u64::MAX),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // A connection that broke is what most of this is about.
                connections.spawn(async move { drop(serve(stream, &shared).await) });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, shared, task })
    }

    /// The port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// From this place of the file on nothing is sent, until another place is told.
    pub(crate) fn hold_from(&self, place: u64) {
        self.shared.hold.send_replace(place);
    }

    /// What was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let mut more = [0; 4096];
            let n = stream.read(&mut more).await?;
            if n == 0 {
                return Ok(());
            }
            buffer.extend_from_slice(&more[..n]);
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let seen = read_head(&head);
        let number = shared.n_requests.fetch_add(1, Ordering::SeqCst);
        let fault = (shared.script)(number, &seen);
        let last = range_end(&head).unwrap_or(u64::MAX);
        shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
        if !answer(&mut stream, shared, &seen, last, fault).await? {
            return stream.shutdown().await;
        }
    }
}

fn read_head(head: &str) -> Seen {
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: Vec<String> = lines.map(str::to_lowercase).filter(|line| !line.is_empty()).collect();
    let range = headers.iter().find_map(|line| line.strip_prefix("range: bytes="));
    let from = range.and_then(|range| range.split('-').next()).and_then(|first| first.parse().ok());
    Seen { target, from, headers }
}

fn range_end(head: &str) -> Option<u64> {
    let head = head.to_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="))?;
    range.split('-').nth(1)?.trim().parse::<u64>().ok().map(|last| last + 1)
}

/// Answers one request; whether the connection goes on.
async fn answer(stream: &mut TcpStream, shared: &Shared, seen: &Seen, to: u64, fault: Fault) -> std::io::Result<bool> {
    let size = shared.content.len() as u64;
    let asked = seen.from.filter(|_| fault != Fault::IgnoreRange);
    let start = match (asked.unwrap_or(0), &fault) {
        (from, Fault::StartEarly(by)) => from.saturating_sub(*by),
        (from, Fault::StartLate(by)) => from + by,
        (from, _) => from,
    };
    let end = if asked.is_some() { to.min(size) } else { size };
    let total = if let Fault::WrongTotal(by) = fault { size + by } else { size };
    let small = |status: u16, header: &str, body: &str| {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{header}\r\n{body}", body.len())
    };
    match &fault {
        Fault::Silence => return std::future::pending().await,
        Fault::Hangup => return Ok(false),
        Fault::Status(status, header) => {
            let header = header.as_ref().map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
            stream.write_all(small(*status, &header, "").as_bytes()).await?;
            return Ok(true);
        }
        Fault::Page => {
            let page = small(200, "Content-Type: text/html\r\n", "<html>Please log in</html>");
            stream.write_all(page.as_bytes()).await?;
            return Ok(true);
        }
        _ if start >= size && size > 0 => {
            stream.write_all(small(416, "", "").as_bytes()).await?;
            return Ok(true);
        }
        _ => {}
    }
    let first = match asked {
        Some(_) => format!("HTTP/1.1 206 X\r\nContent-Range: bytes {start}-{}/{total}\r\n", end - 1),
        None => "HTTP/1.1 200 X\r\n".to_owned(),
    };
    let promised = if asked.is_none() { end - start + (total - size) } else { end - start };
    let mut head = format!("{first}Content-Length: {promised}\r\n");
    if let Fault::With(line) = fault {
        head.push_str(line);
        head.push_str("\r\n");
    }
    if !head.contains("Content-Type") {
        head.push_str("Content-Type: application/octet-stream\r\n");
    }
    head.push_str(if fault == Fault::Changed { "ETag: \"v2\"\r\n" } else { "ETag: \"v1\"\r\n" });
    if fault == Fault::Gzip {
        head.push_str("Content-Encoding: gzip\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    body(stream, shared, start, end, &fault).await
}

async fn body(stream: &mut TcpStream, shared: &Shared, start: u64, end: u64, fault: &Fault) -> std::io::Result<bool> {
    let step = match fault {
        Fault::Slice => 1,
        Fault::Slow(n_bytes, _) => *n_bytes,
        _ => 64 << 10,
    };
    let mut at = start;
    while at < end {
        let sent = at - start;
        let mut until = end.min(at + step as u64);
        // The sender lives as long as the server.
        let hold = shared.hold.subscribe().wait_for(|hold| at < *hold).await.map_or(u64::MAX, |hold| *hold);
        until = until.min(hold);
        if let Fault::Truncate(after) | Fault::Stall(after) = fault {
            until = until.min(start + after);
        }
        let (Ok(from), Ok(to)) = (usize::try_from(at), usize::try_from(until)) else { return Ok(false) };
        let mut bytes = shared.content[from..to].to_vec();
        match fault {
            Fault::LieFrom(place) => {
                for (byte, _) in bytes.iter_mut().zip(at..).filter(|(_, at)| at >= place) {
                    *byte ^= 0x55;
                }
            }
            Fault::Changed => bytes.iter_mut().for_each(|byte| *byte ^= 0xaa),
            _ => {}
        }
        stream.write_all(&bytes).await?;
        at = until;
        match fault {
            Fault::Truncate(after) if sent >= *after || at - start >= *after => return Ok(false),
            Fault::Stall(after) if at - start >= *after => return std::future::pending().await,
            Fault::Slow(_, rest) => tokio::time::sleep(Duration::from_millis(*rest)).await,
            _ => {}
        }
    }
    Ok(true)
}
