//! Names that lie, on every page that shows names.

use axum::http::Request;
use serde_json::json;

use crate::domain::root::Root;
use crate::services::logs::LogLine;
use crate::web::test_hub::{PORT, TestHub};

/// Turns what follows around, in the name of a folder and of a file; right to left by itself, too.
const LIAR: &str = "lo\u{202e}sar/evil\u{202e}gpj\u{200b} שלום.safetensors";

async fn hub() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    for root in Root::ALL {
        hub.put(root, LIAR, &vec![7; 2_000_000]);
        hub.put(root, "vae/plain.safetensors", &vec![8; 2_000_000]);
    }
    hub.put(Root::Local, "bad\u{202e}/gone\u{202e}.safetensors", &[9; 500]);
    hub.put(Root::Lake, "new\u{2066}/one.safetensors", &[6; 500]);
    hub.scan().await;
    let log = LogLine {
        at: jiff::Timestamp::now(),
        level: "WARN".to_owned(),
        target: "hub".to_owned(),
        message: format!("can't read {LIAR}"),
        fields: format!("path={LIAR}"),
    };
    hub.state.services.logs.push(log);
    let delete = json!({"operation": "delete", "from": "local", "paths": ["bad\u{202e}"]});
    let asked = hub.ask("POST", "/api/transfers", Some(delete)).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    hub.wait_for(&format!("/api/batches/{}", asked.body["batch_id"]), |batch| batch["n_open"] == 0).await;
    let plan = json!({"from": "lake", "to": "local", "folder": "new\u{2066}"});
    let asked = hub.ask("POST", "/api/mirrors", Some(plan)).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    hub
}

async fn page(hub: &TestHub, address: &str) -> String {
    let request = Request::builder().uri(address).header("host", format!("127.0.0.1:{PORT}"));
    let answered = hub.send(request.header("accept", "text/html").body(axum::body::Body::empty()).unwrap()).await;
    assert!(answered.status.is_success(), "{address}: {}", answered.status);
    answered.body.as_str().unwrap_or_else(|| panic!("{address} is no page")).to_owned()
}

/// Every place where a page has a character that lies, apart from what programs read.
fn shown(page: &str) -> Vec<&str> {
    let found = page.match_indices(['\u{202e}', '\u{200b}', '\u{2066}']);
    let lies = found.filter(|(at, _)| {
        let before = &page[..*at];
        let (tag, text) = (before.rfind('<'), before.rfind('>'));
        if tag < text {
            return true;
        }
        let tag = &before[tag.unwrap()..];
        let value = &tag[..tag.rfind("=\"").or_else(|| tag.rfind("='")).unwrap_or(0)];
        let attribute = value.rsplit([' ', '\n']).next().unwrap();
        matches!(attribute, "title" | "alt" | "placeholder" | "hx-confirm" | "aria-label")
    });
    lies.map(|(at, _)| {
        let start = page[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
        &page[start..at]
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_can_not_lie_on_any_page() {
    let hub = hub().await;
    let encoded = percent_encoding::utf8_percent_encode(LIAR, percent_encoding::NON_ALPHANUMERIC).to_string();
    let folder = "lo%E2%80%AEsar";
    let marked = [
        "/library?root=local".to_owned(),
        "/library?root=lake&view=cards&kind=model".to_owned(),
        format!("/library?root=local&folder={folder}"),
        format!("/library?root=local&open={encoded}"),
        "/diff".to_owned(),
        format!("/diff?folder={folder}"),
        "/evict".to_owned(),
        "/trash?root=local".to_owned(),
        "/batches/1".to_owned(),
        "/plans/1".to_owned(),
        "/space?root=local".to_owned(),
        "/logs".to_owned(),
        format!("/ui/library/drawer?root=local&path={encoded}"),
        format!("/ui/transfers/confirm?operation=copy&scope=folder&root=local&folder={folder}"),
    ];
    let others = ["/", "/history", "/queue", "/duplicates", "/hashes", "/sources", "/settings"];
    for address in marked.iter().map(String::as_str).chain(others) {
        let page = page(&hub, address).await;
        let lies = shown(&page);
        assert!(lies.is_empty(), "{address}: {lies:?}");
        let is_shown = page.contains("⟨U+202E⟩") || page.contains("⟨U+2066⟩");
        assert!(is_shown || others.contains(&address), "{address} does not show the name");
    }
    let library = page(&hub, "/library?root=local").await;
    assert!(library.contains("<bdi>evil<span class=\"odd\">⟨U+202E⟩</span>gpj"), "the name is set apart");
    assert!(library.contains(&format!("value=\"{LIAR}\"")), "what programs read is the name itself");
    let lists = hub.get("/api/files?root=local&folder=lo%E2%80%AEsar").await;
    assert_eq!(lists["items"][0]["path"], LIAR, "data stays as it is");
}
