//! What a request can't be led to, and how failures are told apart.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn http(address: IpAddr) -> Http {
    let lookup: Lookup = Arc::new(move |_| Box::pin(async move { Ok(vec![address]) }));
    Http::new(crate::tls::client_config(None).unwrap()).with_lookup(lookup)
}

async fn failure(http: &Http, url: &str, allowed: Allowed) -> HttpFailure {
    let url = WebUrl::parse(url, Allowed::PrivateToo).unwrap();
    match http.get(&url, allowed).unwrap().send().await {
        Ok(answer) => HttpFailure::of(answer.bytes().await.unwrap_err()),
        Err(error) => HttpFailure::of(error),
    }
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_leads_to() {
    let to = |address: [u8; 4]| http(Ipv4Addr::from(address).into());
    for (http, allowed, why) in [
        (to([127, 0, 0, 1]), Allowed::PublicOnly, UrlError::Private),
        (to([192, 168, 1, 1]), Allowed::PublicOnly, UrlError::Private),
        (to([169, 254, 169, 254]), Allowed::PrivateToo, UrlError::Never),
    ] {
        assert_eq!(failure(&http, "https://models.example/x", allowed).await, HttpFailure::Address(why));
    }
    let plain = failure(&to([1, 1, 1, 1]), "http://models.example/x", Allowed::PrivateToo).await;
    assert_eq!(plain, HttpFailure::Address(UrlError::PlainToPublic));
}

/// Answers one connection with these bytes, then closes it.
async fn answering(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(bytes).await.unwrap();
    });
    port
}

#[tokio::test]
async fn failures_are_told_apart() {
    let http = http(Ipv4Addr::LOCALHOST.into());
    let allowed = Allowed::PrivateToo;
    let port = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(failure(&http, &format!("http://m.example:{port}/"), allowed).await, HttpFailure::Truncated);
    let port = answering(b"not HTTP at all\r\n\r\n").await;
    let broken = failure(&http, &format!("http://m.example:{port}/"), allowed).await;
    assert!(matches!(broken, HttpFailure::Broken(_)), "{broken:?}");
    let port = answering(b"not TLS at all\r\n\r\n").await;
    let no_tls = failure(&http, &format!("https://m.example:{port}/"), allowed).await;
    assert!(matches!(no_tls, HttpFailure::Tls(_)), "{no_tls:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = failure(&http, &format!("http://m.example:{closed}/"), allowed).await;
    assert!(matches!(refused, HttpFailure::Connect(_)), "{refused:?}");
}

/// A proxy that notes what it is asked for, and answers that it can't.
async fn proxy() -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let n = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(request.get(..n).unwrap_or_default()).into_owned()
    });
    (port, asked)
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_name_that_was_judged() {
    let (port, asked) = proxy().await;
    let url = WebUrl::parse("https://models.example/x", Allowed::PublicOnly).unwrap();
    let proxies = Proxies::read(|name| (name == "https_proxy").then(|| format!("user:word@gate.example:{port}")));
    // The proxy's own name leads to a private address, which is its owner's to say.
    let http = http(Ipv4Addr::LOCALHOST.into()).through(proxies.clone());
    assert!(http.get(&url, Allowed::PublicOnly).unwrap().send().await.is_err());
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("CONNECT models.example:443 HTTP/1.1"), "{asked}");
    assert!(asked.to_lowercase().contains("proxy-authorization: basic "), "{asked}");
    assert_eq!(http.judge(&url, Allowed::PublicOnly).await, Err(UrlError::Private));
    let public = self::http(Ipv4Addr::new(1, 1, 1, 1).into()).through(proxies);
    assert_eq!(public.judge(&url, Allowed::PublicOnly).await, Ok(()));
}
