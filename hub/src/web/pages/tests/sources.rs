//! The page of addresses, and the addresses in a file's details.

use axum::http::StatusCode;

use super::{browse, submit};
use crate::domain::root::Root;
use crate::web::test_hub::TestHub;

const ADD: &str = "/ui/sources/add";

/// A hub with one hashed file on the Lake.
async fn hashed() -> (TestHub, String) {
    let hub = TestHub::with(&[]).await;
    hub.put(Root::Lake, "loras/x.safetensors", b"model");
    hub.scan().await;
    let asked = hub.ask("POST", "/api/hashes", Some(serde_json::json!({ "root": "lake" }))).await;
    hub.wait_for(&format!("/api/hashes/{}", asked.body["id"]), |job| job["state"] == "complete").await;
    (hub, format!("blake3:{}", blake3::hash(b"model").to_hex()))
}

#[tokio::test]
async fn an_address_is_added_shown_and_removed() {
    let (hub, hash) = hashed().await;
    let (_, html) = browse(&hub, "/sources").await;
    assert!(html.contains("No addresses yet"), "{html}");
    let (_, dialog) = browse(&hub, &format!("{ADD}?hash={hash}")).await;
    assert!(dialog.contains("x.safetensors") && dialog.contains(&hash), "{dialog}");

    let url = "https://a.example/x?type=Model&format=<b>";
    let (status, html) = submit(&hub, ADD, &[("hash", &hash), ("url", url)]).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    let (_, html) = browse(&hub, "/sources").await;
    let shown = "https://a.example/x?type=Model&amp;format=%3Cb%3E";
    assert!(html.contains(&format!("href=\"{shown}\" rel=\"noreferrer\"")), "{html}");
    assert!(
        html.contains("Not checked") && html.contains("added by hand") && html.contains("open=loras/x.safetensors")
    );
    for (query, is_there) in
        [("?show=unchecked", true), ("?show=ok", false), ("?show=trouble", false), ("?q=a.example", true)]
    {
        let (_, html) = browse(&hub, &format!("/sources{query}")).await;
        assert_eq!(html.contains(shown), is_there, "{query}");
        assert_eq!(html.contains("No match"), !is_there, "{query}");
    }

    let form = [("hash", hash.as_str()), ("url", "https://a.example/x?type=Model&format=%3Cb%3E")];
    let (status, html) = submit(&hub, "/ui/sources/remove", &form).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    let undo = html.split("hx-post=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(browse(&hub, "/sources").await.1.contains("No addresses yet"));
    assert_eq!(submit(&hub, &undo, &[]).await.0, StatusCode::OK);
    assert!(browse(&hub, "/sources").await.1.contains(shown));
}

#[tokio::test]
async fn a_wrong_address_is_told_in_the_dialog() {
    let (hub, hash) = hashed().await;
    for (hash, url, says) in [
        (hash.as_str(), "https://civitai.com/x?token=abc", "token"),
        (&hash, "http://a.example/x", "https://"),
        ("blake3:xyz", "https://a.example/x", "64 digits"),
        (&"0".repeat(64), "https://a.example/x", "No file of either folder"),
    ] {
        let (status, html) = submit(&hub, ADD, &[("hash", hash), ("url", url)]).await;
        assert_eq!((status, html.contains(says)), (StatusCode::UNPROCESSABLE_ENTITY, true), "{url}: {html}");
        assert!(!html.contains("abc"), "{html}");
    }
}

#[tokio::test]
async fn a_files_details_show_its_addresses_and_take_one() {
    let (hub, hash) = hashed().await;
    let library = "/library?root=lake&open=loras/x.safetensors";
    let (_, html) = browse(&hub, library).await;
    assert!(html.contains(&format!("/ui/sources/add?drawer=1&amp;hash={hash}")), "{html}");
    let form = [("hash", hash.as_str()), ("url", "https://a.example/x"), ("drawer", "1")];
    let (status, answer) = submit(&hub, ADD, &form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.contains("hx-target=\"#drawer-sources\"") && answer.contains("https://a.example/x"), "{answer}");
    let (_, html) = browse(&hub, library).await;
    assert!(html.contains("id=\"drawer-sources\"") && html.contains("href=\"https://a.example/x\""), "{html}");
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_told_on_the_page() {
    let (hub, _) = hashed().await;
    hub.put(Root::Lake, ".model_sources.json", b"{\"version\": 7, \"models\": {}}");
    let (status, html) = browse(&hub, "/sources").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("id=\"sources-problem\"") && html.contains("its version is 7"), "{html}");
    std::fs::remove_dir_all(hub.folders.get(Root::Lake).path()).unwrap();
    hub.state.services.roots.refresh(&hub.state.tasks).await;
    let (status, html) = browse(&hub, "/sources").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("Lake can&#39;t be reached") && html.contains("data-action=\"add\" disabled"), "{html}");
}
