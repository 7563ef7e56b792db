//! Models: what the library's files are, by their headers.
//!
//! Rows of models follow the index by themselves (`storage/models`): shortly after every change of it, and at once for
//! whoever looks at them. What was not read yet is read by a background job that begins when there is something to
//! read.

mod describing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use model_header::Description;
use serde::Serialize;
use shared_protocol::{Blake3, RelPath};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, Notify};

use super::background::{BackgroundJobView, Runner};
use super::context::ServiceContext;
use super::{ErrorKind, Event, ServiceError};
use crate::domain::ids::{BackgroundJobId, ModelId, RootRowId};
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::fs::entry::Entry;
use crate::fs::header::describe_file;
use crate::fs::{FileStamp, FsError, replace};
use crate::storage::index::{self, Edits};
use crate::storage::views::files::{FileOrder, FileSort};
use crate::storage::views::models::{self as views, KindTotals, ModelDetail, ModelFilter, ModelGroups, ModelView};
use crate::storage::views::{CountCache, FileView, Page, PageRequest};
use crate::storage::{StorageError, models};

use describing::Describing;

/// Changes of an index are taken together for this long before the models follow.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// And for so many times as long as the last time took: the queue writes to the same database.
const SHARE: u32 = 9;

/// The longest that the models stay behind.
const LONGEST: Duration = Duration::from_secs(5);

/// A share that takes longer to answer keeps whoever looks at a file waiting no further.
const PATIENCE: Duration = Duration::from_secs(5);

/// A job that reads headers, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DescribeJobView {
    #[serde(flatten)]
    pub job: BackgroundJobView,
    /// Models that turned out to be damaged.
    pub n_damaged: u64,
}

/// The models; clones share them.
#[derive(Clone)]
pub struct Models {
    context: ServiceContext,
    runner: Runner<Describing>,
    /// One refresh at a time; a second reader waits and then finds nothing left to do.
    turn: Arc<Mutex<()>>,
    counts: CountCache,
}

impl Models {
    /// Follows the indexes, and reads what was not read.
    pub(super) async fn start_service(context: ServiceContext) -> Result<Self, StorageError> {
        let ended = Arc::new(Notify::new());
        let runner =
            Runner::start(Describing { context: context.clone(), ended: Arc::clone(&ended) }, &context).await?;
        let models = Self { context, runner, turn: Arc::default(), counts: CountCache::default() };
        let this = models.clone();
        models.context.tasks.spawn(async move { this.follow(&ended).await });
        Ok(models)
    }

    async fn follow(&self, ended: &Notify) {
        let mut events = self.context.events.subscribe();
        let tasks = &self.context.tasks;
        loop {
            let began = Instant::now();
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "the models could not be brought in line with the index");
            }
            let pause = (began.elapsed() * SHARE).clamp(DEBOUNCE, LONGEST);
            let changed = async {
                loop {
                    match events.recv().await {
                        Ok(Event::IndexChanged(_) | Event::RootChanged(_) | Event::SettingsChanged)
                        | Err(RecvError::Lagged(_)) => return,
                        Ok(_) => {}
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = changed => {}
                () = ended.notified() => {}
                () = tasks.token().cancelled() => return,
            }
            if !tasks.pause(pause).await {
                return;
            }
        }
    }

    /// Brings the models in line, and has read what can be read now.
    async fn catch_up(&self) -> Result<(), ServiceError> {
        self.refresh().await?;
        let lives = Root::ALL.into_iter().filter_map(|root| self.context.roots.live(root).ok());
        let roots: Vec<RootRowId> = lives.map(|live| live.row).collect();
        let is_waiting = move |connection: &_| models::any_unread(connection, &roots);
        if self.context.database.read(is_waiting).await? {
            self.runner.add(()).await?;
        }
        Ok(())
    }

    /// Returns when the models are in line with the indexes.
    async fn refresh(&self) -> Result<(), ServiceError> {
        let database = &self.context.database;
        if !database.read(models::is_stale).await? {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if !database.read(models::is_stale).await? {
            return Ok(());
        }
        while database.write(models::refresh).await? {}
        self.context.events.send(Event::ModelsChanged);
        Ok(())
    }

    /// The same for whoever only shows them: while the database can't be written, what it holds is shown.
    pub(super) async fn refresh_to_show(&self) -> Result<(), ServiceError> {
        match self.refresh().await {
            Err(error) if self.context.database.troubles().now().is_some() => {
                tracing::debug!(%error, "the models are shown as they were last");
                Ok(())
            }
            other => other,
        }
    }

    /// One page of the models that a filter means.
    ///
    /// # Errors
    /// The cursor is of another list, or the database failed.
    pub async fn list(
        &self,
        filter: ModelFilter,
        order: (FileSort, FileOrder),
        request: PageRequest,
    ) -> Result<Page<ModelView>, ServiceError> {
        self.refresh_to_show().await?;
        let counts = self.counts.clone();
        let list = move |connection: &_| views::list(connection, &filter, order, &request, &counts);
        Ok(self.context.database.read(list).await?)
    }

    /// The models that a filter's search and folder leave, counted by what else filters tell apart.
    ///
    /// # Errors
    /// The database failed.
    pub async fn groups(&self, filter: ModelFilter) -> Result<Arc<ModelGroups>, ServiceError> {
        self.refresh_to_show().await?;
        let counts = self.counts.clone();
        Ok(self.context.database.read(move |connection| views::groups(connection, &filter, &counts)).await?)
    }

    /// What the models are and how much room they take, the largest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn by_kind(&self) -> Result<Vec<KindTotals>, ServiceError> {
        self.refresh_to_show().await?;
        Ok(self.context.database.read(views::by_kind).await?)
    }

    /// Everything that is known of one model.
    ///
    /// # Errors
    /// There is none of this id, or the database failed.
    pub async fn show(&self, id: ModelId) -> Result<ModelDetail, ServiceError> {
        self.refresh_to_show().await?;
        let found = self.context.database.read(move |connection| views::show(connection, id)).await?;
        found.ok_or_else(|| ServiceError::not_found("model"))
    }

    /// What the header of a file says, as far as that is stored; else it is read now, for whoever looks at the file
    /// before its turn has come.
    pub async fn header(
        &self,
        file: &FileView,
        stored: Option<Result<Description, String>>,
    ) -> Result<Description, String> {
        if let Some(stored) = stored {
            return stored;
        }
        let live = self.context.roots.live(file.root).map_err(|error| error.to_string())?;
        let (row, path) = (live.row, file.path.clone());
        let found = self.context.database.read(move |connection| index::file_at(connection, row, &path)).await;
        let found = found.map_err(|error| error.to_string())?.filter(|_| file.kind == FileKind::Model);
        let Some(found) = found else { return Err("it has no header that is read".to_owned()) };
        let (path, stamp) =
            (live.dir.resolve(&found.path), FileStamp::known(found.size_bytes, found.modified, found.identity));
        // Not awaited by the end of the program: it may hang in the system for minutes.
        let reading = tokio::task::spawn_blocking(move || describe_file(&path, stamp));
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(result)) => result.map_err(|error| error.to_string()),
            Ok(Err(_)) => Err("reading it broke off".to_owned()),
            Err(_) => Err(format!("{} does not answer", file.root.label())),
        }
    }

    /// Keeps what a person wrote about a model. It stays with the content, if that is known.
    ///
    /// # Errors
    /// There is none of this id, or the database failed.
    pub async fn set_notes(&self, id: ModelId, notes: String) -> Result<(), ServiceError> {
        let is_there = self.context.database.write(move |tx| models::set_notes(tx, id, &notes)).await?;
        if !is_there {
            return Err(ServiceError::not_found("model"));
        }
        self.context.events.send(Event::ModelsChanged);
        Ok(())
    }

    /// Puts a picture beside a copy, under a name that is free.
    ///
    /// # Errors
    /// The root can't be reached or written to, something has the name meanwhile, or the database failed.
    pub async fn put_picture(&self, root: Root, path: RelPath, bytes: Vec<u8>) -> Result<(), ServiceError> {
        let (context, live) = (self.context.clone(), self.context.roots.live_writable(root)?);
        let put = move || {
            let open = context.roots.open_blocking(&live)?;
            let entry = Entry::open(&open, &path).map_err(|error| not_put(&error))?;
            replace::put_new(&entry, &bytes).map_err(|error| not_put(&error))?;
            let stamp = entry.stamp().map_err(|error| not_put(&error))?;
            let hash = Blake3::from_bytes(*blake3::hash(&bytes).as_bytes());
            context.database.write_blocking(|tx| {
                let mut edits = Edits::new(tx);
                edits.put(live.row, &path, stamp.size_bytes, stamp.modified, stamp.identity, Some(hash))?;
                edits.finish()
            })?;
            context.comparer.index_changed();
            context.events.send(Event::IndexChanged(root));
            Ok(())
        };
        self.context.tasks.blocking(put).await.ok_or(ServiceError::ShuttingDown)?
    }

    /// Has read what could not be read, and what waits.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_again(&self) -> Result<BackgroundJobId, ServiceError> {
        self.refresh().await?;
        self.context.database.write(|tx| models::try_again(tx)).await?;
        self.runner.add(()).await
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// There is none of this id, or the database failed.
    pub async fn show_job(&self, id: BackgroundJobId) -> Result<DescribeJobView, ServiceError> {
        self.runner.show(id).await
    }

    /// The latest jobs, newest first.
    ///
    /// # Errors
    /// The cursor is of another list, or the database failed.
    pub async fn list_jobs(&self, request: PageRequest) -> Result<Page<DescribeJobView>, ServiceError> {
        self.runner.list(request).await
    }

    /// Stops a job; what it has read stays.
    ///
    /// # Errors
    /// There is none of this id, it has ended, or the database failed.
    pub async fn cancel_job(&self, id: BackgroundJobId) -> Result<(), ServiceError> {
        self.runner.cancel(id).await
    }

    /// The job under way.
    pub fn running(&self) -> Option<DescribeJobView> {
        self.runner.running().into_iter().next()
    }
}

fn not_put(error: &FsError) -> ServiceError {
    ServiceError::said(ErrorKind::Conflict, format!("The picture could not be put there: {error}."))
}
