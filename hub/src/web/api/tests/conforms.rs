//! Answers are as described: their status is named for the operation, and their body has its schema.

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use super::lists::full_hub;
use crate::web::api::openapi_json;
use crate::web::test_hub::{Answered, TestHub};

struct Description(Value);

impl Description {
    fn read() -> Self {
        Self(serde_json::from_str(&openapi_json()).unwrap())
    }

    /// The path of the description that an address belongs to.
    fn template(&self, address: &str) -> String {
        let path = address.split('?').next().unwrap();
        let fits = |template: &&String| {
            let (one, other): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a == b || a.starts_with('{'))
        };
        let mut found: Vec<_> = self.0["paths"].as_object().unwrap().keys().filter(fits).collect();
        found.sort_by_key(|template| template.matches('{').count());
        (*found.first().unwrap_or_else(|| panic!("{address} is not described"))).clone()
    }

    fn check(&self, method: &str, address: &str, answered: &Answered) {
        let operation = &self.0["paths"][self.template(address)][method.to_lowercase()];
        let status = answered.status.as_u16().to_string();
        let described = &operation["responses"][&status];
        assert!(described.is_object(), "{method} {address}: {status} is not described: {}", answered.body);
        let Some(content) = described["content"].as_object() else { return };
        let (kind, content) = content.iter().next().unwrap();
        let said = answered.headers["content-type"].to_str().unwrap();
        assert!(said.starts_with(kind.as_str()), "{method} {address}: {said} in place of {kind}");
        if content["schema"].is_object() && kind.contains("json") {
            let wrong = self.fits(&content["schema"], &answered.body, "");
            assert_eq!(wrong, None, "{method} {address} {status}: {}", answered.body);
        }
    }

    /// Where a value does not have a schema. What the description uses of JSON Schema is looked at.
    fn fits(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        if let Some(target) = schema["$ref"].as_str() {
            return self.fits(self.0.pointer(target.trim_start_matches('#')).unwrap(), value, place);
        }
        let mut parts = schema["allOf"].as_array().into_iter().flatten();
        if let Some(wrong) = parts.find_map(|part| self.fits(part, value, place)) {
            return Some(wrong);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[key].as_array()
                && choices.iter().all(|choice| self.fits(choice, value, place).is_some())
            {
                return Some(format!("{place}: {value} is none of {key}"));
            }
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let has = |kind: &&str| match *kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            _ => value.is_object(),
        };
        if !kinds.is_empty() && !kinds.iter().any(has) {
            return Some(format!("{place}: {value} is no {kinds:?}"));
        }
        if let Some(choices) = schema["enum"].as_array()
            && !choices.contains(value)
        {
            return Some(format!("{place}: {value} is none of {choices:?}"));
        }
        if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
            && number < least
        {
            return Some(format!("{place}: {value} is below {least}"));
        }
        let inside = |name: &str| format!("{place}/{name}");
        if let Some(members) = value.as_object() {
            for needed in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !members.contains_key(needed) {
                    return Some(format!("{place}: {needed} is missing"));
                }
            }
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let wrong = members.get(name).and_then(|member| self.fits(property, member, &inside(name)));
                if wrong.is_some() {
                    return wrong;
                }
            }
        }
        let items = value.as_array().filter(|_| schema["items"].is_object()).into_iter().flatten();
        items.enumerate().find_map(|(at, item)| self.fits(&schema["items"], item, &inside(&at.to_string())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_looked_at_is_as_described() {
    let (hub, mut addresses) = full_hub().await;
    let description = Description::read();
    // Their ids are those of one table.
    for list in [
        "/api/scans",
        "/api/hashes",
        "/api/duplicates/scans",
        "/api/models",
        "/api/models/reads",
        "/api/sources/discover",
    ] {
        let id = &hub.get(list).await["items"][0]["id"];
        addresses.insert(format!("{list}/{{id}}"), format!("{list}/{id}"));
    }
    let fill = |template: &str| -> String {
        let known = [
            ("/api/folders", "/api/folders?root=local".to_owned()),
            ("/api/files/detail", "/api/files/detail?root=local&path=loras/both0.safetensors".to_owned()),
            ("/api/space", "/api/space?root=lake".to_owned()),
            ("/api/sources/{hash}", format!("/api/sources/blake3:{}", blake3::hash(&[1; 3_000]).to_hex())),
        ];
        let agent = addresses["/api/remote/agents/{id}/inventory"].trim_end_matches("/inventory").to_owned();
        if let Some(rest) = template.strip_prefix("/api/remote/agents/{id}") {
            return agent + rest;
        }
        let known = known.into_iter().find(|(of, _)| *of == template).map(|(_, address)| address);
        known
            .or_else(|| addresses.get(template).cloned())
            .unwrap_or_else(|| template.replace("{id}", "1").replace("{root}", "local"))
    };
    for (template, item) in description.0["paths"].as_object().unwrap() {
        if !item["get"].is_object() || template.starts_with("/ws/") || template.contains("/jobs/{id}") {
            continue;
        }
        let address = fill(template);
        let answered = hub.ask("GET", &address, None).await;
        assert!(
            answered.status.is_success() || template.ends_with("check") || template.contains("extra_model_paths"),
            "{address}: {}",
            answered.body
        );
        description.check("GET", &address, &answered);
        // And what is wrong about each of them.
        let join = if address.contains('?') { '&' } else { '?' };
        for wrong in ["nothing=1", "limit=", "root=nas", "q=%FF"] {
            let refused = hub.ask("GET", &format!("{address}{join}{wrong}"), None).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{address} {wrong}: {}", refused.body);
            description.check("GET", &address, &refused);
        }
    }
}

/// Every operation that changes something, with a body that it can't take: none succeeds with less.
#[tokio::test]
async fn what_would_be_dropped_is_refused() {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    let description = Description::read();
    for (template, item) in description.0["paths"].as_object().unwrap() {
        for method in ["POST", "PUT", "DELETE"] {
            let operation = &item[method.to_lowercase()];
            if !operation.is_object() {
                continue;
            }
            let address = template
                .replace("{id}", "1")
                .replace("{root}", "local")
                .replace("{hash}", &format!("blake3:{}", "0".repeat(64)));
            let reads = operation["requestBody"].is_object();
            let is_picture = operation["requestBody"]["content"]["image/*"].is_object();
            let bodies = [
                (json!([]), 400),
                (json!([[]]), 400),
                (Value::Null, 400),
                (json!("text"), 400),
                (json!({"no such thing": 1}), if template == "/api/settings" { 422 } else { 400 }),
            ];
            for (body, expected) in bodies {
                let refused = hub.ask(method, &address, Some(body.clone())).await;
                // Where the id itself is a text, that is looked at first.
                assert!(
                    [if is_picture { 415 } else { expected }, 400].contains(&refused.status.as_u16()),
                    "{method} {address} {body}: {}",
                    refused.body
                );
                description.check(method, &address, &refused);
            }
            let untyped = axum::http::Request::builder()
                .method(method)
                .uri(&address)
                .header("host", format!("127.0.0.1:{}", crate::web::test_hub::PORT))
                .body(axum::body::Body::from(r#"{"roots":["local"],"ttl_minutes":5}"#));
            let refused = hub.send(untyped.unwrap()).await;
            let remote = template.starts_with("/api/remote/") && template.contains("{id}");
            assert!(
                refused.status == StatusCode::UNSUPPORTED_MEDIA_TYPE || (reads && remote),
                "{method} {address}: {} {}",
                refused.status,
                refused.body
            );
            description.check(method, &address, &refused);
            let asked = hub.ask(method, &format!("{address}?nothing=1"), None).await;
            assert_eq!(asked.status, StatusCode::BAD_REQUEST, "{method} {address}: {}", asked.body);
        }
    }
    assert_eq!(hub.get("/api/batches").await["total"], 0, "nothing was done");
}

/// What is asked for and is not there is never a success.
#[rstest]
#[case("POST", "/api/transfers", json!({"operation": "copy", "from": "local", "to": "lake", "paths": ["no/such"]}))]
#[case("POST", "/api/transfers", json!({"operation": "delete", "from": "local", "paths": ["no", "such"]}))]
#[case("POST", "/api/downloads", json!({"to": "local", "items": [{"path": "x", "hash": format!("blake3:{}", "0".repeat(64))}]}))]
#[case("POST", "/api/hashes", json!({"root": "local", "paths": ["no/such"]}))]
#[case("POST", "/api/hashes", json!({"root": "local", "folder": "no"}))]
#[case("POST", "/api/evictions", json!({"paths": ["no/such"]}))]
#[case("POST", "/api/evictions/restore", json!({"paths": ["no/such"]}))]
#[case("POST", "/api/trash/restore", json!({"ids": [77, 78]}))]
#[case("POST", "/api/trash/empty", json!({"root": "local", "ids": [77]}))]
#[case("POST", "/api/mirrors", json!({"from": "local", "to": "lake", "folder": "no"}))]
#[case("POST", "/api/mirrors/77/apply", json!({}))]
#[case("POST", "/api/scans/77/cancel", json!({}))]
#[case("POST", "/api/hashes/77/cancel", json!({}))]
#[case("POST", "/api/duplicates/scans/77/cancel", json!({}))]
#[case("POST", "/api/batches/77/cancel", json!({}))]
#[case("POST", "/api/batches/77/undo", json!({}))]
#[case("POST", "/api/batches/77/retry-failed", json!({}))]
#[case("POST", "/api/transfers/77/pause", json!({}))]
#[case("POST", "/api/sources/discover/77/cancel", json!({}))]
#[case("POST", "/api/sources/check", json!({"hashes": [format!("blake3:{}", "0".repeat(64))]}))]
#[tokio::test]
async fn what_is_not_there_is_told(#[case] method: &str, #[case] path: &str, #[case] body: Value) {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true"), ("LAKE_ALLOW_DELETE", "true")]).await;
    hub.put(crate::domain::root::Root::Local, "loras/there.safetensors", b"there");
    hub.scan().await;
    let before = hub.get("/api/batches").await;
    let refused = hub.ask(method, path, Some(body)).await;
    assert!([404, 422].contains(&refused.status.as_u16()), "{path}: {} {}", refused.status, refused.body);
    Description::read().check(method, path, &refused);
    assert_eq!(hub.get("/api/batches").await, before);
}

#[rstest]
#[case("GET", "/api/scans/abc")]
#[case("GET", "/api/hashes/1.5")]
#[case("POST", "/api/batches/x/cancel")]
#[case("POST", "/api/transfers/99999999999999999999/pause")]
#[case("GET", "/api/remote/agents/me")]
#[case("GET", "/api/sources/blake3:12")]
#[tokio::test]
async fn what_is_no_id_is_said_in_plain_words(#[case] method: &str, #[case] path: &str) {
    let refused = TestHub::bare().await.ask(method, path, None).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(!detail.contains("i64") && !detail.contains("deserialize") && !detail.contains("type"), "{detail}");
    Description::read().check(method, path, &refused);
}
