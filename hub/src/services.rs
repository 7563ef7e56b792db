//! What the hub does. Each service owns one duty, runs blocking work on bounded threads, keeps its
//! truth in the database, and tells everyone else through [`Events`].

pub mod background;
mod backlog;
mod busy;
pub mod comparer;
mod context;
pub mod duplicates;
pub mod ends;
pub mod error;
pub mod events;
pub mod hasher;
pub mod history;
mod hours;
pub mod indexer;
pub mod logs;
pub mod mirror;
pub mod models;
pub mod outbound;
pub mod queue;
mod reading;
pub mod remote;
pub mod roots;
pub mod scrub;
pub mod selection;
pub mod serving;
mod set_up;
pub mod settings;
pub mod sources;
mod space;
pub mod tasks;
pub mod throughput;
mod throughput_meter;
pub mod trash;
pub mod upkeep;

pub use comparer::Comparer;
pub use duplicates::Duplicates;
pub use ends::EndStore;
pub use error::{ErrorKind, ServiceError};
pub use events::{Event, Events};
pub use hasher::Hasher;
pub use history::History;
pub use indexer::Indexer;
pub use logs::Logs;
pub use mirror::Mirror;
pub use models::Models;
pub use queue::Queue;
pub use remote::Remote;
pub use roots::Roots;
pub use scrub::Scrub;
pub use selection::Selections;
pub use serving::Serving;
pub use settings::{Settings, SettingsError};
pub use sources::{Discoveries, SourceChecks, Sources};
pub use tasks::Tasks;
pub use throughput::Throughput;
pub use trash::Trash;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Key;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::fs::previews::Previews;
use crate::storage::Database;
use crate::storage::history::{Level, NewLine};
use busy::Busy;
use context::ServiceContext;

/// All services of one hub; cloning it is cheap.
#[derive(Clone)]
pub struct Services {
    /// The configuration in force.
    pub settings: Settings,
    /// The database, for read-only views.
    pub database: Database,
    /// The two folders and whether they can be reached.
    pub roots: Roots,
    /// Scans.
    pub indexer: Indexer,
    pub comparer: Comparer,
    /// Hash jobs.
    pub hasher: Hasher,
    /// What is verified in idle hours.
    pub scrub: Scrub,
    /// Searches for duplicates.
    pub duplicates: Duplicates,
    /// What the model files are.
    pub models: Models,
    /// Transfers.
    pub queue: Queue,
    pub trash: Trash,
    /// Public addresses of contents.
    pub sources: Sources,
    /// Looks at these addresses.
    pub source_checks: SourceChecks,
    /// Runs of look-ups where contents can be had.
    pub discoveries: Discoveries,
    /// Plans to make one root like the other.
    pub mirror: Mirror,
    /// Sessions, agents and their jobs.
    pub remote: Remote,
    /// What is handed out to agents.
    pub serving: Serving,
    /// How fast the queue went lately.
    pub throughput: Throughput,
    /// What everyone hears of.
    pub events: Events,
    /// The list on Local of what left it.
    pub evictions_list: upkeep::EvictionsList,
    /// The ends of jobs, until they are stored.
    pub ends: EndStore,
    /// What happened, for people.
    pub history: History,
    /// The latest log lines.
    pub logs: Logs,
    /// Small pictures of what lies beside models.
    pub previews: Arc<Previews>,
    /// What is ticked in the lists of the pages.
    pub selections: Selections,
    /// Whether the demo library is served.
    pub demo: bool,
}

impl Services {
    /// Builds every service and starts what runs by itself.
    pub async fn start(
        settings: Settings,
        database: Database,
        logs: Logs,
        tasks: &Tasks,
        demo: bool,
    ) -> Result<Self, ServiceError> {
        let events = Events::new();
        let ends = EndStore::new(database.clone(), tasks.clone());
        let history = History::new(database.clone(), events.clone());
        let roots = Roots::start(settings.clone(), database.clone(), events.clone(), history.clone(), tasks).await;
        let comparer = Comparer::start(database.clone(), events.clone(), tasks);
        let context = ServiceContext {
            settings: settings.clone(),
            database: database.clone(),
            roots: roots.clone(),
            events: events.clone(),
            history: history.clone(),
            comparer: comparer.clone(),
            ends: ends.clone(),
            tasks: tasks.clone(),
            busy: Busy::new(),
            reading: Busy::new(),
        };
        let indexer = Indexer::start(context.clone()).await?;
        upkeep::start(&context);
        let evictions_list = upkeep::EvictionsList::start(&context);
        let models = Models::start_service(context.clone()).await?;
        let sources = Sources::new(context.clone(), models.clone());
        let queue = Queue::start(context.clone(), sources.clone()).await?;
        let hasher = Hasher::start_service(context.clone()).await?;
        let scrub = Scrub::start(&context, hasher.clone());
        let duplicates = Duplicates::start_service(context.clone()).await?;
        space::start(&context, indexer.clone());
        let source_checks = SourceChecks::start_service(sources.clone(), &context).await?;
        let discoveries = Discoveries::start_service(sources.clone(), &context).await?;
        let remote = Remote::start(context.clone(), hasher.clone(), sources.clone()).await?;
        let serving = Serving::start(context.clone());
        let trash = Trash::start(context, indexer.clone());
        let mirror = Mirror::new(database.clone(), roots.clone(), queue.clone(), comparer.clone(), &events, tasks);
        let throughput = Throughput::start(queue.clone(), &events, tasks);
        let selections = Selections::default();
        let previews = Arc::new(Previews::new(settings.current().app_data_dir.join("previews")));
        Ok(Self {
            settings,
            database,
            roots,
            indexer,
            comparer,
            hasher,
            scrub,
            duplicates,
            models,
            queue,
            trash,
            sources,
            source_checks,
            discoveries,
            mirror,
            remote,
            serving,
            throughput,
            events,
            evictions_list,
            ends,
            history,
            logs,
            previews,
            selections,
            demo,
        })
    }

    /// Saves settings and puts them into force: afterwards the roots are those of the new settings. Tells
    /// which keys are others now.
    pub async fn save_settings(
        &self,
        changes: BTreeMap<String, Option<String>>,
        tasks: &Tasks,
    ) -> Result<Vec<Key>, SettingsError> {
        let settings = self.settings.clone();
        let saved = tasks.blocking(move || settings.save_blocking(changes)).await;
        let changed = saved.unwrap_or_else(|| Err(std::io::Error::other("the hub is shutting down").into()))?;
        self.roots.refresh(tasks).await;
        if !changed.is_empty() {
            let keys: Vec<&str> = changed.iter().map(|key| key.name()).collect();
            // Values stay out of it: some are secrets.
            self.history.add(NewLine::new("settings", Level::Info, format!("Changed {}", keys.join(", ")))).await;
        }
        self.events.send(Event::SettingsChanged);
        Ok(changed)
    }

    /// Takes the folder that is at a root's path now for that root, because a person said so, and scans it.
    pub async fn adopt(&self, root: Root, tasks: &Tasks) -> Result<BackgroundJobId, ServiceError> {
        self.roots.adopt_anew(root, tasks).await?;
        self.indexer.begin(vec![root]).await
    }

    /// Services over a new, empty data folder without roots. The folder stays until the process
    /// ends, because tasks may still write to it.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests may unwrap")]
    pub(crate) async fn for_tests(tasks: &Tasks) -> Self {
        use crate::config::Layers;
        let folder = tempfile::tempdir().unwrap().keep();
        let flags = std::collections::BTreeMap::from([(Key::AppDataDir, folder.display().to_string())]);
        let layers = Layers { flags, ..Layers::default() };
        let config = layers.resolve().unwrap();
        let database = Database::open(&folder.join("hub.db")).unwrap().0;
        Self::start(Settings::new(layers, config), database, Logs::new(), tasks, false).await.unwrap()
    }
}
