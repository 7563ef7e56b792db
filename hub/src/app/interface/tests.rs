//! The listener as raw sockets see it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may unwrap")]

use std::net::Ipv4Addr;

use axum::routing::any;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;

const SHORT: Duration = Duration::from_millis(800);

async fn connect() -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let handle = Handle::new();
    let routes = Router::new().route("/", any(async |body: String| format!("got {}", body.len())));
    serve_with(listener, handle.clone(), routes, SHORT).unwrap();
    TcpStream::connect(handle.listening().await.unwrap()).await.unwrap()
}

/// What comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    timeout(Duration::from_mins(1), stream.read_to_end(&mut bytes)).await.unwrap().ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn http2_is_not_spoken() {
    let mut known = connect().await;
    known.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let answer = rest(&mut known).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    let mut upgraded = connect().await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
        http2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    upgraded.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut upgraded).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn who_never_ends_its_headers_is_cut() {
    let began = Instant::now();
    let silent = async { rest(&mut connect().await).await };
    let slow = async {
        let mut stream = connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        // A header every now and then keeps nothing alive.
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if stream.write_all(b"x-more: 1\r\n").await.is_err() {
                break;
            }
            assert!(began.elapsed() < SHORT * 8, "still open");
        }
    };
    let second = async {
        let mut stream = connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT").await.unwrap();
        rest(&mut stream).await
    };
    let (_, (), answered) = tokio::join!(silent, slow, second);
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered:?}");
    assert!(began.elapsed() < SHORT * 8, "{:?}", began.elapsed());
}
