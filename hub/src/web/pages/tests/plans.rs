//! Making a plan, its page, and carrying it out from there.

use axum::http::StatusCode;

use super::{browse, submit};
use crate::domain::root::Root;
use crate::web::live::Topic;
use crate::web::test_hub::TestHub;

async fn differing(settings: &[(&str, &str)]) -> TestHub {
    let hub = TestHub::with(settings).await;
    hub.put(Root::Lake, "loras/<i>new.safetensors".replace(['<', '>'], "&").as_str(), b"new");
    hub.put(Root::Lake, "vae/both.pt", b"the Lake's");
    hub.put(Root::Local, "vae/both.pt", b"mine");
    hub.put(Root::Local, "vae/old.pt", b"only here");
    hub.scan().await;
    hub
}

/// Makes a plan for Local and tells its page.
async fn made(hub: &TestHub, fields: &[(&str, &str)]) -> String {
    let before = hub.get("/api/mirrors?limit=1").await["total"].as_u64().unwrap();
    let all = [&[("from", "lake"), ("overwrite", "on")], fields].concat();
    let (status, answer) = submit(hub, "/ui/plans", &all).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    let plans = hub.get("/api/mirrors?limit=1").await;
    assert_eq!(plans["total"], before + 1);
    format!("/plans/{}", plans["items"][0]["id"])
}

#[tokio::test]
async fn a_plan_is_made_looked_at_and_carried_out() {
    let hub = differing(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    let (_, dialog) = browse(&hub, "/ui/plans/new?folder=vae").await;
    assert!(dialog.contains("value=\"vae\"") && dialog.contains("nothing may be deleted in the Lake"), "{dialog}");
    let address = made(&hub, &[("delete", "on"), ("compare", "size_mtime")]).await;
    let (status, html) = browse(&hub, &address).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    assert!(html.contains("Make Local like the Lake") && html.contains("Type “DELETE 1” to go on"), "{html}");
    assert!(html.contains("&amp;i&amp;new.safetensors") && html.contains("of which no other copy is known"), "{html}");
    let (_, deletes) = browse(&hub, &format!("{address}?action=delete")).await;
    let rows = deletes.split("<tbody").nth(1).unwrap();
    assert!(rows.contains("old.pt") && !rows.contains("both.pt"), "{rows}");

    let apply = format!("/ui{address}/apply");
    for fields in [&[("typed", "DELETE 1")][..], &[("last_copies", "on")], &[("typed", "1"), ("last_copies", "on")]] {
        let (status, refused) = submit(&hub, &apply, fields).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    }
    assert!(hub.folders.local.path().join("vae/old.pt").exists());
    let (status, _) = submit(&hub, &apply, &[("typed", "DELETE 1"), ("last_copies", "on")]).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    hub.wait_for("/api/batches/1", |batch| batch["n_open"] == 0).await;
    assert!(!hub.folders.local.path().join("vae/old.pt").exists());
    let (_, batch) = browse(&hub, "/batches/1").await;
    assert!(batch.contains("make Local like Lake") && batch.contains(&format!("href=\"{address}\"")), "{batch}");
    let (_, html) = browse(&hub, &address).await;
    assert!(html.contains("href=\"/batches/1\"") && !html.contains("id=\"apply\""), "{html}");

    let address = made(&hub, &[("delete", "on")]).await;
    let (_, html) = browse(&hub, &address).await;
    assert!(html.contains("Nothing to do") && !html.contains("id=\"apply\""), "{html}");
}

#[tokio::test]
async fn a_stale_plan_offers_a_new_one_and_nothing_else() {
    let hub = differing(&[("LOCAL_ALLOW_DELETE", "true")]).await;
    let address = made(&hub, &[]).await;
    hub.put(Root::Lake, "loras/more.safetensors", b"more");
    hub.scan().await;
    let (_, html) = browse(&hub, &address).await;
    assert!(html.contains("Preview it again") && !html.contains("id=\"apply\""), "{html}");
    let (status, refused) = submit(&hub, &format!("/ui{address}/apply"), &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert!(refused.contains("have changed since"), "{refused}");
    assert_eq!(hub.get("/api/batches").await["total"], 0);
}

#[tokio::test]
async fn where_nothing_may_be_deleted_differing_files_stay() {
    let hub = differing(&[]).await;
    let (status, refused) = submit(&hub, "/ui/plans", &[("from", "lake"), ("delete", "on")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert!(refused.contains("LOCAL_ALLOW_DELETE"), "{refused}");
    let address = made(&hub, &[]).await;
    let (_, html) = browse(&hub, &address).await;
    assert!(html.contains("this plan replaces nothing") && html.contains("Apply to 1 file"), "{html}");
}

#[tokio::test]
async fn its_page_listens_and_has_a_place_for_every_piece() {
    let hub = differing(&[]).await;
    let address = made(&hub, &[]).await;
    let (_, html) = browse(&hub, &address).await;
    let topics = html.split("/ws/ui?topics=").nth(1).unwrap().split('"').next().unwrap();
    for topic in Topic::read(topics).unwrap() {
        for piece in topic.pieces(&hub.state).await.unwrap() {
            assert!(html.contains(&format!("id=\"{}\"", piece.id)), "no place {}", piece.id);
        }
        if let Some(list) = topic.list() {
            assert!(html.contains(&format!("{list}-changed from:body")), "does not listen for {list}");
        }
    }
    let (status, piece) = browse(&hub, &format!("/ui{address}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(piece.contains("What happens to which file"), "{piece}");
    assert_eq!(browse(&hub, "/plans/99").await.0, StatusCode::NOT_FOUND);
    assert_eq!(submit(&hub, &format!("/ui{address}/hash"), &[]).await.0, StatusCode::OK);
}

/// Where the disk tells `A` from `a`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_plan_leads_to_the_rename_that_ends_a_conflict() {
    let hub = TestHub::with(&[("LAKE_ALLOW_DELETE", "true")]).await;
    for path in ["vae/Foo.pt", "vae/foo.pt"] {
        hub.put(Root::Lake, path, path.as_bytes());
    }
    hub.scan().await;
    let address = made(&hub, &[]).await;
    let (_, html) = browse(&hub, &address).await;
    let link = "/library?folder=vae&amp;open=vae/Foo.pt&amp;root=lake";
    assert!(html.contains(&format!("href=\"{link}\"")) && html.contains("Rename…"), "{html}");
    let (_, html) = browse(&hub, &link.replace("&amp;", "&")).await;
    assert!(html.contains("Rename to Foo (2).pt") && html.contains("Beside it:"), "{html}");
    let (status, dialog) = browse(&hub, "/ui/rename/confirm?root=lake&path=vae/Foo.pt").await;
    assert_eq!(status, StatusCode::OK, "{dialog}");
    assert!(dialog.contains("value=\"vae/Foo (2).pt\"") && dialog.contains("Nothing is overwritten"), "{dialog}");
    let fields = [("root", "lake"), ("path", "vae/Foo.pt"), ("to", "vae/Foo (2).pt")];
    let (status, answer) = submit(&hub, "/ui/rename", &fields).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer.contains("/ui/batches/1/undo") && answer.contains("Renaming to Foo (2).pt"), "{answer}");
    hub.wait_for("/api/batches/1", |batch| batch["n_open"] == 0).await;
    let (status, refused) = submit(&hub, "/ui/rename", &fields).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert_eq!(browse(&hub, "/ui/rename/confirm?root=lake&path=vae/foo.pt").await.0, StatusCode::CONFLICT);
    let (_, html) = browse(&hub, "/diff?status=conflict").await;
    assert!(!html.contains("foo.pt"), "{html}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_no_name_may_go_the_rename_says_why() {
    let hub = TestHub::with(&[]).await;
    for path in ["vae/Foo.pt", "vae/foo.pt"] {
        hub.put(Root::Lake, path, path.as_bytes());
    }
    hub.scan().await;
    let (_, html) = browse(&hub, "/library?root=lake&folder=vae&open=vae/Foo.pt").await;
    let button = html.split("Rename to").next().unwrap().rsplit("<button").next().unwrap();
    assert!(button.contains("disabled") && button.contains("LAKE_ALLOW_DELETE"), "{button}");
}
