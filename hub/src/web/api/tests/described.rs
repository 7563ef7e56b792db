//! Routes and description, compared both ways, and both with what was promised.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;

use crate::web::api::openapi_json;
use crate::web::test_hub::TestHub;

/// Routes that other programs rely on. One that is built has to stand here, and the other way round.
const PROMISED: &[&str] = &[
    "GET /api/health",
    "GET /api/database",
    "POST /api/database/lost",
    "GET /api/settings",
    "PUT /api/settings",
    "POST /api/scans",
    "GET /api/scans",
    "GET /api/scans/{id}",
    "POST /api/scans/{id}/cancel",
    "POST /api/roots/{root}/adopt",
    "GET /api/roots/{root}/skipped",
    "POST /api/roots/{root}/skipped/accept",
    "GET /api/roots/{root}/links",
    "POST /api/roots/{root}/links",
    "GET /api/folders",
    "GET /api/files",
    "GET /api/files/detail",
    "POST /api/files/rename",
    "GET /api/diff",
    "POST /api/hashes",
    "GET /api/hashes",
    "GET /api/hashes/coverage",
    "GET /api/hashes/{id}",
    "POST /api/hashes/{id}/cancel",
    "GET /api/scrub",
    "POST /api/scrub/heal",
    "POST /api/scrub/accept",
    "GET /api/duplicates",
    "POST /api/duplicates/scans",
    "GET /api/duplicates/scans",
    "GET /api/duplicates/scans/{id}",
    "POST /api/duplicates/scans/{id}/cancel",
    "POST /api/duplicates/resolve",
    "POST /api/downloads",
    "GET /api/transfers",
    "POST /api/transfers",
    "GET /api/transfers/{id}",
    "POST /api/transfers/{id}/cancel",
    "POST /api/transfers/{id}/retry",
    "POST /api/transfers/{id}/pause",
    "POST /api/transfers/{id}/resume",
    "POST /api/transfers/{id}/first",
    "POST /api/transfers/{id}/up",
    "POST /api/transfers/{id}/down",
    "POST /api/transfers/{id}/last",
    "GET /api/batches",
    "GET /api/batches/{id}",
    "POST /api/batches/{id}/cancel",
    "POST /api/batches/{id}/undo",
    "POST /api/batches/{id}/retry-failed",
    "GET /api/models",
    "GET /api/models/facets",
    "GET /api/models/{id}",
    "POST /api/models/{id}/rename",
    "PUT /api/models/{id}/notes",
    "PUT /api/models/{id}/preview",
    "GET /api/models/filters",
    "PUT /api/models/filters/{name}",
    "DELETE /api/models/filters/{name}",
    "GET /api/models/reads",
    "POST /api/models/reads",
    "GET /api/models/reads/{id}",
    "POST /api/models/reads/{id}/cancel",
    "GET /api/queue",
    "POST /api/queue/pause",
    "POST /api/queue/resume",
    "DELETE /api/queue/finished",
    "POST /api/queue/retry-failed",
    "GET /api/evictions/candidates",
    "GET /api/evictions",
    "POST /api/evictions",
    "POST /api/evictions/restore",
    "GET /api/space",
    "GET /api/trash",
    "POST /api/trash/restore",
    "POST /api/trash/empty",
    "GET /api/mirrors",
    "POST /api/mirrors",
    "GET /api/mirrors/{id}",
    "GET /api/mirrors/{id}/items",
    "POST /api/mirrors/{id}/apply",
    "GET /api/sources",
    "GET /api/sources/check",
    "POST /api/sources/check",
    "POST /api/sources/check/cancel",
    "GET /api/sources/coverage",
    "GET /api/sources/discover",
    "POST /api/sources/discover",
    "GET /api/sources/discover/{id}",
    "POST /api/sources/discover/{id}/cancel",
    "GET /api/lookups",
    "POST /api/downloads/look",
    "GET /api/sources/{hash}",
    "PUT /api/sources/{hash}",
    "DELETE /api/sources/{hash}",
    "POST /api/remote/session",
    "GET /api/remote/session",
    "DELETE /api/remote/session",
    "POST /api/remote/session/extend",
    "GET /api/remote/session/self-test",
    "GET /api/remote/agents",
    "GET /api/remote/agents/{id}",
    "DELETE /api/remote/agents/{id}",
    "GET /api/remote/agents/{id}/inventory",
    "GET /api/remote/agents/{id}/extra_model_paths.yaml",
    "POST /api/remote/jobs",
    "GET /api/remote/jobs",
    "POST /api/remote/jobs/preview",
    "GET /api/remote/jobs/{id}",
    "POST /api/remote/jobs/{id}/cancel",
    "POST /api/remote/jobs/{id}/retry",
    "GET /api/history",
    "GET /api/logs",
    "GET /api/openapi.json",
    "GET /ws/events",
];

fn description() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

/// Each operation as "METHOD /path".
fn described() -> BTreeSet<String> {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
        methods.map(move |method| format!("{method} {path}"))
    });
    operations.collect()
}

#[test]
fn what_is_built_is_what_was_promised() {
    assert_eq!(described(), PROMISED.iter().map(|route| (*route).to_owned()).collect());
}

#[tokio::test]
async fn every_described_operation_is_routed_and_no_other_method_is() {
    let hub = TestHub::bare().await;
    let described = described();
    let paths: BTreeSet<&str> = described.iter().map(|route| route.split_once(' ').unwrap().1).collect();
    for path in paths {
        let asked = path.replace("{id}", "999999").replace("{hash}", &format!("blake3:{}", "0".repeat(64)));
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let answered = hub.ask(method, &asked, None).await;
            let is_described = described.contains(&format!("{method} {path}"));
            let is_routed = answered.status != StatusCode::METHOD_NOT_ALLOWED
                && !answered.body["detail"].as_str().is_some_and(|detail| detail.starts_with("There is nothing at"));
            assert_eq!(is_routed, is_described, "{method} {path}: {} {}", answered.status, answered.body);
        }
    }
}

#[tokio::test]
async fn the_description_is_served_as_printed() {
    assert_eq!(TestHub::bare().await.get("/api/openapi.json").await, description());
}

#[test]
fn every_operation_says_what_it_answers() {
    let description = description();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let text = operation["summary"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{method} {path} has no summary");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2') || status == "101"), "{method} {path}");
            for (status, response) in responses {
                assert!(!response["description"].as_str().unwrap().is_empty(), "{method} {path} {status}");
                if status.starts_with(['4', '5', 'd']) {
                    let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
                }
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str() {
                        Some(target) if name == "$ref" => found.push(target),
                        _ => walk(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let description = description();
    let mut references = Vec::new();
    walk(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}
