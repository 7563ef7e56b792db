//! Looking at the roots every few seconds.

use std::sync::Arc;
use std::time::Duration;

use shared_protocol::ids::RootId;

use super::belonging::{self, Belonging};
use super::verdict::{self, RootRefusal, Usable, reason};
use super::{KnownRoot, LiveRoot, RootStatus, Roots, adopt, links};
use crate::domain::root::Root;
use crate::fs::RootDir;
use crate::fs::entry::OpenRoot;
use crate::fs::probe::{self, ProbedRoot, probe};
use crate::fs::volume::VolumeSpace;
use crate::services::{Event, Tasks};
use crate::storage::StorageError;
use crate::storage::history::{Level, NewLine};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// A folder that takes longer to answer counts as offline until it does.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long the start of the hub waits for the first look.
const FIRST: Duration = Duration::from_secs(3);

/// Free space is told of only when it changes by more than this.
const NOTABLE_BYTES: u64 = 64 << 20;

pub(super) async fn start(roots: &Roots, tasks: &Tasks) {
    let (first, first_tasks) = (roots.clone(), tasks.clone());
    let first_look = tasks.spawn(async move {
        tokio::join!(look_at_root(&first, Root::Local, &first_tasks), look_at_root(&first, Root::Lake, &first_tasks));
    });
    tokio::time::timeout(FIRST, first_look).await.ok();
    for root in Root::ALL {
        let (roots, tasks) = (roots.clone(), tasks.clone());
        tasks.clone().spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = roots.look_now.notified() => {}
                    () = tasks.token().cancelled() => return,
                }
                look_at_root(&roots, root, &tasks).await;
            }
        });
    }
}

/// Whether the root is still the one it was.
pub(super) fn check(live: &LiveRoot) -> Result<(), String> {
    match probe(&live.dir, live.marker) {
        ProbedRoot::Online { .. } => Ok(()),
        other => Err(reason(&other)),
    }
}

/// Opens the root, if it is still the one it was.
pub(super) fn open(live: &LiveRoot) -> Result<Arc<OpenRoot>, String> {
    probe::open(&live.dir, live.marker).map_err(|found| reason(&found))
}

/// What one look found.
#[derive(Default)]
struct Look {
    live: Option<LiveRoot>,
    space: Option<VolumeSpace>,
    writable: bool,
    why: Option<String>,
    can_adopt: bool,
    index_note: Option<String>,
}

impl Look {
    fn failed(why: String, can_adopt: bool, belonging: &Belonging) -> Self {
        Self { why: Some(why), can_adopt, index_note: belonging.note(can_adopt), ..Self::default() }
    }
}

/// Looks at one root and tells everyone if something is different.
pub(super) async fn look_at_root(roots: &Roots, root: Root, tasks: &Tasks) {
    let dir = roots.settings.current().roots.get(root).dir.clone();
    let (this, looked_at) = (roots.clone(), dir.clone());
    // Not awaited by the end of the program: it may hang in the system for minutes.
    let task = tokio::task::spawn_blocking(move || look_blocking(&this, root, looked_at.as_ref()));
    let found = tokio::select! {
        result = tokio::time::timeout(PATIENCE, task) => match result {
            Ok(Ok(Ok(look))) => look,
            Ok(Ok(Err(error))) => without_answer(roots, root, dir.clone(), error.to_string()).await,
            Ok(Err(error)) => without_answer(roots, root, dir.clone(), error.to_string()).await,
            Err(_) => without_answer(roots, root, dir.clone(), "it does not answer".to_owned()).await,
        },
        () = tasks.token().cancelled() => return,
    };
    take_found(roots, root, dir, found).await;
}

/// What can be told of a disk that tells nothing: whose index is shown, which the database knows.
async fn without_answer(roots: &Roots, root: Root, dir: Option<RootDir>, why: String) -> Look {
    let database = roots.database.clone();
    let found = tokio::task::spawn_blocking(move || belonging::show(&database, root, dir.as_ref())).await;
    Look::failed(why, false, &found.ok().and_then(Result::ok).unwrap_or_default())
}

fn look_blocking(roots: &Roots, root: Root, dir: Option<&RootDir>) -> Result<Look, StorageError> {
    let found = belonging::show(&roots.database, root, dir)?;
    let look = dir.map_or_else(|| Ok(Look::default()), |dir| look_at(roots, root, dir, &found))?;
    if found.row.is_none() && look.live.is_none() {
        belonging::drop_hidden_duplicates(&roots.database, root)?;
    }
    Ok(look)
}

fn look_at(roots: &Roots, root: Root, dir: &RootDir, found: &Belonging) -> Result<Look, StorageError> {
    let config = roots.settings.current();
    let ask = |id| roots.database.read_blocking(|connection| found.question(connection, root, id, &config));
    let Usable { space, writable, id } = match verdict::judge_folder(dir, found, ask)? {
        Ok(usable) => usable,
        Err(RootRefusal { why, can_adopt }) => return Ok(Look::failed(why, can_adopt, found)),
    };
    let live = known(roots, root, dir, writable, id)
        .map_or_else(|| adopt::row_of(&roots.database, root, dir, writable, id), Ok)
        .and_then(|live| links::included(roots, live, dir));
    Ok(match live {
        Ok(live) => Look { live: Some(live), space, writable, ..Look::default() },
        Err(why) => Look::failed(why, false, found),
    })
}

/// What the look before found, if nothing is different: most looks end here.
fn known(roots: &Roots, root: Root, dir: &RootDir, writable: bool, id: Option<RootId>) -> Option<LiveRoot> {
    let live = roots.known.read().get(root).live.clone()?;
    (id.is_some() && live.marker == id && live.dir.is_same(dir) && live.writable == writable).then_some(live)
}

async fn take_found(roots: &Roots, root: Root, dir: Option<RootDir>, found: Look) {
    let online = found.live.is_some();
    let (changed, was, first) = {
        let mut known = roots.known.write();
        let old = known.get_mut(root);
        let first = old.dir.is_none();
        let since = if online || dir.is_none() {
            None
        } else {
            old.status.offline_since.filter(|_| !first).or_else(|| Some(jiff::Timestamp::now()))
        };
        let status = RootStatus {
            configured: dir.is_some(),
            path: dir.as_ref().map(RootDir::display),
            online,
            offline_reason: found.why,
            offline_since: since,
            can_adopt: found.can_adopt,
            index_note: found.index_note,
            free_bytes: found.space.map(|space| space.free_bytes),
            total_bytes: found.space.map(|space| space.total_bytes),
            allow_delete: old.status.allow_delete,
            writable: found.writable,
            identity_note: found.live.as_ref().filter(|live| live.marker.is_none()).map(|_| {
                "This folder can't be written, so it is known by its volume and path only; another disk mounted \
                 there would not be noticed as surely."
                    .to_owned()
            }),
        };
        let was = old.status.online;
        let changed = differs(&old.status, &status) || old.live != found.live;
        *old = KnownRoot { dir, live: found.live, status };
        (changed, was, first)
    };
    if !changed {
        return;
    }
    roots.events.send(Event::RootChanged(root));
    if was != online && !first {
        let (level, what) =
            if online { (Level::Info, "is reachable again") } else { (Level::Warning, "can't be reached") };
        let why = roots.known.read().get(root).status.offline_reason.clone();
        tracing::info!(root = root.as_str(), online, why = why.as_deref().unwrap_or_default(), "a root changed");
        let mut line = NewLine::new("root", level, format!("{} {what}", root.label())).root(root);
        line.detail = why;
        roots.history.add(line).await;
    }
}

/// Whether people would see a difference.
fn differs(old: &RootStatus, new: &RootStatus) -> bool {
    let space = |status: &RootStatus| status.free_bytes.unwrap_or(0);
    let quiet = |status: &RootStatus| RootStatus { free_bytes: None, ..status.clone() };
    quiet(old) != quiet(new) || space(old).abs_diff(space(new)) > NOTABLE_BYTES
}
