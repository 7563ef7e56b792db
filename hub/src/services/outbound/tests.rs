use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared_protocol::source_url::UrlError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Names lead where the test says.
fn leading_to(addresses: &'static [[u8; 4]]) -> Outbound {
    Outbound(Outbound::new().0.with_lookup(Arc::new(move |_| {
        Box::pin(async move { Ok(addresses.iter().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))).collect()) })
    })))
}

/// A site of one answer; what it was asked comes back.
async fn site(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(socket.read(&mut byte).await.unwrap(), 1);
            asked.extend(byte);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap().to_ascii_lowercase()
    });
    (port, served)
}

fn config(allowed: Allowed) -> Config {
    use crate::config::{Key, Layers};
    let is_open = (allowed == Allowed::PrivateToo).to_string();
    let flags = [(Key::HfToken, "secret"), (Key::CivitaiToken, "secret 2"), (Key::RemoteAllowPrivateSources, &is_open)];
    let mut flags: std::collections::BTreeMap<_, _> = flags.map(|(key, value)| (key, value.to_owned())).into();
    flags.insert(Key::AppDataDir, std::env::temp_dir().display().to_string());
    Layers { flags, ..Layers::default() }.resolve().unwrap()
}

async fn ask(outbound: &Outbound, url: &str, allowed: Allowed) -> Result<u16, HttpFailure> {
    let url = WebUrl::parse(url, Allowed::PrivateToo).unwrap();
    outbound.bytes(&url, &(0..=0), &config(allowed)).await.map(|response| response.status().as_u16())
}

#[test]
fn a_token_is_for_exactly_its_host() {
    let config = config(Allowed::PublicOnly);
    let token = |url| {
        let url = WebUrl::parse(url, Allowed::PrivateToo).unwrap();
        token_for(&config, &url).map(|token| token.expose().to_owned())
    };
    assert_eq!(token("https://huggingface.co/x").as_deref(), Some("secret"));
    assert_eq!(token("https://civitai.com/x").as_deref(), Some("secret 2"));
    for other in [
        "http://huggingface.co/x",
        "https://cdn-lfs.huggingface.co/x",
        "https://huggingface.co:8443/x",
        "https://huggingface.co.example/x",
        "https://example.org/huggingface.co",
    ] {
        assert_eq!(token(other), None, "{other}");
    }
    let value = bearer(config.remote.hf_token.as_ref().unwrap().expose()).unwrap();
    assert!(!format!("{value:?}").contains("secret"), "no header that is printed tells it");
}

#[tokio::test]
async fn one_byte_is_asked_for_and_a_redirect_is_not_followed() {
    let (port, served) = site("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
    let outbound = leading_to(&[[127, 0, 0, 1]]);
    assert_eq!(ask(&outbound, &format!("http://site.test:{port}/x?q=1"), Allowed::PrivateToo).await.unwrap(), 302);
    let asked = served.await.unwrap();
    assert!(asked.starts_with("get /x?q=1 http/1.1\r\n"), "{asked}");
    assert!(asked.contains("range: bytes=0-0\r\n") && asked.contains("user-agent: comfyui-model-library/"), "{asked}");
    assert!(!asked.contains("secret"), "a token goes to its host only: {asked}");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let (port, served) = site("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let refused = |addresses, allowed| async move {
        let outbound = leading_to(addresses);
        ask(&outbound, &format!("https://rebound.example:{port}/x"), allowed).await.unwrap_err()
    };
    let error = refused(&[[127, 0, 0, 1], [10, 0, 0, 1]], Allowed::PublicOnly).await;
    assert!(matches!(error, HttpFailure::Address(UrlError::Private)), "{error:?}");
    let error = refused(&[[169, 254, 169, 254]], Allowed::PrivateToo).await;
    assert!(matches!(error, HttpFailure::Address(UrlError::Never)), "{error:?}");
    let outbound = leading_to(&[[1, 1, 1, 1]]);
    let error = ask(&outbound, "http://plain.example/x", Allowed::PrivateToo).await.unwrap_err();
    assert!(matches!(error, HttpFailure::Address(UrlError::PlainToPublic)), "{error:?}");
    assert!(!served.is_finished(), "the site was never reached");
}

#[tokio::test]
async fn each_connection_is_judged_anew() {
    // The first answer is fine, the second one is not: what rebinding does.
    let (port, served) = site("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let was_asked = Arc::new(AtomicBool::new(false));
    let outbound = Outbound(Outbound::new().0.with_lookup(Arc::new(move |_| {
        let again = was_asked.swap(true, Ordering::SeqCst);
        let address = if again { [169, 254, 1, 1] } else { [127, 0, 0, 1] };
        Box::pin(async move { Ok(vec![IpAddr::from(address)]) })
    })));
    let url = format!("http://site.test:{port}/x");
    assert_eq!(ask(&outbound, &url, Allowed::PrivateToo).await.unwrap(), 200);
    served.await.unwrap();
    let error = ask(&outbound, &url, Allowed::PrivateToo).await.unwrap_err();
    assert!(matches!(error, HttpFailure::Address(UrlError::Never)), "{error:?}");
}

#[tokio::test]
async fn what_went_wrong_is_said_without_the_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outbound = leading_to(&[[127, 0, 0, 1]]);
    let error =
        ask(&outbound, &format!("http://site.test:{port}/x?sig=secret"), Allowed::PrivateToo).await.unwrap_err();
    assert!(matches!(error, HttpFailure::Connect(_)) && !error.to_string().contains("secret"), "{error}");
}
