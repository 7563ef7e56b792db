//! One search after the other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use shared_protocol::Blake3;

use super::read::{self, ReaderPool};
use super::stage::{Progress, Stage};
use super::weights;
use super::{Duplicates, Running};
use crate::domain::duplicates::{Found, GroupKind, Search, WHOLE_BYTES};
use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::domain::size;
use crate::fs::CancelFlag;
use crate::services::roots::LiveRoot;
use crate::services::{Event, ServiceError};
use crate::storage::duplicates::{self, CandidateRow, DuplicateScanRow, NewGroup};
use crate::storage::history::{Level, NewLine};
use crate::storage::{now_ms, timestamp};

/// Between two looks at a root that can't be reached.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn start(duplicates: &Duplicates) {
    let this = duplicates.clone();
    duplicates.tasks.spawn(async move {
        loop {
            if !this.ends.until_writable().await {
                return;
            }
            match this.database.read(duplicates::next).await {
                Ok(Some(scan)) => {
                    if !run(&this, scan).await {
                        return;
                    }
                }
                Ok(None) => tokio::select! {
                    () = this.wake.notified() => {}
                    () = this.tasks.token().cancelled() => return,
                },
                Err(error) => {
                    tracing::error!(%error, "searches for duplicates can't be read");
                    if !this.tasks.pause(PATIENCE).await {
                        return;
                    }
                }
            }
        }
    });
}

/// Runs a search to its end; `false` if the program ends first, and it begins again at the next start.
async fn run(duplicates: &Duplicates, scan: DuplicateScanRow) -> bool {
    let id = scan.id;
    let cancel = CancelFlag::new();
    let _guard = duplicates.tasks.cancel_at_shutdown(cancel.clone());
    match begin(duplicates, scan, &cancel).await {
        Ok(true) => {}
        // It was cancelled while it waited.
        Ok(false) => return true,
        Err(error) => {
            tracing::error!(%error, "a search for duplicates could not begin");
            return duplicates.tasks.pause(PATIENCE).await;
        }
    }
    duplicates.events.send(Event::DuplicateScanChanged(id));
    let (this, flag) = (duplicates.clone(), cancel.clone());
    let found = duplicates.tasks.blocking(move || work(&this, &flag)).await;
    if duplicates.tasks.token().is_cancelled() {
        duplicates.running.lock().take();
        return false;
    }
    let Some(mut scan) = duplicates.running.lock().as_ref().map(|running| running.scan.clone()) else { return true };
    let groups = match found {
        _ if cancel.is_cancelled() => {
            scan.state = WorkState::Cancelled;
            None
        }
        Some(Ok(groups)) => {
            scan.state = if scan.n_failed > 0 { WorkState::Partial } else { WorkState::Complete };
            Some(groups)
        }
        Some(Err(error)) => {
            scan.state = WorkState::Failed;
            scan.detail = Some(error.to_string());
            None
        }
        None => return true,
    };
    scan.finished_at = Some(timestamp(now_ms()));
    end(duplicates, scan, groups).await;
    true
}

/// Takes the search from the queue, unless someone has dropped it meanwhile.
async fn begin(duplicates: &Duplicates, scan: DuplicateScanRow, cancel: &CancelFlag) -> Result<bool, ServiceError> {
    let (this, cancel) = (duplicates.clone(), cancel.clone());
    let begun = duplicates.database.write(move |tx| {
        let Some(mut scan) = duplicates::show(tx, scan.id)?.filter(|scan| !scan.state.is_final()) else {
            return Ok(false);
        };
        (scan.n_failed, scan.detail) = (0, None);
        scan.state = WorkState::Running;
        duplicates::save(tx, &scan)?;
        *this.running.lock() = Some(Running { scan, progress: Progress::default(), failed: BTreeSet::new(), cancel });
        Ok(true)
    });
    Ok(begun.await?)
}

/// Stores the result with the end of the search, and tells of it.
async fn end(duplicates: &Duplicates, scan: DuplicateScanRow, groups: Option<Vec<NewGroup>>) {
    let id = scan.id;
    let (this, kept) = (duplicates.clone(), scan.clone());
    let show_end = move || this.update(|running| running.scan = kept);
    let stored = duplicates
        .ends
        .store("a search for duplicates", show_end, move |tx| {
            let mut scan = scan.clone();
            if let Some(groups) = &groups {
                duplicates::replace(tx, scan.id, groups)?;
                (scan.n_groups, scan.reclaimable_bytes) = duplicates::n_groups(tx, GroupKind::Content)?;
            }
            duplicates::save(tx, &scan)?;
            Ok(scan)
        })
        .await;
    duplicates.running.lock().take();
    match stored {
        Ok(scan) => duplicates.history.add(line(&scan)).await,
        Err(error) => tracing::error!(%error, "what a search for duplicates found could not be stored"),
    }
    duplicates.comparer.index_changed();
    for root in Root::ALL {
        duplicates.events.send(Event::IndexChanged(root));
    }
    duplicates.events.send(Event::DuplicatesChanged);
    duplicates.events.send(Event::DuplicateScanChanged(id));
}

fn line(scan: &DuplicateScanRow) -> NewLine {
    let level = if scan.state == WorkState::Complete { Level::Info } else { Level::Warning };
    let place = scan.scope.roots.iter().map(|root| root.label()).collect::<Vec<_>>().join(" and ");
    let found = match scan.state {
        WorkState::Complete | WorkState::Partial => {
            let groups = size::counted(scan.n_groups, "group");
            format!(": {groups}, {} could be freed", size::bytes(scan.reclaimable_bytes))
        }
        _ => String::new(),
    };
    let failed = match scan.n_failed {
        0 => String::new(),
        n => format!(", {} could not be compared", size::counted(n, "file")),
    };
    let summary = format!("Search for duplicates in {place} {}{found}{failed}", scan.state.as_str());
    let mut line = NewLine::new("duplicates", level, summary);
    line.detail.clone_from(&scan.detail);
    line
}

/// Finds the groups. What is read on the way is stored at once.
fn work(this: &Duplicates, cancel: &CancelFlag) -> Result<Vec<NewGroup>, ServiceError> {
    let Some(scope) = this.running.lock().as_ref().map(|running| running.scan.scope.clone()) else {
        return Ok(Vec::new());
    };
    let Some(lives) = until_live(this, &scope.roots, cancel) else { return Ok(Vec::new()) };
    let rows: Vec<RootRowId> = lives.iter().map(|live| live.row).collect();
    let pool = ReaderPool::new(this, &lives, cancel);
    let names = this.database.read_blocking(|connection| duplicates::candidates(connection, &rows, scope.min_size))?;
    this.update(|running| running.scan.n_candidates = names.len() as u64);
    let mut search = Search::new(&look(&pool, &names)?, WHOLE_BYTES);
    for (name, ends) in read::ends(&pool, &names, &search.needs_ends())? {
        search.set_ends(name, ends);
    }
    let hashes = read::contents(&pool, &names, &search.needs_hash())?;
    let is_read: HashSet<usize> = hashes.iter().map(|(name, _)| *name).collect();
    for (name, hash) in hashes {
        search.set_hash(name, hash);
    }
    // What was read under one name is known of the file's other names too.
    let others = search.hashed_names().filter(|(name, _)| !is_read.contains(name));
    read::store_known(this, others.filter_map(|(name, hash)| Some((names.get(name)?, hash))))?;
    let weights = weights::groups(&pool, &rows, scope.min_size)?;
    // Whatever failed because a root went away says nothing about its files.
    lives.iter().try_for_each(|live| this.roots.check_blocking(live))?;
    Ok(groups(&search, &names, &lives).into_iter().chain(weights).collect())
}

/// Looks at every name: which file is it. One that is not as the index has it is left out, as empty
/// files are.
fn look(pool: &ReaderPool<'_>, names: &[CandidateRow]) -> Result<Vec<Found>, ServiceError> {
    pool.this.update(|running| running.progress.begin(Stage::Look, names.len() as u64, 0));
    let all: Vec<usize> = (0..names.len()).collect();
    let mut found = vec![Found { size_bytes: 0, node: None, ends: None, hash: None }; names.len()];
    for (at, looked) in read::looks(pool, names, &all)? {
        if let (Some(place), Some(name), Some(node)) = (found.get_mut(at), names.get(at), looked) {
            *place = Found { size_bytes: name.size_bytes, node, ends: name.ends, hash: name.hash };
        }
    }
    Ok(found)
}

fn groups(search: &Search, names: &[CandidateRow], lives: &[LiveRoot]) -> Vec<NewGroup> {
    let roots: HashMap<RootRowId, Root> = lives.iter().map(|live| (live.row, live.root)).collect();
    let group = |(digest, files): (Blake3, Vec<Vec<usize>>)| {
        let size_bytes = files.first().and_then(|file| names.get(*file.first()?)).map_or(0, |name| name.size_bytes);
        let of = |at: usize| names.get(at).and_then(|name| Some((name.id, *roots.get(&name.root)?)));
        let files = files.into_iter().map(|file| file.into_iter().filter_map(of).collect()).collect();
        NewGroup { kind: GroupKind::Content, digest, size_bytes, files }
    };
    search.groups().into_iter().map(group).collect()
}

/// The roots, as soon as all of them can be reached; none if the search is to stop.
fn until_live(this: &Duplicates, roots: &[Root], cancel: &CancelFlag) -> Option<Vec<LiveRoot>> {
    loop {
        if cancel.is_cancelled() {
            return None;
        }
        match roots.iter().map(|root| this.roots.live(*root)).collect() {
            Ok(lives) => {
                this.update(|running| running.progress.waiting = None);
                return Some(lives);
            }
            Err(error) => {
                let error: ServiceError = error;
                this.update(|running| running.progress.waiting = Some(error.to_string()));
                cancel.pause(PATIENCE);
            }
        }
    }
}
