//! One search for duplicates.

use std::collections::{HashMap, HashSet};

use shared_protocol::Blake3;

use super::files::{Files, Places};
use super::{DuplicateScanView, weights};
use crate::domain::background::WorkState;
use crate::domain::duplicates::{FoundName, GroupKind, Search, SearchReport, SearchScope, WHOLE_BYTES};
use crate::domain::ids::{BackgroundJobId, RootRowId};
use crate::domain::root::Root;
use crate::domain::size;
use crate::services::background::{BackgroundJobView, Job, JobWork};
use crate::services::context::ServiceContext;
use crate::services::reading::Reading;
use crate::services::{Event, ServiceError};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::duplicates::{self, NewGroup};
use crate::storage::history::{Level, NewLine};
use crate::storage::{Connection, StorageError};

/// How a search is done.
#[derive(Clone)]
pub(super) struct Searching {
    pub(super) context: ServiceContext,
}

impl BackgroundKind for Searching {
    const KIND: &'static str = "duplicates";
    type Payload = SearchScope;
    type Report = SearchReport;

    fn queue(_: &SearchScope) -> &'static str {
        ""
    }
}

impl JobWork for Searching {
    const NAME: &'static str = "search for duplicates";
    const QUEUES: &'static [&'static str] = &[""];
    type Found = Vec<NewGroup>;
    type View = DuplicateScanView;

    fn covers(waiting: &SearchScope, asked: &SearchScope) -> bool {
        waiting == asked
    }

    /// Finds the groups. What is read on the way is stored at once.
    fn run(&self, job: &Job<Self>) -> Result<Vec<NewGroup>, ServiceError> {
        let Self { context } = self;
        let SearchScope { roots, min_size } = &job.row.payload;
        let live = |root: &Root| job.progress.wait_until_online(&context.roots, *root);
        let Some(lives) = roots.iter().map(live).collect::<Option<Vec<_>>>() else { return Ok(Vec::new()) };
        let rows: Vec<RootRowId> = lives.iter().map(|live| live.row).collect();
        let reading = Reading { context, progress: &job.progress };
        let places = Places { reading, report: &job.report, lives: &lives };
        let names =
            context.database.read_blocking(|connection| duplicates::candidates(connection, &rows, *min_size))?;
        job.report.lock().n_candidates = names.len() as u64;

        let files = Files::new(places, names);
        let mut search = Search::new(&look_at_names(&files)?, WHOLE_BYTES);
        for (name, ends) in files.ends(&search.needs_ends())? {
            search.set_ends(name, ends);
        }
        let contents = files.contents(&search.needs_hash())?;
        let is_read: HashSet<usize> = contents.iter().map(|(name, _)| *name).collect();
        for (name, content) in contents {
            search.set_hash(name, content.map(|content| content.blake3));
        }
        // What was read under one name is known of the file's other names too.
        files.store_known(search.hashed_names().filter(|(name, _)| !is_read.contains(name)))?;
        let weights = weights::groups(places, &rows, *min_size)?;
        // Whatever failed because a root went away says nothing about its files.
        lives.iter().try_for_each(|live| context.roots.check_blocking(live))?;
        Ok(groups(&search, &files).into_iter().chain(weights).collect())
    }

    fn finish(tx: &Connection, row: &mut RowOf<Self>, found: Option<&Vec<NewGroup>>) -> Result<(), StorageError> {
        row.report.stage = None;
        if let Some(groups) = found {
            duplicates::replace(tx, row.id, groups)?;
            (row.report.n_groups, row.report.reclaimable_bytes) = duplicates::n_groups(tx, GroupKind::Content)?;
        }
        Ok(())
    }

    fn history(row: &RowOf<Self>) -> Vec<NewLine> {
        let level = if row.state == WorkState::Complete { Level::Info } else { Level::Warning };
        let place = row.payload.roots.iter().map(|root| root.label()).collect::<Vec<_>>().join(" and ");
        let found = match row.state {
            WorkState::Complete | WorkState::Partial => {
                let groups = size::counted(row.report.n_groups, "group");
                format!(": {groups}, {} could be freed", size::bytes(row.report.reclaimable_bytes))
            }
            _ => String::new(),
        };
        let failed = match row.counts.n_failed {
            0 => String::new(),
            n => format!(", {} could not be compared", size::counted(n, "file")),
        };
        let summary = format!("Search for duplicates in {place} {}{found}{failed}", row.state.as_str());
        let mut line = NewLine::new("duplicates", level, summary);
        line.detail.clone_from(&row.detail);
        vec![line]
    }

    fn tell_end(&self, _: &RowOf<Self>) {
        self.context.comparer.index_changed();
        for root in Root::ALL {
            self.context.events.send(Event::IndexChanged(root));
        }
        self.context.events.send(Event::DuplicatesChanged);
    }

    fn event(id: BackgroundJobId) -> Event {
        Event::DuplicateScanChanged(id)
    }

    fn view(row: &RowOf<Self>, job: BackgroundJobView) -> DuplicateScanView {
        DuplicateScanView { job, scope: row.payload.clone(), report: row.report }
    }
}

/// Looks at every name: which file is it. One that is not as the index has it is left out, as empty
/// files are.
fn look_at_names(files: &Files<'_>) -> Result<Vec<FoundName>, ServiceError> {
    let all: Vec<usize> = (0..files.rows.len()).collect();
    let mut found = vec![FoundName { size_bytes: 0, node: None, ends: None, hash: None }; all.len()];
    for (at, looked) in files.looks(&all)? {
        if let (Some(place), Some(row), Some(node)) = (found.get_mut(at), files.rows.get(at), looked) {
            *place = FoundName { size_bytes: row.file.size_bytes, node, ends: row.ends, hash: row.file.hash };
        }
    }
    Ok(found)
}

fn groups(search: &Search, files: &Files<'_>) -> Vec<NewGroup> {
    let roots: HashMap<RootRowId, Root> = files.places.lives.iter().map(|live| (live.row, live.root)).collect();
    let group = |(digest, members): (Blake3, Vec<Vec<usize>>)| {
        let first = members.first().and_then(|names| files.rows.get(*names.first()?));
        let size_bytes = first.map_or(0, |row| row.file.size_bytes);
        let of = |at: usize| files.rows.get(at).and_then(|row| Some((row.file.id, *roots.get(&row.root)?)));
        let files = members.into_iter().map(|names| names.into_iter().filter_map(of).collect()).collect();
        NewGroup { kind: GroupKind::Content, digest, size_bytes, files }
    };
    search.groups().into_iter().map(group).collect()
}
