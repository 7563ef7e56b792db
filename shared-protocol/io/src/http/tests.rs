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
