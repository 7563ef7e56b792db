//! What an open page is told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]

use super::*;
use crate::domain::ids::TransferId;
use crate::domain::root::Root;
use crate::web::test_hub::TestHub;
use strum::VariantArray as _;

#[tokio::test]
async fn a_page_gets_everything_at_first_and_then_only_what_differs() {
    let hub = TestHub::bare().await;
    let mut page = LivePage::new(Topic::read("strip,load,diff").unwrap());
    assert!(page.is_pending());
    let first = page.messages(&hub.state).await;
    assert!(first[0].contains(&hub.state.token.launch()), "{first:?}");
    assert!(first[1].contains("#strip") && first[1].contains("#home-queue"), "{first:?}");
    assert!(!page.is_pending());

    page.add(Event::QueueChanged);
    assert!(page.is_pending());
    assert_eq!(page.messages(&hub.state).await, Vec::<String>::new(), "nothing differs");

    hub.state.services.queue.pause_all().await.unwrap();
    page.add(Event::QueueChanged);
    let paused = page.messages(&hub.state).await;
    assert!(paused[0].contains("#home-queue"), "{paused:?}");
}

#[tokio::test]
async fn lists_are_named_and_fetch_themselves() {
    let hub = TestHub::bare().await;
    let mut page = LivePage::new(Topic::read("diff,history").unwrap());
    let first = page.messages(&hub.state).await;
    let lists = r#"{"changed":["diff","history"]}"#;
    assert!(first.contains(&lists.to_owned()), "what changed before the page listened: {first:?}");
    page.add(Event::RootChanged(Root::Local));
    page.add(Event::TransferChanged(TransferId(1)));
    assert!(!page.is_pending(), "neither is on this page");
    page.add(Event::PairsChanged);
    page.add(Event::PairsChanged);
    page.add(Event::HistoryAdded);
    assert_eq!(page.messages(&hub.state).await, [r#"{"changed":["diff","history"]}"#]);
    page.everything();
    assert_eq!(page.messages(&hub.state).await, [r#"{"changed":["diff","history"]}"#]);
}

#[test]
fn every_event_that_a_list_hears_is_one_of_its_topic() {
    assert!(Topic::read("strip,nothing").is_err());
    for topic in Topic::VARIANTS.iter().copied() {
        assert_eq!(Topic::read(topic.into()).unwrap(), [topic]);
    }
}
