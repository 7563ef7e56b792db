//! Puts the hub together: data folder, lock, logs, database, services, listener; and takes it apart
//! again in order.

mod connection;
pub mod doctor;
pub mod instance;
mod interface;
pub mod open_files;
mod places;
pub mod remote;
pub mod shutdown;
pub mod window;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use crate::allocator;
use crate::config::{self, Config, Layers};
use crate::fs::{private, volume};
use crate::services::{Logs, Services, Settings, Tasks};
use crate::storage::history::{Level, NewLine};
use crate::storage::open::Opened;
use crate::storage::{Database, StorageError, backups};
use crate::web::{self, LaunchToken, WebState};

/// Name of the database in the data folder.
pub const DATABASE: &str = "hub.db";

/// Name of the logs' folder in the data folder.
pub const LOGS: &str = "logs";

/// Between two times that free memory is given back to the system.
const BETWEEN_TRIMS: Duration = Duration::from_secs(15);

/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(2);

/// How long background work may take to stop; what does not is as if killed, which is safe.
const DEADLINE: Duration = Duration::from_secs(8);

/// How long what still reads or writes is waited for when the database is closed.
const CLOSING: Duration = Duration::from_secs(3);

/// When the process ends, whatever hangs: behind all of the above.
pub const LAST_MOMENT: Duration = Duration::from_secs(15);

pub struct Serve {
    /// Where the values came from.
    pub layers: Layers,
    pub config: Config,
    /// Whether it is the demo library.
    pub demo: bool,
    /// The log lines of this run.
    pub logs: Logs,
}

/// Makes the data folder and refuses one on a network drive, where a database would break.
pub fn prepare_data_dir(config: &Config) -> anyhow::Result<()> {
    let dir = &config.app_data_dir;
    if volume::is_network(dir) {
        bail!(
            "APP_DATA_DIR = \"{}\": expected a folder on a disk of this computer; a database on a network drive breaks",
            dir.display()
        );
    }
    private::make_folder(dir)
        .and_then(|()| private::make_folder(&dir.join(LOGS)))
        .with_context(|| format!("APP_DATA_DIR = \"{}\": expected a folder that can be written", dir.display()))?;
    private::tighten_files(dir, is_own_file);
    private::tighten_files(&dir.join(LOGS), |_| true);
    private::tighten_files(&dir.join(backups::FOLDER), |_| true);
    Ok(())
}

/// Whether a file of the data folder is the hub's, by its name.
fn is_own_file(name: &str) -> bool {
    name.starts_with(DATABASE)
        || name.starts_with(config::file::NAME)
        || [instance::LOCK, instance::WHERE].contains(&name)
}

/// Binds the interface's port, on this computer only.
pub fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, config.hub_port));
    TcpListener::bind(address).with_context(|| {
        format!(
            "HUB_PORT = \"{}\": expected a free port; another program listens there (0 takes any free one)",
            config.hub_port
        )
    })
}

/// Serves until `shutdown`. `ready` hears the address as soon as requests are answered.
pub async fn serve(
    what: Serve,
    listener: TcpListener,
    shutdown: CancellationToken,
    ready: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    listener.set_nonblocking(true).context("the listener can't be made asynchronous")?;
    open_files::allow_many();
    let (database, opened) = open_database(&what.config.app_data_dir)?;
    let settings = Settings::new(what.layers, what.config);
    let tasks = Tasks::new();
    let services = Services::start(settings, database.clone(), what.logs, &tasks, what.demo).await?;
    services.hash_demo_by_itself(&tasks);
    tell_opened(&services, &opened).await;
    remote::start(&services, &tasks);
    keep_memory_small(&tasks);
    let state = WebState::new(services.clone(), LaunchToken::new()?, address.port(), tasks.clone());
    let handle = axum_server::Handle::new();
    let server =
        interface::serve(listener, handle.clone(), web::router(state)).context("the listener can't be used")?;
    if handle.listening().await.is_none() {
        server.await?.context("the listener can't be used")?;
        bail!("the listener closed at once");
    }
    ready(address)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    shutdown.cancelled().await;
    tracing::info!("shutting down");
    handle.graceful_shutdown(Some(DRAIN));
    if !tasks.shut_down(DEADLINE).await {
        tracing::warn!("some work did not stop in time; it goes on at the next start");
    }
    // What comes after the answers under way have ended is nobody's.
    let served = tokio::time::timeout(DRAIN, server).await;
    close(database).await;
    match served {
        Ok(ended) => ended?.context("the listener failed"),
        Err(_) => Ok(()),
    }
}

/// Puts all that was committed into the database's own file, so that a copy of it holds everything.
async fn close(database: Database) {
    let closing = tokio::task::spawn_blocking(move || database.close_blocking(CLOSING));
    match tokio::time::timeout(CLOSING + DRAIN, closing).await {
        Ok(Ok(Ok(()))) => tracing::info!("the database is closed"),
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the database could not be closed: its log stays beside it"),
        Ok(Err(error)) => tracing::error!(%error, "closing the database broke off"),
        Err(_) => tracing::warn!("the database could not be closed in time: its log stays beside it"),
    }
}

/// Gives back, from time to time, what a large piece of work has left.
fn keep_memory_small(tasks: &Tasks) {
    if !allocator::CAN_GIVE_BACK {
        return;
    }
    let this = tasks.clone();
    tasks.spawn(async move {
        while this.pause(BETWEEN_TRIMS).await {
            this.blocking(allocator::give_back).await;
        }
    });
}

fn open_database(app_data_dir: &Path) -> anyhow::Result<(Database, Opened)> {
    let path = app_data_dir.join(DATABASE);
    let room = || volume::space(app_data_dir).ok().flatten().map(|space| space.free_bytes);
    // Made here, so that it is nobody else's from its first byte on. Where that can't be done, opening
    // it says why.
    private::open(&path).ok();
    Database::open_with_room(&path, &room).map_err(|error| match error {
        // It names the file itself.
        StorageError::Unopenable { .. } => error.into(),
        error => anyhow::Error::new(error).context(format!("the database {} can't be opened", path.display())),
    })
}

async fn tell_opened(services: &Services, opened: &Opened) {
    let (summary, detail) = match opened {
        Opened::Sound | Opened::New => return,
        Opened::Replaced(aside) => (
            "The database was broken and has been begun anew: scan both roots again".to_owned(),
            format!("The old file was kept as {}. Hashes have to be taken again.", aside.display()),
        ),
        Opened::Restored { aside, backup } => {
            let was = if aside.is_some() { "was broken" } else { "was gone" };
            let made = backup.made_at.strftime("%Y-%m-%d %H:%M UTC");
            let kept = aside.as_ref().map(|aside| format!("The old file was kept as {}. ", aside.display()));
            (
                format!("The database {was}: its copy of {made} has taken its place"),
                format!(
                    "{}The roots are scanned again. What happened after {made} is not in history; work that was \
                     queued then waits until you resume the queue.",
                    kept.unwrap_or_default()
                ),
            )
        }
    };
    services.history.add(NewLine::new("database", Level::Error, summary).detail(detail)).await;
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Without those of the program's own file, of which more come as it runs.
    fn resident_pages() -> anyhow::Result<u64> {
        let statm = std::fs::read_to_string("/proc/self/statm")?;
        let figure = |n| anyhow::Ok(statm.split(' ').nth(n).context("a figure")?.parse::<u64>()?);
        Ok(figure(1)?.saturating_sub(figure(2)?))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_freed_below_something_in_use_goes_back_to_the_system() -> anyhow::Result<()> {
        let mut pieces: Vec<Box<[u8; 1024]>> = (0..64 * 1024).map(|_| Box::new([1; 1024])).collect();
        let last = pieces.pop();
        drop(pieces);
        let before = resident_pages()?;
        let tasks = Tasks::new();
        keep_memory_small(&tasks);
        // Not before the work that this begins is done: a deadline on the paused clock, which stands meanwhile.
        tokio::time::sleep(BETWEEN_TRIMS * 2).await;
        let after = resident_pages()?;
        assert!(after + 60 * 256 < before, "{before} pages before, {after} after");
        drop(last);
        assert!(tasks.shut_down(DEADLINE).await);
        Ok(())
    }
}
