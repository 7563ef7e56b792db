//! The list of what left Local because the Lake holds it, kept on Local beside its marker: a database
//! that is lost with its data folder would else know of none of these files any more.
//!
//! The database is the truth; the list follows it within seconds, and is written anew at the next start
//! if a kill came in between. A database that never wrote the list of a root does not write over one
//! that names files which it does not know: it asks a person first, who takes them back or begins anew.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared_protocol::ids::RootId;

use crate::domain::exclusion::EVICTIONS_FILE;
use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::fs::entry::{Entry, Folder};
use crate::fs::replace::{self, SeenFile};
use crate::services::context::ServiceContext;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::evictions::{self, Extent, ListedEviction};
use crate::storage::facts;
use crate::storage::history::{Level, NewLine};

const VERSION: u32 = 1;

/// Files that are listed at the most: the latest.
const MOST: u32 = 100_000;

/// A list is never larger.
const MOST_BYTES: u64 = 96 << 20;

/// Between a change and the list, so that a batch is written once.
const SETTLE: Duration = Duration::from_secs(1);

/// And at the least so many times as long as writing it took.
const SHARE: u32 = 9;

/// Looked again after this long even if nothing was heard.
const LONGEST: Duration = Duration::from_mins(1);

#[derive(Debug, Serialize, Deserialize)]
struct EvictionsFile {
    version: u32,
    root_id: RootId,
    evictions: Vec<ListedEviction>,
}

/// What an earlier database knew and this one does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Lost {
    /// A folder that carries a mark was taken into an empty database: another database knew it.
    pub asked: bool,
    /// Files that left the Local folder, by the list on it.
    pub evictions: Option<LostRoot>,
}

/// What the list on a folder names and the database does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LostRoot {
    pub path: String,
    /// How many files.
    pub n_files: u64,
    pub size_bytes: u64,
}

/// Keeps the list; clones share it.
#[derive(Clone)]
pub struct EvictionsList {
    context: ServiceContext,
    /// What the list held when it was written last, with the root's row.
    written: Arc<Mutex<Option<(RootRowId, Extent)>>>,
    lost: Arc<Mutex<Option<LostRoot>>>,
}

impl EvictionsList {
    /// Begins to keep it.
    pub(in crate::services) fn start(context: &ServiceContext) -> Self {
        let list = Self { context: context.clone(), written: Arc::default(), lost: Arc::default() };
        let this = list.clone();
        context.tasks.spawn(async move {
            let mut events = this.context.events.subscribe();
            loop {
                let began = std::time::Instant::now();
                let own = this.clone();
                this.context.tasks.blocking(move || own.follow()).await;
                if !this.context.tasks.pause(SETTLE.max(began.elapsed() * SHARE)).await {
                    return;
                }
                let heard = async {
                    loop {
                        match events.recv().await {
                            Ok(Event::IndexChanged(Root::Local) | Event::RootChanged(Root::Local)) | Err(_) => return,
                            Ok(_) => {}
                        }
                    }
                };
                tokio::select! {
                    () = heard => {}
                    () = tokio::time::sleep(LONGEST) => {}
                    () = this.context.tasks.token().cancelled() => return,
                }
            }
        });
        list
    }

    /// What was lost, as far as the roots tell.
    pub async fn lost(&self) -> Result<Lost, ServiceError> {
        let asked = self.context.database.read(|connection| facts::get(connection, facts::LOST)).await?.is_some();
        Ok(Lost { asked, evictions: self.lost.lock().clone() })
    }

    /// Takes back into the database what the list names, and tells how many files that were.
    pub async fn take_back(&self) -> Result<u64, ServiceError> {
        let this = self.clone();
        let taken = self.context.tasks.blocking(move || this.take_back_blocking()).await;
        let n = taken.ok_or(ServiceError::ShuttingDown)??;
        let line = format!("Took back {n} evicted files from the list on Local");
        self.context.history.add(NewLine::new("database", Level::Info, line).root(Root::Local)).await;
        self.context.events.send(Event::IndexChanged(Root::Local));
        self.context.events.send(Event::QueueChanged);
        Ok(n)
    }

    /// Begins without what an earlier database knew. The list that is there is kept as a copy beside
    /// the next one.
    pub async fn begin_anew(&self) -> Result<(), ServiceError> {
        let live = self.context.roots.live(Root::Local).ok();
        self.context
            .database
            .write(move |tx| {
                facts::remove(tx, facts::LOST)?;
                live.map_or(Ok(()), |live| facts::set(tx, &listed(live.row), "1"))
            })
            .await?;
        self.lost.lock().take();
        self.context.events.send(Event::QueueChanged);
        Ok(())
    }

    fn take_back_blocking(&self) -> Result<u64, ServiceError> {
        let live = self.context.roots.live(Root::Local)?;
        let (_, list) = self.read(&live)?;
        let Some(list) = list else {
            return Err(ServiceError::said(ErrorKind::NotFound, "Local carries no list of evicted files."));
        };
        let n = self.context.database.write_blocking(|tx| {
            let mut n = 0;
            for one in &list.evictions {
                n += u64::from(evictions::take_back(tx, live.row, one)?);
            }
            facts::remove(tx, facts::LOST)?;
            facts::set(tx, &listed(live.row), "1")?;
            Ok(n)
        })?;
        self.lost.lock().take();
        Ok(n)
    }

    /// Brings the list in line with the database.
    fn follow(&self) {
        let Ok(live) = self.context.roots.live(Root::Local) else { return };
        // Without a marker nothing can be written there.
        if live.marker.is_none() || !live.writable || self.context.database.troubles().now().is_some() {
            return;
        }
        if let Err(error) = self.follow_live(&live) {
            tracing::warn!(%error, "the list of evicted files on Local could not be written");
        }
    }

    fn follow_live(&self, live: &LiveRoot) -> Result<(), ServiceError> {
        let row = live.row;
        let (owned, extent) = self.context.database.read_blocking(|connection| {
            Ok((facts::get(connection, &listed(row))?.is_some(), evictions::extent(connection, row)?))
        })?;
        if owned && *self.written.lock() == Some((row, extent)) {
            return Ok(());
        }
        let (seen, list) = self.read(live)?;
        if !owned {
            let unknown = match &list {
                Some(list) => self.unknown(live, list)?,
                None => None,
            };
            if unknown.is_some() {
                if *self.lost.lock() != unknown {
                    *self.lost.lock() = unknown;
                    self.context.events.send(Event::QueueChanged);
                }
                return Ok(());
            }
            self.context.database.write_blocking(|tx| facts::set(tx, &listed(row), "1"))?;
        }
        // A root without any gets no file.
        if extent.n_files > 0 || seen.is_some() {
            self.write(live, seen.as_ref())?;
        }
        *self.written.lock() = Some((row, extent));
        Ok(())
    }

    /// What a list names that was neither evicted by this database nor is there.
    fn unknown(&self, live: &LiveRoot, list: &EvictionsFile) -> Result<Option<LostRoot>, ServiceError> {
        let unknown = self.context.database.read_blocking(|connection| {
            let mut unknown = Extent::default();
            for one in &list.evictions {
                if !evictions::is_known(connection, live.row, &one.path)? {
                    unknown.n_files += 1;
                    unknown.size_bytes += one.size_bytes;
                }
            }
            Ok(unknown)
        })?;
        let Extent { n_files, size_bytes, .. } = unknown;
        Ok((n_files > 0).then(|| LostRoot { path: live.dir.display(), n_files, size_bytes }))
    }

    /// The list that lies on the root, if it is of this root and can be understood.
    fn read(&self, live: &LiveRoot) -> Result<(Option<SeenFile>, Option<EvictionsFile>), ServiceError> {
        let failed = |error: crate::fs::FsError| ServiceError::said(ErrorKind::Unavailable, error.to_string());
        let seen = replace::read(&self.file(live)?, MOST_BYTES).map_err(failed)?;
        let list = seen.as_ref().and_then(|seen| match serde_json::from_slice::<EvictionsFile>(&seen.bytes) {
            Ok(list) => Some(list).filter(|list| list.version == VERSION && Some(list.root_id) == live.marker),
            Err(error) => {
                tracing::warn!(%error, "the list of evicted files on Local is damaged; a copy of it is kept");
                None
            }
        });
        Ok((seen, list))
    }

    /// The list's name in the root, which is still the one that `live` was.
    fn file(&self, live: &LiveRoot) -> Result<Entry, ServiceError> {
        let open = self.context.roots.open_blocking(live)?;
        let folder = Folder::open(&open, None);
        let folder = folder.map_err(|error| ServiceError::said(ErrorKind::Unavailable, error.to_string()))?;
        Ok(folder.entry(EVICTIONS_FILE))
    }

    fn write(&self, live: &LiveRoot, seen: Option<&SeenFile>) -> Result<(), ServiceError> {
        let Some(root_id) = live.marker else { return Ok(()) };
        let row = live.row;
        let evictions = self.context.database.read_blocking(|connection| evictions::listed(connection, row, MOST))?;
        let said = |error: String| ServiceError::said(ErrorKind::Unavailable, error);
        let bytes = serde_json::to_vec(&EvictionsFile { version: VERSION, root_id, evictions })
            .map_err(|e| said(e.to_string()))?;
        if seen.is_some_and(|seen| seen.bytes == bytes) {
            return Ok(());
        }
        replace::replace(&self.file(live)?, &bytes, seen).map_err(|error| said(error.to_string()))
    }
}

fn listed(row: RootRowId) -> String {
    format!("{}{}", facts::EVICTIONS_LISTED, row.0)
}
