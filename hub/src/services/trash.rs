//! The trash: what is in it, and emptying it.
//!
//! Files come into it and leave it again through the queue; only emptying happens here, and only
//! when a person asks for it. What is to go is marked first, in one commit: from then on it is not
//! listed and nobody can put it back, so that no kill leaves a line that promises a file which is
//! gone. What a kill left marked is looked at on the disk before it is listed again.

mod reconcile;
mod strays;

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Mutex;

use super::context::ServiceContext;
use super::queue::SkippedPath;
use super::roots::LiveRoot;
use super::{ErrorKind, Event, Events, History, Indexer, Roots, ServiceError, Tasks};
use crate::domain::root::{PerRoot, Root};
use crate::domain::size::counted;
use crate::fs::entry::OpenRoot;
use crate::fs::{FileStamp, trash as files};
use crate::storage::history::{Level, NewLine};
use crate::storage::trash::{self as rows, TrashFilter, TrashRow};
use crate::storage::{Database, now_ms};

/// Files removed between two commits.
const STEP: u32 = 200;

/// Files that stayed, named in an answer at most.
const MOST_NAMED: usize = 1_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is to be removed for good, all conditions together; everything without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmptyRequest {
    /// Deleted so many days ago or longer.
    pub older_than_days: Option<u32>,
    /// Only these.
    pub ids: Option<Vec<i64>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Emptied {
    /// Files removed for good.
    pub n: u64,
    /// Bytes they took, which are free now.
    pub size_bytes: u64,
    /// What was to go and is still there, with reasons; at most the first thousand.
    pub kept: Vec<SkippedPath>,
}

/// What an emptying would remove; a confirmation names it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToEmpty {
    pub n: u64,
    pub size_bytes: u64,
    /// Stands for exactly these files.
    pub fingerprint: i64,
}

/// The trash of both roots; clones share it.
#[derive(Clone)]
pub struct Trash {
    database: Database,
    roots: Roots,
    events: Events,
    history: History,
    indexer: Indexer,
    tasks: Tasks,
    /// For each root: one at a time empties or looks through. A disk that hangs holds up its own only.
    turns: PerRoot<Arc<Mutex<()>>>,
}

impl Trash {
    pub(super) fn start(context: ServiceContext, indexer: Indexer) -> Self {
        let ServiceContext { database, roots, events, history, tasks, .. } = context;
        let trash = Self { database, roots, events, history, indexer, tasks, turns: PerRoot::default() };
        reconcile::start(&trash);
        trash
    }

    /// What an emptying would remove now.
    pub async fn to_empty(&self, root: Root, request: &EmptyRequest) -> Result<ToEmpty, ServiceError> {
        let live = self.roots.live(root)?;
        let filter = filter(request);
        let (n, size_bytes, fingerprint) =
            self.database.read(move |connection| rows::count(connection, live.row, &filter)).await?;
        Ok(ToEmpty { n, size_bytes, fingerprint })
    }

    /// Removes files for good. With `expected`, only if that is still what would go.
    pub async fn empty(
        &self,
        root: Root,
        request: EmptyRequest,
        expected: Option<ToEmpty>,
    ) -> Result<Emptied, ServiceError> {
        self.roots.check_delete(root)?;
        let live = self.roots.live_writable(root)?;
        if let Some(ids) = request.ids.clone() {
            let (n, row) = (ids.len(), live.row);
            let missing = self.database.read(move |c| {
                let known = rows::of_ids(c, &ids)?;
                let is_there = |id: &i64| known.iter().any(|file| file.id == *id && file.root == row);
                Ok(ids.into_iter().filter(|id| !is_there(id)).collect::<Vec<_>>())
            });
            ServiceError::refuse_if_all(&missing.await?, n, "is in this trash any more")?;
        }
        let _turn = Arc::clone(self.turns.get(root)).lock_owned().await;
        let this = self.clone();
        let work = move || this.empty_blocking(&live, &filter(&request), expected);
        let emptied = self.tasks.blocking(work).await.ok_or(ServiceError::ShuttingDown)??;
        if emptied.n > 0 {
            let files = counted(emptied.n, "file");
            let summary = format!("Emptied the trash of {}: {files} removed for good", root.label());
            let line = NewLine::new("trash", Level::Info, summary).root(root);
            self.history.add(line.detail(format!("{} bytes are free now", emptied.size_bytes))).await;
        }
        self.roots.look_again();
        self.events.send(Event::QueueChanged);
        self.events.send(Event::IndexChanged(root));
        Ok(emptied)
    }

    fn empty_blocking(
        &self,
        live: &LiveRoot,
        filter: &TrashFilter,
        expected: Option<ToEmpty>,
    ) -> Result<Emptied, ServiceError> {
        self.roots.check_blocking(live)?;
        let marked = self.database.write_blocking(|tx| {
            let (n, size_bytes, fingerprint) = rows::count(tx, live.row, filter)?;
            if expected.is_some_and(|expected| expected != ToEmpty { n, size_bytes, fingerprint }) {
                return Ok(false);
            }
            rows::mark(tx, live.row, filter)?;
            Ok(true)
        })?;
        if !marked {
            let text = "The trash has changed since: these are other files now. Close this and look again.";
            return Err(ServiceError::said(ErrorKind::Conflict, text));
        }
        let mut emptied = Emptied::default();
        let done = self.remove_marked(live, &mut emptied);
        if done.is_err()
            // Whatever is still there is listed again.
            && let Err(error) = self.reconcile_blocking(live)
        {
            tracing::warn!(root = live.root.as_str(), %error, "the trash is looked through again later");
        }
        done.map(|()| emptied)
    }

    fn remove_marked(&self, live: &LiveRoot, emptied: &mut Emptied) -> Result<(), ServiceError> {
        let mut after = 0;
        loop {
            let next = self.database.read_blocking(|connection| rows::leaving(connection, live.row, after, STEP))?;
            let Some(last) = next.last() else { return Ok(()) };
            after = last.id;
            if self.tasks.token().is_cancelled() {
                return Err(ServiceError::ShuttingDown);
            }
            // Between two steps the disk may have gone, and leave may have been taken back.
            self.roots.check_delete(live.root)?;
            let root = self.roots.open_blocking(live)?;
            let (mut gone, mut kept) = (Vec::new(), Vec::new());
            for row in &next {
                match remove(&root, row) {
                    Ok(()) => {
                        gone.push(row.id);
                        emptied.n += 1;
                        emptied.size_bytes += row.size_bytes;
                    }
                    Err(why) => {
                        kept.push(row.id);
                        if emptied.kept.len() < MOST_NAMED {
                            emptied.kept.push(SkippedPath { path: row.path.to_string(), why });
                        }
                    }
                }
            }
            self.database.write_blocking(|tx| {
                rows::forget(tx, &gone)?;
                rows::stay(tx, &kept)
            })?;
        }
    }
}

/// Removes one file, if it is still the one that was deleted.
fn remove(root: &Arc<OpenRoot>, row: &TrashRow) -> Result<(), String> {
    let expected = FileStamp::known(row.size_bytes, row.modified, None);
    match files::stamp(root, &row.trash_path).map_err(|error| error.to_string())? {
        Some(found) if found != expected => Err("it has changed in the trash: scan, then look again".to_owned()),
        None if !files::is_there(root, &row.trash_path).map_err(|error| error.to_string())? => {
            Err("the disk that its trash lies on is not mounted".to_owned())
        }
        // The folders around it may still be there.
        Some(_) | None => files::remove(root, &row.trash_path).map_err(|error| error.to_string()),
    }
}

fn filter(request: &EmptyRequest) -> TrashFilter {
    let before = request.older_than_days.map(|days| now_ms() - i64::from(days) * DAY_MS);
    TrashFilter { before, ids: request.ids.clone() }
}
