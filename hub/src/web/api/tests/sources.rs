//! The Lake's file of addresses through the API, with a public site in this process.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const FILE: &str = ".model_sources.json";
const PRIVATE: (&str, &str) = ("REMOTE_ALLOW_PRIVATE_SOURCES", "true");

/// A hub with one hashed file of 5 bytes, and its address in the API.
async fn with_a_model(settings: &[(&str, &str)]) -> (TestHub, String, String) {
    let hub = TestHub::with(settings).await;
    hub.put(Root::Lake, "loras/x.safetensors", b"model");
    hub.put(Root::Local, "loras/mine.safetensors", b"model");
    hub.scan().await;
    for root in ["lake", "local"] {
        let asked = hub.ask("POST", "/api/hashes", Some(json!({ "root": root }))).await;
        let path = format!("/api/hashes/{}", asked.body["id"]);
        hub.wait_for(&path, |job| job["state"] == "complete").await;
    }
    let hash = format!("blake3:{}", blake3::hash(b"model").to_hex());
    let address = format!("/api/sources/{hash}");
    (hub, hash, address)
}

fn read(hub: &TestHub) -> Value {
    serde_json::from_slice(&std::fs::read(hub.folders.get(Root::Lake).path().join(FILE)).unwrap()).unwrap()
}

fn urls(urls: &[&str]) -> Value {
    json!({ "urls": urls.iter().map(|url| json!({ "url": url })).collect::<Vec<_>>() })
}

/// What a site answers by path, and what it was asked.
struct Site {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Each answer ends its connection.
    async fn start(answer: impl Fn(&str, u16) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, told) = (Arc::new(answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, told) = (Arc::clone(&answer), Arc::clone(&told));
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let (mut head, mut line) = (String::new(), String::new());
                    while socket.read_line(&mut line).await.unwrap_or(0) > 2 {
                        head.push_str(&line);
                        line.clear();
                    }
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    told.lock().push(head);
                    let text = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\nx", answer(&path, port));
                    socket.write_all(text.as_bytes()).await.ok();
                });
            }
        });
        Self { port, asked }
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

#[tokio::test]
async fn addresses_are_kept_in_the_file_as_documented() {
    let (hub, hash, address) = with_a_model(&[]).await;
    assert_eq!(hub.get("/api/sources").await, json!({ "items": [], "next_cursor": null, "total": 0 }));
    assert_eq!(hub.ask("GET", &address, None).await.status, StatusCode::NOT_FOUND);

    let put = hub.ask("PUT", &address, Some(urls(&["https://a.example/x", "https://b.example/x"]))).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    assert_eq!((&put.body["hash"], &put.body["size_bytes"]), (&json!(hash), &json!(5)));
    assert_eq!(put.body["names"], json!(["mine.safetensors", "x.safetensors"]));
    assert_eq!(put.body["urls"][0]["origin"], "manual");
    let file = read(&hub);
    assert_eq!(file["version"], 1);
    assert_eq!(file["models"][&hash]["urls"][1]["url"], "https://b.example/x");
    assert!(file["models"][&hash]["sha256"].as_str().unwrap().starts_with("sha256:"));

    // What was shown may be sent back; what is known of an address that stays is kept.
    let shown = hub.get(&address).await;
    assert_eq!(hub.ask("PUT", &address, Some(shown.clone())).await.body, shown);
    let again = hub.ask("PUT", &address, Some(urls(&["https://b.example/x", "https://c.example/x"]))).await;
    assert_eq!(again.body["urls"][0]["added_at"], shown["urls"][1]["added_at"]);
    let before: Value = serde_json::from_slice(
        &std::fs::read(hub.folders.get(Root::Lake).path().join(".model_sources.json.bak")).unwrap(),
    )
    .unwrap();
    assert_eq!(before["models"][&hash]["urls"][0]["url"], "https://a.example/x", "the version before");

    for (query, n) in [("", 1), ("?q=MINE", 1), ("?q=c.example%20x.safe", 1), ("?q=nothing", 0)] {
        assert_eq!(hub.get(&format!("/api/sources{query}")).await["total"], n, "{query}");
    }
    assert_eq!(hub.ask("DELETE", &address, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(hub.ask("DELETE", &address, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(read(&hub), json!({ "version": 1, "models": {} }));
    let left: Vec<_> = std::fs::read_dir(hub.folders.get(Root::Lake).path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn neither_secrets_nor_unknown_contents_are_written() {
    let (hub, _, address) = with_a_model(&[]).await;
    for (url, says) in [
        ("https://civitai.com/api/download/models/1?token=abc", "token"),
        ("https://s3.example/x?X-Amz-Signature=abc", "signed"),
        ("https://me:secret@a.example/x", "password"),
        ("http://a.example/x", "https://"),
        ("https://127.0.0.1/x", "REMOTE_ALLOW_PRIVATE_SOURCES"),
        ("x", "whole"),
    ] {
        let put = hub.ask("PUT", &address, Some(urls(&["https://a.example/x", url]))).await;
        assert_eq!(put.status, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
        let detail = put.body["detail"].as_str().unwrap();
        assert!(detail.contains(says) && !detail.contains("abc") && !detail.contains("secret@"), "{detail}");
    }
    assert_eq!(hub.ask("PUT", &address, Some(urls(&[]))).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let unknown = format!("/api/sources/blake3:{}", "0".repeat(64));
    let put = hub.ask("PUT", &unknown, Some(urls(&["https://a.example/x"]))).await;
    assert_eq!(put.status, StatusCode::NOT_FOUND, "{}", put.body);
    assert_eq!(hub.ask("GET", "/api/sources/blake3:x", None).await.status, StatusCode::BAD_REQUEST);
    assert!(!hub.folders.get(Root::Lake).path().join(FILE).exists(), "nothing was written");
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_never_written_over() {
    let (hub, _, address) = with_a_model(&[]).await;
    for (bytes, says) in [(r#"{"version": 1, "models": "#, ".bak"), (r#"{"version": 9, "models": {}}"#, "later hub")] {
        hub.put(Root::Lake, FILE, bytes.as_bytes());
        let body = Some(urls(&["https://a.example/x"]));
        for (method, path, body) in [
            ("PUT", address.as_str(), body),
            ("DELETE", &address, None),
            ("GET", &address, None),
            ("GET", "/api/sources", None),
            ("POST", "/api/sources/check", None),
        ] {
            let answered = hub.ask(method, path, body).await;
            assert_eq!(answered.status, StatusCode::CONFLICT, "{method} {path}: {}", answered.body);
            assert!(answered.body["detail"].as_str().unwrap().contains(says), "{}", answered.body);
        }
        let path = hub.folders.get(Root::Lake).path().join(FILE);
        assert_eq!(std::fs::read_to_string(path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn changes_by_others_are_seen_and_kept() {
    let (hub, hash, address) = with_a_model(&[]).await;
    hub.ask("PUT", &address, Some(urls(&["https://a.example/x"]))).await;
    let mut file = read(&hub);
    file["made_by"] = json!("another tool");
    file["models"][&hash]["urls"][0]["mood"] = json!("good");
    file["models"][&hash]["urls"].as_array_mut().unwrap().push(json!({ "url": "https://t.example/x?token=t0ken" }));
    hub.put(Root::Lake, FILE, &[b"\xef\xbb\xbf".as_slice(), file.to_string().as_bytes()].concat());
    let shown = hub.get(&address).await;
    assert_eq!(shown["unusable"][0]["url"], "https://t.example/x", "{shown}");
    assert!(!shown.to_string().contains("t0ken"), "{shown}");

    hub.ask("PUT", &address, Some(urls(&["https://a.example/x", "https://b.example/x"]))).await;
    let written = read(&hub);
    assert_eq!(
        (&written["made_by"], &written["models"][&hash]["urls"][0]["mood"]),
        (&json!("another tool"), &json!("good"))
    );
}

#[tokio::test]
async fn many_that_change_it_at_once_lose_nothing() {
    let (hub, hash, _) = with_a_model(&[]).await;
    let hash: shared_protocol::Blake3 = hash.parse().unwrap();
    let sources = &hub.state.services.sources;
    let adds = (0..12).map(|n| async move { sources.add(hash, &format!("https://h{n}.example/x")).await.unwrap() });
    futures_util::future::join_all(adds).await;
    assert_eq!(sources.show(&hash).await.unwrap().urls.len(), 12);
}

#[tokio::test]
async fn an_offline_lake_is_said_to_be_offline() {
    let (hub, _, address) = with_a_model(&[]).await;
    std::fs::remove_dir_all(hub.folders.get(Root::Lake).path()).unwrap();
    hub.state.services.roots.refresh(&hub.state.tasks).await;
    for (method, path, body) in [
        ("GET", "/api/sources", None),
        ("PUT", address.as_str(), Some(urls(&["https://a.example/x"]))),
        ("POST", "/api/sources/check", None),
    ] {
        let answered = hub.ask(method, path, body).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}: {}", answered.body);
    }
    assert!(!hub.folders.get(Root::Lake).path().exists(), "no file is made where the Lake was");
}

#[tokio::test]
async fn addresses_are_looked_at_and_what_was_found_is_kept() {
    let (hub, _, address) = with_a_model(&[PRIVATE, ("HF_TOKEN", "hf_secret"), ("CIVITAI_TOKEN", "secret")]).await;
    let site = Site::start(|path, port| match path {
        "/right" => "206 Partial Content\r\nContent-Range: bytes 0-0/5\r\nContent-Length: 1".into(),
        "/hop" => format!("302 Found\r\nLocation: http://127.0.0.1:{port}/right\r\nContent-Length: 0"),
        "/size" => "206 Partial Content\r\nContent-Range: bytes 0-0/6\r\nContent-Length: 1".into(),
        "/page" => "200 OK\r\nContent-Type: text/html\r\nContent-Length: 5".into(),
        "/inside" => "302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0".into(),
        "/round" => "302 Found\r\nLocation: /round\r\nContent-Length: 0".into(),
        "/login-first" => "302 Found\r\nLocation: /login?back=1\r\nContent-Length: 0".into(),
        "/linked" => format!(
            "302 Found\r\nLocation: /right\r\nX-Linked-Size: 5\r\nX-Linked-Etag: \"{}\"\r\nContent-Length: 0",
            "0a".repeat(32)
        ),
        "/gated" => "401 Unauthorized\r\nContent-Length: 0".into(),
        _ => "404 Not Found\r\nContent-Length: 0".into(),
    })
    .await;
    let expected = [
        ("/right", "ok"),
        ("/hop", "ok"),
        ("/size", "size_differs"),
        ("/page", "not_a_file"),
        ("/inside", "private_address"),
        ("/round", "bad_redirect"),
        ("/login-first", "needs_token"),
        ("/linked", "content_differs"),
        ("/gated", "needs_token"),
        ("/nothing", "not_found"),
    ];
    let all: Vec<String> = expected.iter().map(|(path, _)| site.at(path)).collect();
    let put = hub.ask("PUT", &address, Some(urls(&all.iter().map(String::as_str).collect::<Vec<_>>()))).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    assert_eq!(hub.ask("GET", "/api/sources/check", None).await.status, StatusCode::NOT_FOUND);
    let started = hub.ask("POST", "/api/sources/check", None).await;
    assert_eq!((started.status, &started.body["n_total"]), (StatusCode::ACCEPTED, &json!(10)), "{}", started.body);
    let check = hub.wait_for("/api/sources/check", |check| check["finished_at"].is_string()).await;
    assert_eq!((&check["state"], &check["n_done"], &check["n_ok"]), (&json!("complete"), &json!(10), &json!(2)));
    let shown = hub.get(&address).await;
    let found: Vec<_> = shown["urls"].as_array().unwrap().iter().map(|url| url["status"].as_str().unwrap()).collect();
    assert_eq!(found, expected.map(|(_, status)| status));
    assert!(shown["urls"][2]["detail"].as_str().unwrap().contains("6 bytes there, and 5 here"), "{shown}");
    assert!(shown["urls"][0]["checked_at"].is_string());
    let asked = site.asked.lock().join("\n").to_lowercase();
    assert!(!asked.contains("authorization") && !asked.contains("secret"), "no token for others: {asked}");
    assert_eq!(asked.matches("range: bytes=0-0").count(), site.asked.lock().len(), "one byte each");

    // What was found to be right comes first for whoever downloads.
    let hash = address.rsplit('/').next().unwrap().parse().unwrap();
    let ordered = hub.state.services.sources.addresses_of(&hash).await.unwrap();
    let statuses: Vec<_> = ordered.iter().map(|one| one.status.clone().unwrap()).collect();
    assert_eq!(statuses[..2], ["ok", "ok"]);
    assert!(["size_differs", "content_differs", "not_a_file"].contains(&statuses[9].as_str()), "{statuses:?}");
}

#[tokio::test]
async fn a_site_that_wants_peace_is_left_alone() {
    let (hub, hash, address) = with_a_model(&[PRIVATE]).await;
    let site = Site::start(|_, _| "429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0".into()).await;
    let all = [site.at("/1"), site.at("/2"), site.at("/3")];
    hub.ask("PUT", &address, Some(urls(&all.each_ref().map(String::as_str)))).await;
    hub.ask("POST", "/api/sources/check", Some(json!({ "hashes": [hash] }))).await;
    let check = hub.wait_for("/api/sources/check", |check| check["finished_at"].is_string()).await;
    assert_eq!((&check["state"], &check["n_done"], &check["n_skipped"]), (&json!("partial"), &json!(1), &json!(2)));
    assert_eq!(site.asked.lock().len(), 1, "it was not asked again");
    let shown = hub.get(&address).await;
    assert_eq!((&shown["urls"][0]["status"], &shown["urls"][1]["status"]), (&json!("rate_limited"), &Value::Null));
}

#[tokio::test]
async fn private_addresses_are_left_alone_once_they_are_closed() {
    let (hub, hash, address) = with_a_model(&[PRIVATE]).await;
    let site = Site::start(|_, _| "200 OK\r\nContent-Length: 5".into()).await;
    hub.ask("PUT", &address, Some(urls(&[&site.at("/x")]))).await;
    let closed = [(PRIVATE.0.to_owned(), Some("false".to_owned()))].into();
    hub.state.services.save_settings(closed, &hub.state.tasks).await.unwrap();
    let shown = hub.get(&address).await;
    assert_eq!((&shown["urls"], &shown["unusable"][0]["url"]), (&json!([]), &json!(site.at("/x"))));
    hub.ask("POST", "/api/sources/check", Some(json!({ "hashes": [hash] }))).await;
    let check = hub.wait_for("/api/sources/check", |check| check["finished_at"].is_string()).await;
    assert_eq!(check["n_total"], 0);
    assert!(site.asked.lock().is_empty());
}

#[tokio::test]
async fn a_round_can_be_stopped_and_asked_for_again() {
    let (hub, _, address) = with_a_model(&[PRIVATE]).await;
    // It takes the request and says nothing.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let silent = format!("http://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    hub.ask("PUT", &address, Some(urls(&[&silent]))).await;
    let none = hub.ask("POST", "/api/sources/check/cancel", None).await;
    assert_eq!(none.status, StatusCode::CONFLICT);
    hub.ask("POST", "/api/sources/check", None).await;
    let held = listener.accept().await.unwrap();
    let stopped = hub.ask("POST", "/api/sources/check/cancel", None).await;
    assert_eq!(stopped.status, StatusCode::ACCEPTED, "{}", stopped.body);
    hub.wait_for("/api/sources/check", |check| check["state"] == "cancelled").await;
    assert_eq!(hub.get(&address).await["urls"][0]["status"], Value::Null, "what was not found is not written");
    drop(held);
    let again = hub.ask("POST", "/api/sources/check", None).await;
    assert!(["queued", "running"].contains(&again.body["state"].as_str().unwrap()), "{}", again.body);
    hub.ask("POST", "/api/sources/check/cancel", None).await;
}
