//! Downloads: contents that come to a root from public addresses, as transfers like any other.
//!
//! What is known of a content is looked up first (its size, its SHA-256, where it can be had); what is there already, or
//! can't go where it is to go, is refused with the reason. Sites are asked when a transfer's turn comes.

use serde::Serialize;
use shared_protocol::{Blake3, RelPath, Sha256, SourceUrl};

use super::enqueue::{MOST_SKIPPED, nearly};
use super::{Queue, SkippedPath, exclusions, summary};
use crate::domain::ids::{BatchId, RootRowId};
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index::FileRow;
use crate::storage::index::destination::{DestinationFolders, InTheWay};
use crate::storage::queue::batches::{self, GrowingBatch, NewBatch, NewTransfer};
use crate::storage::queue::downloads::{self, NewDownload};
use crate::storage::{Connection, StorageError, index, skipped};

/// A content that is named by a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedContent {
    Blake3(Blake3),
    Sha256(Sha256),
}

/// What is to come to a path: what is at an address, a content, or the content that is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadItem {
    pub url: Option<String>,
    pub content: Option<WantedContent>,
    pub path: RelPath,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadRequest {
    pub to: Root,
    pub items: Vec<DownloadItem>,
    /// What to do where a path is taken.
    pub on_conflict: OnConflict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DownloadReceipt {
    /// The batch that was made.
    pub batch_id: BatchId,
    /// Downloads queued.
    pub n_transfers: u64,
    /// What was not queued, with reasons.
    pub refused: Vec<SkippedPath>,
}

impl Queue {
    /// Puts downloads into the queue.
    pub async fn download(&self, request: DownloadRequest) -> Result<DownloadReceipt, ServiceError> {
        let DownloadRequest { to, items, on_conflict } = request;
        if items.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one download in \"items\"."));
        }
        let live = self.roots.live_writable(to)?;
        if on_conflict == OnConflict::Replace {
            self.roots.check_delete(to)?;
        }
        let (mut known, mut refused) = (Vec::new(), Vec::new());
        for item in items {
            match self.known(&item).await? {
                Ok((download, size_bytes)) => known.push(KnownItem { path: item.path, download, size_bytes }),
                Err(why) => refused.push(SkippedPath { path: item.path.to_string(), why }),
            }
        }
        if let (true, Some(SkippedPath { path, why })) = (known.is_empty(), refused.first()) {
            return Err(ServiceError::said(ErrorKind::Impossible, format!("{path}: {why}.")));
        }
        let this = self.clone();
        let asked = move || ask(&this, &live, &known, refused, on_conflict);
        let receipt = self.blocking(asked).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }

    /// What is known of something that is asked for; or why nothing can be done with that.
    async fn known(&self, item: &DownloadItem) -> Result<Result<(NewDownload, u64), String>, ServiceError> {
        let sources = &self.downloads.sources;
        let url = match item.url.as_deref().map(|url| SourceUrl::parse(url, sources.allowed())).transpose() {
            Ok(url) => url,
            Err(why) => return Ok(Err(format!("its address can't be used: {why}"))),
        };
        let (blake3, sha256) = match item.content {
            Some(WantedContent::Blake3(blake3)) => (Some(blake3), None),
            Some(WantedContent::Sha256(sha256)) => (None, Some(sha256)),
            None => (None, None),
        };
        let named = url.as_ref().map(|url| url.web().host().to_owned());
        let mut new = NewDownload { url: url.map(|url| url.as_str().to_owned()), blake3, sha256, host: String::new() };
        let mut size_bytes = None;
        if let Some(blake3) = blake3 {
            let record = match sources.find(&blake3).await {
                // An address does without the file of addresses.
                Err(error) if named.is_some() => {
                    tracing::warn!(%error, "a download is asked for without known addresses");
                    None
                }
                found => found?,
            };
            let facts = sources.content(blake3).await?.map(|content| content.facts);
            new.sha256 = facts.as_ref().and_then(|facts| facts.sha256);
            size_bytes = facts.map(|facts| facts.size_bytes);
            if let Some(record) = record {
                new.sha256 = new.sha256.or(record.sha256);
                size_bytes = size_bytes.or(record.size_bytes);
            }
        }
        let host = match (named, blake3) {
            (Some(host), _) => Some(host),
            (None, Some(blake3)) => {
                let known = sources.addresses_of(&blake3).await?;
                known.first().map(|address| address.url.web().host().to_owned())
            }
            (None, None) => None,
        };
        let Some(host) = host else {
            let why = if item.content.is_some() {
                "no public address of it is known: name one, or add one under Sources"
            } else {
                "neither an address nor a hash is named"
            };
            return Ok(Err(why.to_owned()));
        };
        Ok(Ok((NewDownload { host, ..new }, size_bytes.unwrap_or(0))))
    }
}

/// What is to come to a path, with what is known of it.
struct KnownItem {
    path: RelPath,
    download: NewDownload,
    /// 0 until its site tells.
    size_bytes: u64,
}

fn ask(
    queue: &Queue,
    live: &LiveRoot,
    items: &[KnownItem],
    mut refused: Vec<SkippedPath>,
    on_conflict: OnConflict,
) -> Result<DownloadReceipt, ServiceError> {
    Ok(queue.database.write_blocking(|tx| {
        let new = NewBatch {
            operation: Operation::Download,
            from: live.root,
            to: Some(live.root),
            on_conflict,
            skipped: "[]".to_owned(),
            undo_of: None,
        };
        let mut batch = GrowingBatch::begin(tx, &new)?;
        let mut places = Places {
            connection: tx,
            live,
            data_folder: live.dir.own_below(),
            folders: DestinationFolders::new(tx, live.row, live.case_sensitive),
            open: batches::open_paths(tx)?,
            on_conflict,
        };
        for KnownItem { path, download, size_bytes } in items {
            match places.look(path, download.blake3)? {
                Ok((to_path, occupant)) => {
                    let root = (live.root, live.row);
                    let transfer = NewTransfer {
                        to: Some(root),
                        on_conflict,
                        occupant,
                        ..NewTransfer::new(Operation::Download, root, to_path, (*size_bytes, Ticks(0)))
                    };
                    let id = batch.add(&transfer)?;
                    downloads::add(tx, id, download)?;
                }
                Err(why) => refused.push(SkippedPath { path: path.to_string(), why }),
            }
        }
        let n_refused = refused.len() as u64;
        refused.truncate(MOST_SKIPPED);
        batch
            .set_skipped(&serde_json::to_string(&refused).map_err(|e| StorageError::damaged("a list of paths", e))?)?;
        let GrowingBatch { id, n_transfers, .. } = batch;
        summary::begin(tx, id, None, n_transfers, n_refused)?;
        Ok(DownloadReceipt { batch_id: id, n_transfers, refused })
    })?)
}

/// Size and time of what is to make way.
type Occupant = Option<(u64, Ticks)>;

/// The root, as it will be when all that was asked for so far has come.
struct Places<'a> {
    connection: &'a Connection,
    live: &'a LiveRoot,
    data_folder: Option<String>,
    folders: DestinationFolders<'a>,
    /// Paths that unfinished transfers read or write.
    open: std::collections::HashSet<(RootRowId, String)>,
    on_conflict: OnConflict,
}

impl Places<'_> {
    /// Where a file goes, and what has to make way; or why it does not go there.
    fn look(
        &mut self,
        path: &RelPath,
        wanted: Option<Blake3>,
    ) -> Result<Result<(RelPath, Occupant), String>, StorageError> {
        let key = path.match_key();
        if let Some(cover) = skipped::cover(self.connection, self.live.row, &key)? {
            return Ok(Err(format!("not touched: {}", cover.text())));
        }
        if let Some(why) = exclusions::reason(path, self.data_folder.as_deref()) {
            return Ok(Err(why));
        }
        let folder = match self.folders.spelled(path.parent())? {
            Ok(folder) => folder,
            Err(InTheWay::File(file)) => {
                return Ok(Err(format!("there is a file called {file}, where a folder has to be")));
            }
            Err(InTheWay::Nearly(there)) => return Ok(Err(nearly(&there))),
            Err(InTheWay::Name(error)) => return Ok(Err(error.to_string())),
        };
        let to_path = match RelPath::in_folder(folder.as_ref(), path.name()) {
            Ok(path) => path,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Some(there) = index::folder_like(self.connection, self.live.row, path)? {
            return Ok(Err(format!("there is a folder called {there}")));
        }
        let there = index::files_at_key(self.connection, self.live.row, &key)?;
        let place = self.judge(to_path, &there, wanted);
        if place.is_ok() && !self.open.insert((self.live.row, key)) {
            return Ok(Err("another transfer to the same place has not ended yet".to_owned()));
        }
        Ok(place)
    }

    fn judge(
        &self,
        to_path: RelPath,
        there: &[FileRow],
        wanted: Option<Blake3>,
    ) -> Result<(RelPath, Occupant), String> {
        let [twin] = there else {
            let why = "there are several names here that differ only in case";
            return if there.is_empty() { Ok((to_path, None)) } else { Err(why.to_owned()) };
        };
        if wanted.is_some() && twin.hash == wanted {
            return Err("already there".to_owned());
        }
        if self.live.case_sensitive && twin.path != to_path {
            return Err(nearly(&twin.path));
        }
        match self.on_conflict {
            OnConflict::Skip => Err("there is another file of this name already".to_owned()),
            OnConflict::Replace => Ok((twin.path.clone(), Some((twin.size_bytes, twin.modified)))),
            OnConflict::KeepBoth => Ok((to_path, None)),
        }
    }
}
