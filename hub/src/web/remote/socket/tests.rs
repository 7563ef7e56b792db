//! The control channel over a real connection.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::super::{RemoteState, router};
use crate::services::{Services, Tasks};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Hub {
    services: Services,
    tasks: Tasks,
    address: std::net::SocketAddr,
    key: String,
}

async fn hub() -> Hub {
    let tasks = Tasks::new();
    let services = Services::for_tests(&tasks).await;
    let base = [("remote_base_url".to_owned(), Some("http://127.0.0.1:1".to_owned()))];
    services.save_settings(base.into(), &tasks).await.unwrap();
    let key = services.remote.sessions.create(None).await.unwrap().key;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state = RemoteState { services: services.clone(), tasks: tasks.clone() };
    tokio::spawn(async move { axum::serve(listener, router(state)).await });
    Hub { services, tasks, address, key }
}

impl Hub {
    async fn open(&self, protocol: Option<&str>) -> Result<Socket, u16> {
        let mut request = format!("ws://{}/remote/v1/ws", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", self.key).parse().unwrap());
        if let Some(protocol) = protocol {
            headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn say(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next frame that is no ping, or the code that the hub closed with.
async fn next(socket: &mut Socket) -> Result<Value, u16> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame.get("t").unwrap() != "ping" {
                    return Ok(frame);
                }
            }
            Message::Close(close) => return Err(close.unwrap().code.into()),
            _ => {}
        }
    }
}

fn hello() -> Value {
    json!({ "t": "hello", "seq": 1, "ack": 0, "d": {
        "proto_min": 1, "proto_max": 1, "agent_version": "0.1.0", "agent_id": uuid::Uuid::new_v4(),
        "boot_id": uuid::Uuid::new_v4(), "last_in_seq": 0, "slots": 1, "active": [], "unacked_results": [],
        "facts": { "os": "Linux", "arch": "x86_64", "gpus": [], "roots": [] }
    }})
}

#[tokio::test]
async fn a_session_is_spoken_in_and_its_end_closes_the_socket() {
    let hub = hub().await;
    let mut socket = hub.open(Some("hub-agent.v1")).await.unwrap();
    say(&mut socket, hello()).await;
    assert_eq!(next(&mut socket).await.unwrap().get("t").unwrap(), "welcome");
    say(&mut socket, json!({ "t": "ping", "ack": 1, "d": { "n": 7 } })).await;
    assert_eq!(next(&mut socket).await.unwrap().pointer("/d/n").unwrap(), 7);
    hub.services.remote.sessions.revoke().await.unwrap();
    let refused = next(&mut socket).await.unwrap();
    assert_eq!((refused.get("t").unwrap(), refused.pointer("/d/code").unwrap()), (&json!("refuse"), &json!("revoked")));
    assert_eq!(next(&mut socket).await, Err(4003));
    assert_eq!(hub.open(Some("hub-agent.v1")).await.err(), Some(401));
}

#[tokio::test]
async fn what_is_against_the_protocol_is_refused_to_be_tried_again() {
    let hub = hub().await;
    assert_eq!(hub.open(None).await.err(), Some(400), "the subprotocol has to be named");
    for first in [json!("garbage"), json!({ "t": "bye", "seq": 1, "d": { "reason": "" } })] {
        let mut socket = hub.open(Some("hub-agent.v1")).await.unwrap();
        say(&mut socket, first).await;
        let refused = next(&mut socket).await.unwrap();
        assert_eq!(
            (refused.pointer("/d/code").unwrap(), refused.pointer("/d/retry").unwrap()),
            (&json!("protocol"), &json!(true))
        );
        assert_eq!(next(&mut socket).await, Err(4005));
    }
}

#[tokio::test]
async fn the_end_of_the_hub_is_told() {
    let hub = hub().await;
    let mut socket = hub.open(Some("hub-agent.v1")).await.unwrap();
    say(&mut socket, hello()).await;
    assert_eq!(next(&mut socket).await.unwrap().get("t").unwrap(), "welcome");
    hub.tasks.token().cancel();
    assert_eq!(next(&mut socket).await.unwrap().get("t").unwrap(), "drain");
    assert_eq!(next(&mut socket).await, Err(1012));
}
