//! After a scan: the search index and the orders of lists catch up, in small steps between which
//! others may write.

use super::Indexer;
use crate::domain::root::Root;
use crate::services::Event;
use crate::storage::{Database, StorageError, evictions, index, search};

pub(super) fn start(indexer: &Indexer) {
    let this = indexer.clone();
    indexer.context.tasks.spawn(async move {
        // What a killed hub left undone.
        this.reconcile.notify_one();
        loop {
            tokio::select! {
                () = this.reconcile.notified() => {}
                () = this.context.tasks.token().cancelled() => return,
            }
            // The comparison is what people wait for: it goes first.
            if let Err(error) = this.context.comparer.refresh().await {
                tracing::error!(%error, "the comparison could not be brought up to date");
            }
            match catch_up(&this).await {
                Ok(false) => {}
                Ok(true) => Root::ALL.into_iter().for_each(|root| this.context.events.send(Event::IndexChanged(root))),
                Err(error) => tracing::error!(%error, "the search index could not be brought up to date"),
            }
        }
    });
}

async fn catch_up(indexer: &Indexer) -> Result<bool, StorageError> {
    let database: &Database = &indexer.context.database;
    let mut worked = false;
    if database.read(evictions::any_returned).await? {
        worked = database.write(|tx| evictions::forget_returned(tx)).await? > 0;
    }
    if database.read(index::bulk::is_open).await? && indexer.current().is_none() {
        database.write(|tx| index::bulk::end(tx)).await?;
        worked = true;
    }
    while database.read(search::is_behind).await? {
        if indexer.context.tasks.token().is_cancelled() {
            return Ok(worked);
        }
        database.write(|tx| search::catch_up(tx)).await?;
        worked = true;
    }
    if worked {
        let database = database.clone();
        indexer.context.tasks.blocking(move || database.optimize_blocking()).await.transpose()?;
    }
    Ok(worked)
}
