//! Whatever stands behind the `?`, nothing fails inside.

use proptest::prelude::*;
use serde_json::Value;

use crate::domain::root::Root;
use crate::web::api::openapi_json;
use crate::web::test_hub::TestHub;

/// Pages and fragments with what they read.
const PAGES: &[(&str, &[&str])] = &[
    ("/library?root=local", &["folder", "q", "kind", "sort", "order", "view", "open", "s", "cursor", "keep", "shown"]),
    ("/diff?", &["folder", "status", "q", "s", "cursor"]),
    ("/duplicates?", &["view", "root", "s", "keep", "cursor", "q"]),
    ("/queue?", &["state", "cursor", "batch", "tab"]),
    ("/evict?", &["free", "by", "tab", "q", "cursor", "folder"]),
    ("/space?", &["root"]),
    ("/sources?", &["q", "show", "coverage", "cursor", "open"]),
    ("/trash?", &["root", "q", "cursor", "older_than_days"]),
    ("/history?", &["kind", "level", "root", "q", "cursor"]),
    ("/logs?", &["level", "q"]),
    ("/remote?", &["tab", "agent", "cursor"]),
    ("/batches/1?", &["state", "cursor"]),
    ("/plans/1?", &["action", "cursor"]),
    ("/ui/preview?root=local", &["path"]),
    ("/ui/library/results?root=local", &["folder", "q", "cursor"]),
    ("/ui/library/tree?root=local", &["path", "folder"]),
    ("/ui/library/drawer?root=local", &["path"]),
    ("/ui/diff/results?", &["q", "folder", "cursor"]),
    ("/ui/history/results?", &["q"]),
    ("/ui/logs/results?", &["q"]),
    ("/ui/sources/results?", &["q"]),
    ("/ui/trash/results?", &["q"]),
    ("/ui/evict/results?", &["q", "free"]),
    ("/ui/duplicates/results?", &["q", "cursor"]),
    ("/ui/transfers/confirm?operation=copy&scope=folder&root=local", &["folder", "q", "s"]),
    ("/ui/live?", &["topics"]),
];

fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "x%00y",
        "%00",
        "abc%00def",
        "%FF",
        "%C3%28",
        "%ED%A0%80",
        "%",
        "%zz",
        "a%",
        "%25",
        "%22",
        "*",
        "%22%22%22",
        "NEAR(a+b)",
        "a%22+OR+%22b",
        "AND",
        "-1",
        "1e9",
        "99999999999999999999",
        "NaN",
        "%E2%80%AE",
        "%F0%9F%92%A9",
        "%0A%0D",
        "%1B[2J",
        "..%2F..",
        "abc%01def",
        "'",
        "%3Cscript%3E",
        "%EF%BF%BD",
        "a*",
        "^abc",
        "abc:def",
        "{abc}",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("a".repeat(10_000));
    values.push("abc+".repeat(2_500));
    values.push((0..480).map(|n: i32| n.to_string()).collect::<Vec<_>>().join("+"));
    values.push("%E6%97%A5".repeat(900));
    values
}

/// Each parameter of each GET with an address in front of it.
fn addresses() -> Vec<String> {
    let description: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut addresses = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let Some(parameters) = item["get"]["parameters"].as_array() else { continue };
        let queries = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let names: Vec<&str> = queries.filter_map(|parameter| parameter["name"].as_str()).collect();
        let path = path
            .replace("{id}", "1")
            .replace("{root}", "local")
            .replace("{hash}", &format!("blake3:{}", "0".repeat(64)));
        for name in &names {
            let root = if names.contains(&"root") && *name != "root" { "root=local&" } else { "" };
            addresses.push(format!("{path}?{root}{name}="));
        }
    }
    for (page, names) in PAGES {
        let join = if page.ends_with('?') { "" } else { "&" };
        addresses.extend(names.iter().map(|name| format!("{page}{join}{name}=")));
    }
    addresses
}

async fn library() -> TestHub {
    let hub = TestHub::with(&[]).await;
    for n in 0..5 {
        hub.put(Root::Local, &format!("loras/abc def {n}.safetensors"), &[n; 10]);
        hub.put(Root::Lake, &format!("loras/abc def {n}.safetensors"), &[n; 10]);
    }
    hub.scan().await;
    hub
}

async fn ask(hub: &TestHub, address: &str) {
    // What is no address at all never reaches a hub.
    if address.parse::<axum::http::Uri>().is_err() {
        return;
    }
    let answered = hub.ask("GET", address, None).await;
    let status = answered.status.as_u16();
    assert!(status < 500, "{}: {status} {}", address.chars().take(200).collect::<String>(), answered.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_query_fails_inside() {
    let hub = library().await;
    let values = hostile();
    for address in addresses() {
        for value in &values {
            ask(&hub, &format!("{address}{value}")).await;
        }
    }
    // What can't be found is not found, and what is there still is.
    assert_eq!(hub.get("/api/files?root=local&q=abc%00def").await["total"], 0);
    assert_eq!(hub.get("/api/files?root=local&q=abc").await["total"], 5);
    assert_eq!(hub.get("/api/diff?q=x%00y").await["total"], 0);
    let long = hub.ask("GET", &format!("/api/diff?q={}", "a".repeat(1_001)), None).await;
    assert_eq!(long.status, 400, "{}", long.body);
}

#[test]
fn no_bytes_of_a_query_fail_inside() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let hub = runtime.block_on(library());
    let addresses = addresses();
    let value = proptest::collection::vec(any::<u8>(), 0..24)
        .prop_map(|bytes| percent_encoding::percent_encode(&bytes, percent_encoding::NON_ALPHANUMERIC).to_string());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(192));
    let case = (proptest::sample::select(addresses), value);
    runner
        .run(&case, |(address, value)| {
            runtime.block_on(ask(&hub, &format!("{address}{value}")));
            Ok(())
        })
        .unwrap();
}
