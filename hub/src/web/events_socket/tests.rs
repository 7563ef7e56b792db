//! Clients that listen, that don't, and the end of the hub.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may unwrap")]

use std::collections::HashMap;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::extract::ws::close_code;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Error};

use super::*;
use crate::domain::root::Root;
use crate::services::{Event, Services};
use crate::web::state::MAX_EVENT_CLIENTS;
use crate::web::test_hub::TestHub;
use crate::web::{LaunchToken, WebState, router};

type Client = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A hub that really listens.
struct Listening {
    state: WebState,
    port: u16,
}

impl Listening {
    async fn new() -> Self {
        let hub = TestHub::bare().await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = WebState::new(
            Services::clone(&hub.state.services),
            LaunchToken::new().unwrap(),
            port,
            hub.state.tasks.clone(),
        );
        let server = axum_server::from_tcp(listener).unwrap().serve(router(state.clone()).into_make_service());
        tokio::spawn(server);
        Self { state, port }
    }

    async fn open(&self, origin: Option<&str>) -> Result<Client, Error> {
        let mut request = format!("ws://127.0.0.1:{}/ws/events", self.port).into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        Ok(tokio_tungstenite::connect_async(request).await?.0)
    }
}

/// The next message; pings are skipped.
async fn next(client: &mut Client) -> Value {
    loop {
        match timeout(Duration::from_secs(10), client.next()).await.unwrap().unwrap().unwrap() {
            tungstenite::Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            tungstenite::Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_changes() {
    let hub = Listening::new().await;
    let mut client = hub.open(None).await.unwrap();
    let first = next(&mut client).await;
    assert_eq!(first["type"], "snapshot");
    assert!(first["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(first["roots"]["lake"]["configured"], false);
    assert_eq!(first["scan"], Value::Null);

    hub.state.services.events.send(Event::IndexChanged(Root::Lake));
    let change = next(&mut client).await;
    assert_eq!((&change["type"], &change["root"]), (&"index".into(), &"lake".into()));
    hub.state.services.events.send(Event::ScanChanged(crate::domain::ids::BackgroundJobId(77)));
    let change = next(&mut client).await;
    assert_eq!((&change["type"], &change["id"], &change["scan"]), (&"scan".into(), &77.into(), &Value::Null));
}

#[tokio::test]
async fn no_thing_is_told_of_more_than_four_times_a_second() {
    let hub = Listening::new().await;
    let mut client = hub.open(None).await.unwrap();
    next(&mut client).await;
    let begin = Instant::now();
    let mut told: HashMap<String, u32> = HashMap::new();
    while begin.elapsed() < Duration::from_millis(1_100) {
        for _ in 0..20 {
            hub.state.services.events.send(Event::PairsChanged);
            hub.state.services.events.send(Event::HistoryAdded);
        }
        if let Ok(message) = timeout(Duration::from_millis(5), next(&mut client)).await {
            *told.entry(message["type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    for kind in ["diff", "history"] {
        assert!((2..=5).contains(&told[kind]), "{told:?}");
    }
}

#[tokio::test]
async fn other_sites_hear_nothing_and_we_do() {
    let hub = Listening::new().await;
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        match hub.open(Some(origin)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{origin}"),
            other => panic!("{origin}: {other:?}"),
        }
    }
    let own = format!("http://127.0.0.1:{}", hub.port);
    assert_eq!(next(&mut hub.open(Some(&own)).await.unwrap()).await["type"], "snapshot");
}

#[tokio::test]
async fn the_end_of_the_hub_waits_for_its_farewell() {
    let hub = Listening::new().await;
    let mut client = hub.open(None).await.unwrap();
    next(&mut client).await;
    let tasks = hub.state.tasks.clone();
    let end = tokio::spawn(async move { tasks.shut_down(Duration::from_secs(5)).await });
    let frame = loop {
        if let tungstenite::Message::Close(frame) = client.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(frame.code, CloseCode::Restart);
    assert!(end.await.unwrap(), "the socket's task was joined");
}

#[tokio::test]
async fn clients_have_a_limit() {
    let hub = Listening::new().await;
    let mut clients = Vec::new();
    for _ in 0..MAX_EVENT_CLIENTS {
        clients.push(hub.open(None).await.unwrap());
    }
    match hub.open(None).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{other:?}"),
    }
    drop(clients.pop());
    for _ in 0..500 {
        if hub.open(None).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a place was never free again");
}

/// A client that takes so many frames and then no more, until it hears a close.
struct Stuck {
    takes: usize,
    closed: Arc<Mutex<Option<u16>>>,
}

impl Sink<Frame> for Stuck {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), axum::Error> {
        if let Frame::Close(frame) = &frame {
            *self.closed.lock().unwrap() = frame.as_ref().map(|frame| frame.code);
        }
        self.takes = self.takes.saturating_sub(1);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.takes > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Stuck {
    type Item = Result<Frame, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_to_come_back_and_dropped() {
    let hub = TestHub::bare().await;
    let closed = Arc::default();
    let stuck = Stuck { takes: 3, closed: Arc::clone(&closed) };
    let events = hub.state.services.events.clone();
    tokio::spawn(async move {
        loop {
            events.send(Event::PairsChanged);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let token = CancellationToken::new();
    let end = timeout(Duration::from_secs(20), serve(stuck, &hub.state, &token, Duration::from_millis(50))).await;
    assert_eq!(end.unwrap(), SocketEnd::TooSlow);
    assert_eq!(*closed.lock().unwrap(), Some(close_code::AGAIN));
}
