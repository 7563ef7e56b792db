//! The page of duplicates, its dialog and what is confirmed there.

use axum::http::StatusCode;
use serde_json::json;

use super::{browse, field, submit};
use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

/// Two groups on Local, one of them with a third copy on the Lake.
async fn searched() -> TestHub {
    let hub = TestHub::with(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    for n in 0..40 {
        hub.put(Root::Local, &format!("other/{n}"), &vec![7; 100 + n]);
    }
    for path in ["a/big", "b/longer/big"] {
        hub.put(Root::Local, path, &[1; 5_000]);
    }
    hub.put(Root::Lake, "big", &[1; 5_000]);
    for path in ["a/small", "c/longer/small"] {
        hub.put(Root::Local, path, &[2; 50]);
    }
    hub.scan().await;
    let asked = hub.ask("POST", "/api/duplicates/scans", Some(json!({"roots": ["local", "lake"]}))).await;
    let path = format!("/api/duplicates/scans/{}", asked.body["id"]);
    hub.wait_for(&path, |scan| scan["state"] == "complete").await;
    hub
}

fn hex(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

#[tokio::test]
async fn groups_are_shown_with_the_file_that_stays() {
    let hub = searched().await;
    let (status, html) = browse(&hub, "/duplicates").await;
    assert_eq!(status, StatusCode::OK);
    let (big, small) = (html.find("a/big").unwrap(), html.find("a/small").unwrap());
    assert!(big < small, "what wastes most comes first");
    assert_eq!(html.matches("Stays</span>").count(), 2, "one of each group");
    let (_, both) = browse(&hub, "/duplicates?view=both&keep=lake").await;
    assert!(both.contains("title=\"big\""), "the Lake's copy is in this view");
    let (_, weights) = browse(&hub, "/duplicates?view=weights").await;
    assert!(!weights.contains("data-tick ") && weights.contains("No duplicates here"));
    let (_, bare) = browse(&TestHub::with(&[]).await, "/duplicates").await;
    assert!(bare.contains("Not looked for yet"));
}

#[tokio::test]
async fn a_group_is_resolved_with_the_file_chosen_by_hand() {
    let hub = searched().await;
    let id = hex(&[2; 50]);
    let address = format!("/ui/duplicates/confirm?view=local&action=delete&group={id}");
    let (status, html) = browse(&hub, &address).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    assert!(html.contains("Delete 1 copy?") && html.contains("value=\"local:c/longer/small\""));
    let fingerprint = field(&html, "fingerprint");
    let fields = [
        ("view", "local"),
        ("action", "delete"),
        ("group", id.as_str()),
        ("fingerprint", fingerprint.as_str()),
        ("stays", "local:c/longer/small"),
    ];
    let (status, html) = submit(&hub, "/ui/duplicates/resolve", &fields).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    assert!(html.contains("Deleting 1 copy"));
    hub.wait_for("/api/batches/1", |batch| batch["n_completed"] == 1).await;
    let local = hub.folders.local.path();
    assert!(!local.join("a/small").exists() && local.join("c/longer/small").exists());
    let (status, _) = submit(&hub, "/ui/duplicates/resolve", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "it is no group any more");
}

#[tokio::test]
async fn all_that_is_ticked_goes_by_the_rule_and_nothing_else() {
    let hub = searched().await;
    let ticks = json!([hex(&[1; 5_000]), hex(&[2; 50])]).to_string();
    let tick =
        [("scope", "duplicates"), ("filter", "?view=local"), ("items", ticks.as_str()), ("on", "1"), ("s", "abc")];
    let (status, bar) = submit(&hub, "/ui/selection", &tick).await;
    assert_eq!(status, StatusCode::OK, "{bar}");
    assert!(bar.contains("2 groups") && bar.contains("Plan removal"));
    let (_, html) = browse(&hub, "/ui/duplicates/confirm?view=local&action=delete&s=abc").await;
    assert!(html.contains("Delete 2 copies?"), "{html}");
    let fingerprint = field(&html, "fingerprint");
    let confirmed = [("view", "local"), ("action", "delete"), ("s", "abc"), ("fingerprint", fingerprint.as_str())];

    // A file that changed meanwhile makes it another plan.
    hub.put(Root::Local, "a/small", &[3; 60]);
    hub.scan().await;
    let (status, html) = submit(&hub, "/ui/duplicates/resolve", &confirmed).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html.contains("have changed since"), "{html}");
    assert_eq!(hub.get("/api/batches").await["total"], 0);

    let (_, html) = browse(&hub, "/ui/duplicates/confirm?view=local&action=delete&s=abc").await;
    let fingerprint = field(&html, "fingerprint");
    let confirmed = [("view", "local"), ("action", "delete"), ("s", "abc"), ("fingerprint", fingerprint.as_str())];
    let (status, html) = submit(&hub, "/ui/duplicates/resolve", &confirmed).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    hub.wait_for("/api/batches/1", |batch| batch["n_completed"] == 1).await;
    let local = hub.folders.local.path();
    assert!(local.join("a/big").exists() && !local.join("b/longer/big").exists());
    assert!(local.join("a/small").exists() && local.join("c/longer/small").exists());
}

#[tokio::test]
async fn what_the_lake_loses_has_to_be_typed_and_allowed() {
    let hub = searched().await;
    let id = hex(&[1; 5_000]);
    let address = format!("/ui/duplicates/confirm?view=both&keep=local&action=delete&group={id}");
    let (_, html) = browse(&hub, &address).await;
    assert!(html.contains("DELETE 2") && html.contains("LAKE_ALLOW_DELETE"), "{html}");
    let fingerprint = field(&html, "fingerprint");
    let mut fields = vec![
        ("view", "both"),
        ("keep", "local"),
        ("action", "delete"),
        ("group", id.as_str()),
        ("fingerprint", fingerprint.as_str()),
    ];
    let (status, html) = submit(&hub, "/ui/duplicates/resolve", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html.contains("words"), "{html}");
    fields.push(("typed", "DELETE 2"));
    let (status, html) = submit(&hub, "/ui/duplicates/resolve", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "the words alone don't allow it");
    assert!(html.contains("LAKE_ALLOW_DELETE"), "{html}");
    let across = format!("/ui/duplicates/confirm?view=both&action=hardlink&group={id}");
    assert!(browse(&hub, &across).await.1.contains("need one volume"));
}
