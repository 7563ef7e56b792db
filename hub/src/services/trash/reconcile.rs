//! Bringing what is known of a trash in line with what lies in it: at the start, when a root comes
//! back, and after each scan. Files that this database never knew are taken in, so that they can be
//! put back although the database that deleted them is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::{Trash, strays};
use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::fs::entry::OpenRoot;
use crate::fs::trash::listing::{self, BatchFolder, Lying};
use crate::fs::{FileStamp, trash as files};
use crate::services::roots::LiveRoot;
use crate::services::{Event, ServiceError};
use crate::storage::now_ms;
use crate::storage::trash::{self as rows, FoundInTrash, TrashRow};

/// Scans tell of their progress often; only the quiet after it counts.
const QUIET: Duration = Duration::from_millis(300);

pub(super) fn start(trash: &Trash) {
    for root in Root::ALL {
        let this = trash.clone();
        trash.tasks.spawn(async move { follow(&this, root).await });
    }
}

/// Looks through one root's trash whenever there is a reason to.
async fn follow(trash: &Trash, root: Root) {
    let mut heard = trash.events.subscribe();
    let mut seen: Option<RootRowId> = None;
    let mut scanned = false;
    loop {
        // While a scan runs, its progress is told again and again.
        scanned &= trash.indexer.current().is_none();
        let live = trash.roots.live(root).ok();
        let row = live.as_ref().map(|live| live.row);
        if let Some(live) = live.filter(|_| scanned || row != seen) {
            trash.reconcile(live).await;
        }
        seen = row;
        scanned = loop {
            let event = tokio::select! {
                event = heard.recv() => event,
                () = trash.tasks.token().cancelled() => return,
            };
            match event {
                Ok(Event::ScanChanged(_)) | Err(RecvError::Lagged(_)) => break true,
                Ok(Event::RootChanged(_) | Event::SettingsChanged) => break false,
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        };
        if scanned {
            if !trash.tasks.pause(QUIET).await {
                return;
            }
            heard = heard.resubscribe();
        }
    }
}

impl Trash {
    /// Looks through the trash of a root; what goes wrong is looked at again after the next scan.
    async fn reconcile(&self, live: LiveRoot) {
        let _turn = Arc::clone(self.turns.get(live.root)).lock_owned().await;
        let this = self.clone();
        let root = live.root;
        match self.tasks.blocking(move || this.reconcile_blocking(&live)).await {
            Some(Ok(true)) => self.events.send(Event::IndexChanged(root)),
            Some(Err(error)) => tracing::warn!(root = root.as_str(), %error, "the trash could not be looked through"),
            Some(Ok(false)) | None => {}
        }
    }

    /// Tells whether anything was other than known.
    pub(super) fn reconcile_blocking(&self, live: &LiveRoot) -> Result<bool, ServiceError> {
        // What is listed after these are read may have been put there since: it is no news.
        let mut known = self.database.read_blocking(|connection| rows::folders(connection, live.row))?;
        let root = self.roots.open_blocking(live)?;
        strays::clear(&self.database, live, &root)?;
        let folders = listing::batch_folders(&root, &known).map_err(|error| unreadable(live, &error))?;
        known.retain(|name| folders.iter().all(|folder| folder.name != *name));
        let mut differs = false;
        for folder in &folders {
            let rows = self.database.read_blocking(|connection| rows::in_folder(connection, live.row, &folder.name))?;
            let (lying, parts) = listing::files_in(&root, folder).map_err(|error| unreadable(live, &error))?;
            strays::clear_in_trash(&self.database, &parts)?;
            differs |= self.reconcile_folder(live, &root, folder, rows, lying)?;
        }
        for name in &known {
            let rows = self.database.read_blocking(|connection| rows::in_folder(connection, live.row, name))?;
            differs |= self.reconcile_missing(live, &root, &rows)?;
        }
        Ok(differs)
    }

    fn reconcile_folder(
        &self,
        live: &LiveRoot,
        root: &Arc<OpenRoot>,
        folder: &BatchFolder,
        rows: Vec<TrashRow>,
        lying: Vec<Lying>,
    ) -> Result<bool, ServiceError> {
        let mut rows: HashMap<String, TrashRow> = rows.into_iter().map(|row| (row.trash_path.clone(), row)).collect();
        let (mut news, mut stay) = (Vec::new(), Vec::new());
        for file in lying {
            match rows.remove(&file.trashed) {
                Some(row) if stamp(&row) == file.stamp => stay.extend(row.leaving.then_some(row.id)),
                Some(row) => {
                    stay.extend(row.leaving.then_some(row.id));
                    news.push(found(folder, file));
                }
                None => news.push(found(folder, file)),
            }
        }
        if !news.is_empty() || !stay.is_empty() {
            self.database.write_blocking(|tx| {
                news.iter().try_for_each(|file| rows::adopt(tx, live.row, file))?;
                rows::stay(tx, &stay)
            })?;
        }
        let missing: Vec<TrashRow> = rows.into_values().collect();
        Ok(self.reconcile_missing(live, root, &missing)? || !news.is_empty() || !stay.is_empty())
    }

    /// Forgets files that are not there: each is looked for by itself, with the root there before
    /// and after. One whose disk is not mounted is not gone.
    fn reconcile_missing(
        &self,
        live: &LiveRoot,
        root: &Arc<OpenRoot>,
        rows: &[TrashRow],
    ) -> Result<bool, ServiceError> {
        if rows.is_empty() {
            return Ok(false);
        }
        self.roots.check_blocking(live)?;
        let is_gone = |row: &&TrashRow| {
            matches!(files::stamp(root, &row.trash_path), Ok(None))
                && matches!(files::is_there(root, &row.trash_path), Ok(true))
        };
        let gone: Vec<i64> = rows.iter().filter(is_gone).map(|row| row.id).collect();
        self.roots.check_blocking(live)?;
        if gone.is_empty() {
            return Ok(false);
        }
        self.database.write_blocking(|tx| rows::forget(tx, &gone))?;
        Ok(true)
    }
}

const fn stamp(row: &TrashRow) -> FileStamp {
    FileStamp::known(row.size_bytes, row.modified, None)
}

/// The day is all that the folders tell; a file deleted today was deleted before now.
fn found(folder: &BatchFolder, file: Lying) -> FoundInTrash {
    let day = folder.date.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |day| day.timestamp().as_millisecond());
    FoundInTrash {
        path: file.path,
        trash_path: file.trashed,
        size_bytes: file.stamp.size_bytes,
        modified: file.stamp.modified,
        deleted_at: day.min(now_ms()),
    }
}

fn unreadable(live: &LiveRoot, error: &crate::fs::FsError) -> ServiceError {
    ServiceError::Offline { root: live.root, why: error.to_string() }
}
