//! One attempt: a request, and its body cut into blocks that are verified and written while the next one comes.
//!
//! At most two blocks of a connection are in memory. An attempt ends when its body does, when nobody wants the
//! rest, when nothing comes for too long, or when too little comes. A full disk does not end it: the block
//! in hand waits for room, so nothing is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shared_protocol::groups::GROUP_BYTES;
use tokio::task::JoinHandle;

use super::Download;
use super::attempt_error::AttemptError;
use super::source_client::{FailedAttempt, OpenBody, SourceClient, WantedRange, waited_for};
use crate::error::FileError;
use crate::http::HttpFailure;

/// Who takes blocks.
pub(super) trait BlockSink: Send + Sync + 'static {
    /// Whether the block at this offset is still wanted.
    fn wants(&self, offset: u64) -> bool;
    /// Behind the last byte that is still wanted.
    fn end(&self) -> u64;
    /// The source can't send a part: everything comes.
    fn expect_all(&self);
    /// Verifies a block and writes it; whether it was new. Blocks the thread.
    ///
    /// A new one is counted for its source before anyone can see that it is there: who waits for the last
    /// one reads the counters at once, and the attempt that brought it is given up.
    fn accept_block(&self, offset: u64, bytes: &[u8]) -> Result<bool, BlockError>;
}

/// Why a block was not taken.
#[derive(Debug)]
pub(super) enum BlockError {
    /// It is not what it should be.
    Wrong,
    /// It can't be written.
    Disk(FileError),
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum AttemptEnd {
    /// What was asked for came, or is not wanted any more.
    Done,
    /// The source is at fault.
    Failed(FailedAttempt),
    /// This machine is.
    Disk(FileError),
}

type WrittenBlock = (Vec<u8>, Result<bool, BlockError>);

/// A block on its way to the disk.
struct Writing {
    offset: u64,
    task: JoinHandle<WrittenBlock>,
}

struct Attempt<'a> {
    download: &'a Download,
    client: &'a SourceClient,
    sink: Arc<dyn BlockSink>,
    writing: Option<Writing>,
    spare: Option<Vec<u8>>,
    n_accepted: u64,
    floor: MinimumSpeed,
}

/// Asks a source once, and hands the blocks that come to the sink.
pub(super) async fn run_attempt(
    download: &Download,
    client: &SourceClient,
    wanted: WantedRange,
    sink: Arc<dyn BlockSink>,
) -> AttemptEnd {
    let stall = download.stall();
    let OpenBody { response, body } = match client.open_range(download, wanted, stall).await {
        Ok(opened) => opened,
        Err(failed) => return AttemptEnd::Failed(failed),
    };
    if body.is_whole
        && !client.is_whole.load(Ordering::Relaxed)
        && (wanted.from > 0 || wanted.to < download.order.size_bytes)
    {
        if client.is_whole.swap(true, Ordering::Relaxed) {
            // Another connection found it out, too, and reads on.
            return AttemptEnd::Done;
        }
        sink.expect_all();
    }
    let floor = MinimumSpeed::new(stall, download.order.policy.min_speed);
    let mut attempt = Attempt { download, client, sink, writing: None, spare: None, n_accepted: 0, floor };
    let read = attempt.read(response, body.start, body.end).await;
    // What came whole before the end counts, whatever the end was.
    let written = attempt.wait_until_written().await;
    match written.and(read) {
        Ok(()) if attempt.n_accepted == 0 && attempt.sink.wants(wanted.from) => {
            attempt.failed(AttemptError::retry("wrong_range", "it sends less at a time than can be verified"))
        }
        Ok(()) => AttemptEnd::Done,
        Err(end) => end,
    }
}

impl Attempt<'_> {
    async fn read(&mut self, mut response: reqwest::Response, mut at: u64, body_end: u64) -> Result<(), AttemptEnd> {
        let size = self.download.order.size_bytes;
        let mut block = Vec::new();
        let mut is_wanted = false;
        let result = loop {
            if at >= body_end || at >= self.sink.end() {
                break Ok(());
            }
            let mut chunk = match tokio::time::timeout(self.download.stall(), response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break Err(self.failed(HttpFailure::Truncated.into())),
                Ok(Err(error)) => break Err(self.failed(HttpFailure::of(error).into())),
                Err(_) => {
                    break Err(self
                        .failed(AttemptError::stalled(format!("nothing for {} s", self.download.stall().as_secs()))));
                }
            };
            if !self.floor.is_kept(chunk.len() as u64, Instant::now()) {
                let floor = self.download.order.policy.min_speed;
                break Err(self.failed(AttemptError::stalled(format!("less than {floor} bytes a second"))));
            }
            while !chunk.is_empty() && at < size {
                let begin = at - at % GROUP_BYTES;
                let end = (begin + GROUP_BYTES).min(size);
                if at == begin {
                    is_wanted = self.sink.wants(at);
                    block = self.spare.take().unwrap_or(block);
                    block.clear();
                }
                let n = chunk.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
                let piece = chunk.split_to(n);
                if is_wanted {
                    block.extend_from_slice(&piece);
                } else {
                    self.count_wasted(n as u64);
                }
                at += n as u64;
                if at == end && is_wanted {
                    is_wanted = false;
                    self.submit_block(begin, std::mem::take(&mut block)).await?;
                }
            }
        };
        self.count_wasted(if is_wanted { block.len() as u64 } else { 0 });
        result
    }

    async fn submit_block(&mut self, offset: u64, block: Vec<u8>) -> Result<(), AttemptEnd> {
        self.wait_until_written().await?;
        self.writing = Some(self.write_block(offset, block));
        Ok(())
    }

    fn write_block(&self, offset: u64, block: Vec<u8>) -> Writing {
        let sink = Arc::clone(&self.sink);
        let task = tokio::task::spawn_blocking(move || {
            let result = sink.accept_block(offset, &block);
            (block, result)
        });
        Writing { offset, task }
    }

    /// Waits for the block that is being written.
    async fn wait_until_written(&mut self) -> Result<(), AttemptEnd> {
        while let Some(Writing { offset, task }) = self.writing.take() {
            // A task that was given up with the runtime.
            let Ok((block, result)) = task.await else { return Ok(()) };
            let n_bytes = block.len() as u64;
            match result {
                Ok(is_new) => {
                    self.n_accepted += 1;
                    if !is_new {
                        self.count_wasted(n_bytes);
                    }
                    self.spare = Some(block);
                }
                Err(BlockError::Wrong) => {
                    self.count_wasted(n_bytes);
                    return Err(self.failed(if self.client.has_changed.load(Ordering::Relaxed) {
                        AttemptError::last("changed", "its file is another one than before")
                    } else {
                        AttemptError::wrong_bytes(format!("wrong bytes in the MiB from {offset}"))
                    }));
                }
                Err(BlockError::Disk(error)) if error.is_full() => {
                    self.download.wait_for_room(&error).await;
                    self.floor = MinimumSpeed::new(self.download.stall(), self.download.order.policy.min_speed);
                    self.writing = Some(self.write_block(offset, block));
                }
                Err(BlockError::Disk(error)) => return Err(AttemptEnd::Disk(error)),
            }
        }
        Ok(())
    }

    fn failed(&self, error: AttemptError) -> AttemptEnd {
        let error = if self.client.is_hub() { waited_for(error) } else { error };
        AttemptEnd::Failed(FailedAttempt { error, is_redirected: false })
    }

    fn count_wasted(&self, n_bytes: u64) {
        self.client.wasted.fetch_add(n_bytes, Ordering::Relaxed);
    }
}

/// The least that has to come in each stretch of time.
#[derive(Debug)]
struct MinimumSpeed {
    stretch: Duration,
    least: u64,
    began: Instant,
    came: u64,
}

impl MinimumSpeed {
    fn new(stretch: Duration, per_second: u64) -> Self {
        let least = u64::try_from(u128::from(per_second) * stretch.as_millis() / 1_000).unwrap_or(u64::MAX);
        Self { stretch, least, began: Instant::now(), came: 0 }
    }

    fn is_kept(&mut self, n_bytes: u64, now: Instant) -> bool {
        self.came += n_bytes;
        if now.duration_since(self.began) < self.stretch {
            return true;
        }
        let is_kept = self.came >= self.least;
        (self.began, self.came) = (now, 0);
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_no_speed() {
        let mut floor = MinimumSpeed::new(Duration::from_secs(30), 10);
        let began = floor.began;
        assert!(floor.is_kept(1, began + Duration::from_secs(29)));
        assert!(!floor.is_kept(1, began + Duration::from_secs(31)));
        assert!(floor.is_kept(300, began + Duration::from_secs(62)));
    }
}
