use super::*;
use crate::domain::background::WorkState;
use crate::services::{Services, Tasks};

async fn ended(indexer: &Indexer, id: BackgroundJobId) -> ScanView {
    loop {
        let scan = indexer.show(id).await.unwrap();
        if scan.job.state.is_final() {
            return scan;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_scan_that_waits_for_its_turn_can_be_cancelled() {
    let tasks = Tasks::new();
    let services = Services::for_tests(&tasks).await;
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path().display().to_string());
    services.save_settings([("LOCAL_MODELS_ROOT".to_owned(), path)].into(), &tasks).await.unwrap();
    let indexer = &services.indexer;
    let first = indexer.begin(vec![Root::Local]).await.unwrap();
    ended(indexer, first).await;
    // Nobody wakes the queue for it.
    let request = ScanRequest { roots: vec![Root::Local] };
    let waiting = services.database.write(move |tx| background::insert::<Scanning>(tx, &request)).await.unwrap().id;
    indexer.cancel(waiting).await.unwrap();
    let scan = indexer.show(waiting).await.unwrap();
    assert!(scan.job.state == WorkState::Cancelled && scan.job.finished_at.is_some(), "{scan:?}");
    assert!(indexer.cancel(waiting).await.is_err(), "it has ended");

    // Nobody is given the cancelled one, and its turn changes nothing any more.
    let next = indexer.begin(vec![Root::Local]).await.unwrap();
    assert_ne!(next, waiting);
    assert_eq!(ended(indexer, next).await.job.state, WorkState::Complete);
    assert_eq!(indexer.show(waiting).await.unwrap(), scan);
}
