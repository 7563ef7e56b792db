//! What people do with many transfers at once. They are worked through in groups, each a commit of its
//! own: the queue goes on meanwhile, memory holds one group, and what a kill leaves undone can be asked
//! for again.

use super::{Queue, conflict, summary};
use crate::domain::ids::BatchId;
use crate::domain::size::counted;
use crate::domain::transfer;
use crate::services::{Event, ServiceError};
use crate::storage::queue::failures::{self, FailedFilter};
use crate::storage::queue::row::{self, Of};
use crate::storage::queue::{batches, outcome};
use crate::storage::{StorageError, now_ms};

/// Transfers of one commit.
const GROUP: u32 = 500;

/// What failed and could be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedTotals {
    pub n: u64,
    pub size_bytes: u64,
}

impl Queue {
    /// Drops all transfers of a batch that have not ended.
    pub async fn cancel_batch(&self, batch: BatchId) -> Result<u64, ServiceError> {
        let this = self.clone();
        let n = self.blocking(move || cancel(&this, batch)).await?;
        self.changed(batch);
        self.events.send(Event::HistoryAdded);
        Ok(n)
    }

    /// What failed of a batch, or of all that the queue lists.
    pub async fn failed(&self, batch: Option<BatchId>) -> Result<FailedTotals, ServiceError> {
        let filter = FailedFilter { batch, until: now_ms() };
        let (n, size_bytes) = self
            .database
            .read(move |connection| match batch {
                Some(batch) if !batches::exists(connection, batch)? => Err(StorageError::Missing("batch")),
                _ => failures::totals(connection, &filter),
            })
            .await?;
        Ok(FailedTotals { n, size_bytes })
    }

    /// Tries everything again that failed, of a batch or of all that the queue lists. With a number that
    /// was shown to a person, only if it is still that many.
    pub async fn retry_failed(&self, batch: Option<BatchId>, shown: Option<u64>) -> Result<u64, ServiceError> {
        let found = self.failed(batch).await?;
        if shown.is_some_and(|shown| shown != found.n) {
            let text = format!("By now {} failed. Close this and look again.", n_transfers(found.n));
            return Err(conflict(&text));
        }
        let this = self.clone();
        let (n, touched) = self.blocking(move || retry(&this, batch)).await?;
        for batch in touched {
            self.changed(batch);
        }
        self.events.send(Event::HistoryAdded);
        Ok(n)
    }
}

fn n_transfers(n: u64) -> String {
    if n == 1 { "1 transfer has".to_owned() } else { format!("{n} transfers have") }
}

fn cancel(queue: &Queue, batch: BatchId) -> Result<u64, ServiceError> {
    if !queue.database.read_blocking(|connection| batches::exists(connection, batch))? {
        return Err(StorageError::Missing("batch").into());
    }
    let policy = queue.policy();
    let (mut n, mut behind) = (0, None);
    loop {
        let (stepped, end) = queue.database.write_blocking(|tx| {
            let open = row::of_batch(tx, batch, Of::Open, behind, GROUP)?;
            let mut stepped = Vec::new();
            for row in &open {
                stepped.extend(outcome::apply(tx, row.id, transfer::TransferEvent::Cancel, None, &policy)?);
            }
            summary::tell(tx, &stepped)?;
            Ok((stepped, open.last().map(|row| row.id)))
        })?;
        for one in &stepped {
            queue.run_effects(one);
        }
        n += stepped.len() as u64;
        if end.is_none() {
            return Ok(n);
        }
        behind = end;
    }
}

/// Tells how many, and the batches that they belong to.
fn retry(queue: &Queue, batch: Option<BatchId>) -> Result<(u64, Vec<BatchId>), ServiceError> {
    let policy = queue.policy();
    // What is tried again and fails again meanwhile is not tried once more.
    let filter = FailedFilter { batch, until: now_ms() };
    let touched = queue.database.write_blocking(|tx| {
        let found = failures::by_batch(tx, &filter)?;
        for (batch, n) in &found {
            summary::again(tx, *batch, &counted(*n, "failed file"))?;
        }
        Ok(found.into_iter().map(|(batch, _)| batch).collect())
    })?;
    let (mut n, mut behind) = (0, None);
    loop {
        let (done, end) = queue.database.write_blocking(|tx| {
            let page = failures::page(tx, &filter, behind, GROUP)?;
            let mut done = 0;
            for id in &page {
                done += u64::from(outcome::apply(tx, *id, transfer::TransferEvent::Retry, None, &policy)?.is_ok());
            }
            Ok((done, page.last().copied()))
        })?;
        n += done;
        if end.is_none() {
            return Ok((n, touched));
        }
        behind = end;
    }
}
