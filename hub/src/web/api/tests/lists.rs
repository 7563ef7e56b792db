//! Every list is one: it has pages, a cursor between them, and a total.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::{Value, json};
use shared_protocol::agent_to_hub::{AgentToHub, Inventory, InventoryFile};
use shared_protocol::hub_to_agent::HubToAgent;
use shared_protocol::{AgentId, RelPath};

use super::fake_agent::{FakeAgent, hello};
use crate::domain::root::Root;
use crate::services::logs::LogLine;
use crate::web::api::openapi_json;
use crate::web::test_hub::TestHub;

/// Nobody on the network is asked: the list would be a file.
const SETTINGS: &[(&str, &str)] = &[
    ("LOCAL_ALLOW_DELETE", "true"),
    ("LAKE_ALLOW_DELETE", "true"),
    ("REMOTE_BASE_URL", "https://models.example.org"),
    ("LOOKUPS", "manager_list"),
    ("MANAGER_LIST", if cfg!(windows) { r"C:\no such\model-list.json" } else { "/no such/model-list.json" }),
];

async fn post(hub: &TestHub, path: &str, body: Value) -> Value {
    let asked = hub.ask("POST", path, Some(body)).await;
    assert!(asked.status.is_success(), "{path}: {} {}", asked.status, asked.body);
    asked.body
}

async fn until_done(hub: &TestHub, batch: &Value) {
    hub.wait_for(&format!("/api/batches/{}", batch["batch_id"]), |batch| batch["n_open"] == 0).await;
}

async fn until_ended(hub: &TestHub, list: &str, started: &Value) {
    let open = |work: &Value| work["state"] == "running" || work["state"] == "queued";
    hub.wait_for(&format!("{list}/{}", started["id"]), |work| !open(work)).await;
}

/// Some of everything that is listed.
pub(super) async fn full_hub() -> (TestHub, BTreeMap<String, String>) {
    let hub = TestHub::with(SETTINGS).await;
    for n in 0..3_u8 {
        for copy in ["", " copy"] {
            hub.put(Root::Lake, &format!("loras/both{n}{copy}.safetensors"), &[n; 3_000]);
        }
        hub.put(Root::Local, &format!("loras/both{n}.safetensors"), &[n; 3_000]);
        hub.put(Root::Local, &format!("vae/alone{n}.safetensors"), &[n + 10; 2_000]);
        hub.put(Root::Local, &format!("bad/gone{n}.pt"), &[n + 20; 1_000]);
        hub.put(Root::Local, &format!("old/away{n}.safetensors"), &[n + 30; 1_500]);
        hub.state.services.logs.push(LogLine {
            at: jiff::Timestamp::now(),
            level: "INFO".to_owned(),
            target: "hub".to_owned(),
            message: format!("line {n}"),
            fields: String::new(),
        });
    }
    for n in 0..2 {
        skip(&hub, n);
    }
    hub.scan().await;
    #[cfg(unix)]
    for n in 0..2 {
        include(&hub, n).await;
    }
    for root in ["local", "lake"] {
        let started = post(&hub, "/api/hashes", json!({ "root": root })).await;
        until_ended(&hub, "/api/hashes", &started).await;
    }
    for _ in 0..2 {
        let started = post(&hub, "/api/models/reads", json!({})).await;
        until_ended(&hub, "/api/models/reads", &started).await;
        let started = post(&hub, "/api/duplicates/scans", json!({ "roots": ["local", "lake"] })).await;
        until_ended(&hub, "/api/duplicates/scans", &started).await;
        let started = post(&hub, "/api/sources/discover", json!({})).await;
        until_ended(&hub, "/api/sources/discover", &started).await;
    }
    let bad = post(&hub, "/api/transfers", json!({ "operation": "delete", "from": "local", "paths": ["bad"] })).await;
    until_done(&hub, &bad).await;
    let away = post(&hub, "/api/evictions", json!({ "paths": ["old"] })).await;
    until_done(&hub, &away).await;
    let mut plan = Value::Null;
    for _ in 0..2 {
        plan = post(&hub, "/api/mirrors", json!({ "from": "local", "to": "lake" })).await;
    }
    for n in 0..3_u8 {
        let hash = blake3::hash(&[n; 3_000]).to_hex();
        let body = json!({ "urls": [{ "url": format!("https://example.org/{n}") }] });
        let put = hub.ask("PUT", &format!("/api/sources/blake3:{hash}"), Some(body)).await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    }
    for name in ["one", "two", "Three"] {
        let body = json!({ "query": format!("q={name}") });
        let put = hub.ask("PUT", &format!("/api/models/filters/{name}"), Some(body)).await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    }
    let agent = with_agents(&hub).await;
    let addresses = [
        ("/api/files", "/api/files?root=local".to_owned()),
        ("/api/trash", "/api/trash?root=local".to_owned()),
        ("/api/roots/{root}/skipped", "/api/roots/local/skipped".to_owned()),
        ("/api/roots/{root}/links", "/api/roots/local/links".to_owned()),
        ("/api/batches/{id}", format!("/api/batches/{}", bad["batch_id"])),
        ("/api/mirrors/{id}/items", format!("/api/mirrors/{}/items", plan["id"])),
        ("/api/remote/agents/{id}/inventory", format!("/api/remote/agents/{agent}/inventory")),
    ];
    (hub, addresses.into_iter().map(|(path, address)| (path.to_owned(), address)).collect())
}

/// Something that a scan skips: a name that can't be stored everywhere, where the system has such names.
fn skip(hub: &TestHub, n: u8) {
    if cfg!(unix) {
        hub.put(Root::Local, &format!("odd/name{n}."), b"odd");
    }
}

/// A linked folder, which may stay as long as the hub's own do.
#[cfg(unix)]
async fn include(hub: &TestHub, n: u8) {
    let path = format!("linked{n}");
    let target = tempfile::tempdir().unwrap().keep();
    std::os::unix::fs::symlink(target, hub.folders.local.path().join(&path)).unwrap();
    let started = post(hub, "/api/roots/local/links", json!({ "path": path, "include": true })).await;
    until_ended(hub, "/api/scans", &started).await;
}

/// Two agents, with work for one of them, which answers what it has.
async fn with_agents(hub: &TestHub) -> AgentId {
    let session = post(hub, "/api/remote/session", json!({})).await;
    let key = session["key"].as_str().unwrap();
    let remote = &hub.state.services.remote;
    let ids = [AgentId::new(), AgentId::new()];
    for id in ids {
        let mut agent = FakeAgent::connect(remote, key, hello(id, 1, Vec::new(), Vec::new())).await.unwrap();
        tokio::spawn(async move {
            loop {
                if let HubToAgent::InventoryRequest(asked) = agent.next().await {
                    let files = (0..3).map(|n| InventoryFile {
                        path: RelPath::parse(&format!("loras/{n}.safetensors")).unwrap(),
                        size_bytes: n,
                        blake3: None,
                    });
                    let inventory =
                        Inventory { request: asked.request, files: files.collect(), n_errors: 0, last: true };
                    agent.say(AgentToHub::Inventory(inventory)).await.unwrap();
                }
            }
        });
    }
    let asked = json!({ "agent_id": ids[0], "kind": "asset_download", "root": "local", "paths": ["vae"] });
    post(hub, "/api/remote/jobs", asked).await;
    ids[0]
}

/// The description of an answer, with the parts that it is put together from.
fn properties(description: &Value, schema: &Value) -> BTreeSet<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return properties(description, description.pointer(reference.trim_start_matches('#')).unwrap());
    }
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let mut found: BTreeSet<String> = parts.flat_map(|part| properties(description, part)).collect();
    found.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    found
}

/// The paths of all lists.
fn lists() -> Vec<String> {
    let description: Value = serde_json::from_str(&openapi_json()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let has_items = |(path, item): (&String, &Value)| {
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let properties = properties(&description, schema);
        if !properties.contains("items") {
            return None;
        }
        for needed in ["next_cursor", "total"] {
            assert!(properties.contains(needed), "{path} has no {needed}");
        }
        let parameters = item["get"]["parameters"].as_array().unwrap();
        for needed in ["limit", "cursor"] {
            assert!(parameters.iter().any(|parameter| parameter["name"] == needed), "{path} takes no {needed}");
        }
        Some(path.clone())
    };
    paths.iter().filter_map(has_items).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_can_be_walked_one_row_at_a_time() {
    let (hub, addresses) = full_hub().await;
    let lists = lists();
    assert!(lists.len() >= 18, "{lists:?}");
    for path in lists {
        let address = addresses.get(&path).cloned().unwrap_or_else(|| path.clone());
        let join = if address.contains('?') { '&' } else { '?' };
        let whole = hub.get(&format!("{address}{join}limit=1000")).await;
        let all = whole["items"].as_array().unwrap();
        if cfg!(windows) && (path.ends_with("/skipped") || path.ends_with("/links")) {
            continue;
        }
        assert!(all.len() >= 2, "{path}: {whole}");
        assert_eq!((&whole["total"], &whole["next_cursor"]), (&json!(all.len()), &Value::Null), "{path}");
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        loop {
            let page = hub.get(&format!("{address}{join}limit=1{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            assert_eq!((&page["total"], items.len()), (&whole["total"], 1), "{path}");
            seen.extend(items.iter().cloned());
            assert!(seen.len() <= all.len(), "{path} does not end");
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(names(&seen), names(all), "{path}");
        for wrong in ["limit=0", "limit=1001", "limit=-1", "limit=", "cursor=", "cursor=zz", "cursor=5B5D"] {
            let refused = hub.ask("GET", &format!("{address}{join}{wrong}"), None).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path} {wrong}: {}", refused.body);
        }
        let unknown = hub.ask("GET", &format!("{address}{join}cursor=5b5d"), None).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{path}: {}", unknown.body);
    }
}

/// What tells rows apart; other members may change from one answer to the next.
fn names(rows: &[Value]) -> Vec<Value> {
    let name = |row: &Value| {
        ["id", "path", "hash", "key"].iter().map(|member| row[member].clone()).chain([row["message"].clone()]).collect()
    };
    rows.iter().map(name).collect()
}
