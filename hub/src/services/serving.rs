//! What the hub hands out to agents: contents of the two roots, piece by piece, and its own agents'
//! programs.
//!
//! Pieces are read on a few blocking threads per root, one ahead of the one that is being sent, into
//! buffers that go round. All streams share the upload limit in turns of equal pieces. A stream ends
//! with an error, which breaks its connection, when the file changes or the session is over: never
//! with a short answer that looks whole.

pub mod agent_program;
pub mod meter;
mod stream;

use std::sync::Arc;

use shared_io::rate_limiter::RateLimiter;
use shared_protocol::{Blake3, GroupList, RelPath, Target};
use tokio::sync::Semaphore;

pub use agent_program::{AgentOrigin, AgentProgram, AgentProgramState};
pub use meter::{Meter, UplinkView};
pub use stream::{Cut, Pieces};

use super::context::ServiceContext;
use super::roots::LiveRoot;
use super::{Comparer, Event, Events, Roots, ServiceError, Settings, Tasks};
use crate::domain::root::{PerRoot, Root};
use crate::fs::FileStamp;
use crate::fs::entry::Entry;
use crate::fs::rename::TouchError;
use crate::fs::served::ServedFile;
use crate::storage::{Database, hashes, index};

/// Reads at once per root: a root that hangs keeps no more threads than this.
const READS_PER_ROOT: usize = 4;

/// Streams at once over all connections. Each holds two pieces at most.
const MAX_STREAMS: usize = 48;

/// A content at a place where it may be handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPlace {
    pub root: Root,
    pub path: RelPath,
    pub hash: Blake3,
}

/// Why a content is not handed out.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The file is not the one that was hashed; its hash has been forgotten.
    #[error("the file has changed since it was hashed")]
    Changed,
    /// Its root can't be reached, or the file can't be read now.
    #[error("{0}")]
    Unavailable(String),
    /// Too many streams.
    #[error("the hub sends as much at once as it will: try again in a moment")]
    Busy,
    /// Our own trouble.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Hands out contents; clones share the limits.
#[derive(Clone)]
pub struct Serving {
    inner: Arc<ServingInner>,
}

struct ServingInner {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    comparer: Comparer,
    tasks: Tasks,
    agent: AgentProgram,
    agent_aarch64: AgentProgram,
    reads: PerRoot<Arc<Semaphore>>,
    streams: Arc<Semaphore>,
    pool: stream::Pool,
    rate_limiter: RateLimiter,
    meter: Meter,
}

/// A content that is open and was found to be the right one.
#[derive(Debug)]
pub struct OpenedContent {
    place: ContentPlace,
    file: ServedFile,
    pub size_bytes: u64,
}

impl Serving {
    /// Nothing is handed out yet.
    pub(super) fn start(context: ServiceContext) -> Self {
        Self {
            inner: Arc::new(ServingInner {
                agent: AgentProgram::new(context.settings.clone(), Target::X86_64Linux),
                agent_aarch64: AgentProgram::new(context.settings.clone(), Target::Aarch64Linux),
                settings: context.settings,
                database: context.database,
                roots: context.roots,
                events: context.events,
                comparer: context.comparer,
                tasks: context.tasks,
                reads: PerRoot::from_fn(|_| Arc::new(Semaphore::new(READS_PER_ROOT))),
                streams: Arc::new(Semaphore::new(MAX_STREAMS)),
                pool: stream::Pool::new(),
                rate_limiter: RateLimiter::default(),
                meter: Meter::default(),
            }),
        }
    }

    /// The program for a kind of machine.
    pub fn agent(&self, target: Target) -> &AgentProgram {
        match target {
            Target::X86_64Linux => &self.inner.agent,
            Target::Aarch64Linux => &self.inner.agent_aarch64,
        }
    }

    /// How much goes out now, and what.
    pub fn uplink(&self) -> UplinkView {
        self.inner.meter.view()
    }

    /// The group values of a content, if they are known.
    pub async fn groups(&self, hash: Blake3) -> Result<Option<GroupList>, ServiceError> {
        Ok(self.inner.database.read(move |connection| hashes::groups_of(connection, &hash)).await?)
    }

    /// Opens a content, if the file is still the one that was hashed.
    pub async fn open(&self, place: ContentPlace) -> Result<OpenedContent, ServeError> {
        let live = self.inner.roots.live(place.root).map_err(|error| ServeError::Unavailable(error.to_string()))?;
        let (row, path) = (live.row, place.path.clone());
        let known = self.inner.database.read(move |connection| index::file_at(connection, row, &path));
        let known = known.await.map_err(ServiceError::from)?;
        let Some(known) = known.filter(|file| file.hash == Some(place.hash)) else { return Err(ServeError::Changed) };
        let stamp = FileStamp::known(known.size_bytes, known.modified, known.identity);
        let (reads, path) = (self.inner.reads.get(place.root).clone(), place.path.clone());
        let Ok(permit) = reads.acquire_owned().await else { return Err(ServiceError::ShuttingDown.into()) };
        // Not awaited by the end of the program: it may hang in the system for minutes.
        let opening = tokio::task::spawn_blocking(move || {
            let file = ServedFile::open(&live.dir, &path, stamp);
            drop(permit);
            file
        });
        match opening.await {
            Ok(Ok(file)) => Ok(OpenedContent { size_bytes: stamp.size_bytes, place, file }),
            Ok(Err(TouchError::Changed)) => Err(self.forget(&place).await),
            Ok(Err(TouchError::Fs(error))) if error.is_not_found() => {
                self.inner.roots.look_again();
                Err(self.forget(&place).await)
            }
            Ok(Err(TouchError::Fs(error))) => {
                self.inner.roots.look_again();
                tracing::warn!(%error, "a content can't be handed out");
                let name = place.path.name();
                Err(ServeError::Unavailable(format!("{name} can't be read now in {}", place.root.label())))
            }
            Err(_) => Err(ServiceError::ShuttingDown.into()),
        }
    }

    /// A file is not what its hash says: the index takes it as it is now, without a hash. Tells what whoever asked for
    /// the content is told: a file that seems gone or changed because its root is away, or was for a moment, is neither,
    /// and is waited for.
    pub(crate) async fn forget(&self, place: &ContentPlace) -> ServeError {
        let live = match self.inner.roots.live(place.root) {
            Ok(live) => live,
            Err(away) => return ServeError::Unavailable(away.to_string()),
        };
        let (hash, path) = (place.hash, place.path.clone());
        let database = self.inner.database.clone();
        let roots = self.inner.roots.clone();
        let forgetting = self.inner.tasks.blocking(move || {
            let now = look(&roots, &live, &path)?;
            let took = database.write_blocking(|connection| {
                let known = index::file_at(connection, live.row, &path)?.filter(|file| file.hash == Some(hash));
                let Some(known) = known else { return Ok(Took::Before) };
                let known = FileStamp::known(known.size_bytes, known.modified, known.identity);
                match now {
                    Some(now) if now == known => return Ok(Took::Nothing),
                    Some(now) => {
                        index::put_file(connection, live.row, &path, now.size_bytes, now.modified, None)?;
                    }
                    None => index::remove_file(connection, live.row, &path)?,
                }
                Ok(Took::Now)
            });
            Ok::<_, ServeError>(took.map_err(ServiceError::from)?)
        });
        match forgetting.await {
            Some(Ok(Took::Now)) => {
                tracing::warn!(root = %place.root, path = %place.path, "a file has changed since it was hashed");
                self.inner.comparer.index_changed();
                self.inner.events.send(Event::IndexChanged(place.root));
                ServeError::Changed
            }
            Some(Ok(Took::Before)) => ServeError::Changed,
            Some(Ok(Took::Nothing)) => ServeError::Unavailable(format!("{} was away for a moment", place.root.label())),
            Some(Err(error)) => {
                tracing::warn!(%error, "whether a file has changed can't be told, or not be written down");
                error
            }
            None => ServiceError::ShuttingDown.into(),
        }
    }
}

/// What the index took of a file that seemed changed.
enum Took {
    /// Nothing: it is as it was known.
    Nothing,
    /// It was written down before.
    Before,
    Now,
}

/// The file as it is now, looked at in a root that was verified when it was opened: what is not there is gone, and not
/// only out of reach.
fn look(roots: &Roots, live: &LiveRoot, path: &RelPath) -> Result<Option<FileStamp>, ServeError> {
    let open = roots.open_blocking(live).map_err(|away| ServeError::Unavailable(away.to_string()))?;
    match Entry::open(&open, path).and_then(|entry| entry.stamp()) {
        Ok(stamp) => Ok(Some(stamp)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(ServeError::Unavailable(error.to_string())),
    }
}
