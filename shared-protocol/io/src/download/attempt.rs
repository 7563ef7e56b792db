//! One attempt: a request, and its body cut into blocks that are verified and written while the next one comes.
//!
//! At most two blocks of a connection are in memory. An attempt ends when its body does, when nobody wants the
//! rest, when nothing comes for too long, or when too little comes and there is somebody else. Whatever its end, what
//! came of the last block is kept. A full disk does not end it: the block in hand waits for room, so nothing is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shared_protocol::groups::GROUP_BYTES;
use tokio::task::JoinHandle;

use super::Download;
use super::answer::{AnswerBody, not_a_file};
use super::attempt_error::AttemptError;
use super::lines::MinimumSpeed;
use super::page::LOOKED_AT;
use super::source_client::{FailedAttempt, OpenBody, SourceClient, WantedRange, waited_for};
use crate::error::FileError;
use crate::http::HttpFailure;

/// How often what came of a block is kept while the rest is on its way.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Who takes blocks.
pub(super) trait BlockSink: Send + Sync + 'static {
    /// Begins a block at this offset, and tells where it begins: further ahead, if `kept` was filled with what is
    /// there already. None if what is there does not reach so far, or nobody wants the block.
    fn open_block(&self, at: u64, kept: &mut Vec<u8>) -> Option<u64>;
    /// Behind the last byte that is still wanted.
    fn end(&self) -> u64;
    /// The source can't send a part: everything comes.
    fn expect_all(&self);
    /// So many bytes came of a block that is wanted.
    fn hear_bytes(&self, n_bytes: u64);
    /// Verifies a block and writes it. Blocks the thread.
    ///
    /// It is counted for its source before anyone can see that it is there: who waits for the last one reads the
    /// counters at once, and the attempt that brought it is given up.
    fn accept_block(&self, offset: u64, bytes: &[u8]) -> Result<(), BlockError>;
    /// Keeps what came of a block, unverified. Nothing depends on it, so what fails is passed over.
    fn keep_beginning(&self, offset: u64, bytes: &[u8]);
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

type WrittenBlock = (Vec<u8>, Result<(), BlockError>);

/// A block on its way to the disk.
struct Writing {
    offset: u64,
    task: JoinHandle<WrittenBlock>,
}

/// A block that comes.
struct Block {
    start: u64,
    bytes: Vec<u8>,
    /// How much of it is kept already.
    n_kept: usize,
    kept_at: Instant,
}

struct Attempt<'a> {
    download: &'a Download,
    client: &'a SourceClient,
    sink: Arc<dyn BlockSink>,
    /// None while what comes is not wanted.
    block: Option<Block>,
    writing: Option<Writing>,
    spare: Vec<u8>,
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
    let floor = MinimumSpeed::new(client.line.clone(), stall, download.order.policy.min_speed);
    let mut attempt = Attempt { download, client, sink, block: None, writing: None, spare: Vec::new(), floor };
    let read = attempt.read(response, body, wanted.from).await;
    // What came whole before the end counts, whatever the end was.
    let written = attempt.wait_until_written().await;
    match written.and(read) {
        Ok(()) => AttemptEnd::Done,
        Err(end) => end,
    }
}

impl Attempt<'_> {
    async fn read(&mut self, mut response: reqwest::Response, body: AnswerBody, from: u64) -> Result<(), AttemptEnd> {
        let (size, stall) = (self.download.order.size_bytes, self.download.stall());
        let (mut at, mut heard_at) = (body.start, Instant::now());
        self.open_block(at);
        while at < body.end && at < self.sink.end() {
            let mut chunk = match tokio::time::timeout(stall, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Err(self.failed(HttpFailure::Truncated.into(), heard_at)),
                Ok(Err(error)) => return Err(self.failed(HttpFailure::of(error).into(), heard_at)),
                Err(_) => {
                    let error = AttemptError::stalled(format!("nothing for {} s", stall.as_secs()));
                    return Err(self.failed(error, heard_at));
                }
            };
            heard_at = Instant::now();
            self.download.tools.pace.wait(chunk.len() as u64).await;
            self.client.line.add(chunk.len() as u64);
            self.client.heard.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            while !chunk.is_empty() && at < size {
                let group_end = (at - at % GROUP_BYTES + GROUP_BYTES).min(size);
                // Inside the group where one wanted to go on, only what is behind that is of use, unless all of it comes.
                let end = if self.block.is_none() && at < from && from < group_end { from } else { group_end };
                let n = chunk.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
                let piece = chunk.split_to(n);
                at += n as u64;
                let Some(block) = &mut self.block else {
                    self.client.wasted.fetch_add(n as u64, Ordering::Relaxed);
                    if at == end {
                        self.open_block(at);
                    }
                    continue;
                };
                block.bytes.extend_from_slice(&piece);
                self.sink.hear_bytes(n as u64);
                if let Some(kind) = body.page
                    && at - (n as u64) < LOOKED_AT as u64
                    && kind.begins(&block.bytes)
                {
                    self.block = None;
                    return Err(self.failed(not_a_file("by its first bytes"), heard_at));
                }
                if at == end {
                    self.submit_block().await?;
                    self.open_block(at);
                }
            }
            self.keep_now_and_then(heard_at);
            if let Some(since) = self.floor.missed(heard_at)
                && !self.client.may_be_slow.load(Ordering::Relaxed)
            {
                return Err(self.failed(AttemptError::slow(self.download.order.policy.min_speed), since));
            }
        }
        Ok(())
    }

    fn open_block(&mut self, at: u64) {
        if at >= self.download.order.size_bytes {
            return;
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        match self.sink.open_block(at, &mut bytes) {
            Some(start) => {
                self.block = Some(Block { start, n_kept: bytes.len(), bytes, kept_at: Instant::now() });
            }
            None => self.spare = bytes,
        }
    }

    fn keep_now_and_then(&mut self, now: Instant) {
        if let Some(block) = &mut self.block
            && block.n_kept < block.bytes.len()
            && now.duration_since(block.kept_at) >= KEEP_EVERY
        {
            self.sink.keep_beginning(block.start, &block.bytes);
            (block.n_kept, block.kept_at) = (block.bytes.len(), now);
        }
    }

    async fn submit_block(&mut self) -> Result<(), AttemptEnd> {
        self.wait_until_written().await?;
        if let Some(Block { start, bytes, .. }) = self.block.take() {
            self.writing = Some(self.write_block(start, bytes));
        }
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
            match result {
                Ok(()) => self.spare = block,
                Err(BlockError::Wrong) => {
                    let error = if self.client.has_changed.load(Ordering::Relaxed) {
                        AttemptError::last("changed", "its file is another one than before")
                    } else {
                        AttemptError::wrong_bytes(format!("wrong bytes in the MiB from {offset}"))
                    };
                    // What came behind them is not worth keeping.
                    self.block = None;
                    return Err(self.failed(error, Instant::now()));
                }
                Err(BlockError::Disk(error)) if error.is_full() => {
                    self.download.wait_for_room(&error).await;
                    self.floor.restart(Instant::now());
                    self.writing = Some(self.write_block(offset, block));
                }
                Err(BlockError::Disk(error)) => return Err(AttemptEnd::Disk(error)),
            }
        }
        Ok(())
    }

    fn failed(&self, error: AttemptError, since: Instant) -> AttemptEnd {
        let error = if self.client.is_hub() { waited_for(error) } else { error };
        AttemptEnd::Failed(FailedAttempt { error, is_redirected: false, since })
    }
}

/// However it ends, also when it is given up: what came is kept.
impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take().filter(|block| block.n_kept < block.bytes.len()) {
            self.sink.keep_beginning(block.start, &block.bytes);
        }
    }
}
