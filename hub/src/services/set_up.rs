//! Giving the hub its two folders, or the demo library's.
//!
//! The demo is hashed by itself, so that what only hashes tell (moved files, duplicates) is there to
//! be seen. It is small; people's own folders are hashed when they say so.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::hasher::{HashKind, HashScope};
use super::{Event, ServiceError, Services, SettingsError, Tasks};
use crate::config::{DEMO_FOLDER, Key};
use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::fs::{RootDir, demo};
use crate::storage::{hashes, roots};

/// Returns when a scan went on or ended, or the folders are others.
async fn until_scanned(listener: &mut broadcast::Receiver<Event>) {
    loop {
        match listener.recv().await {
            Ok(Event::ScanChanged(_) | Event::SettingsChanged) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Services {
    /// Takes these settings and begins to scan what can be reached.
    pub async fn set_up(
        &self,
        mut changes: BTreeMap<String, Option<String>>,
        tasks: &Tasks,
    ) -> Result<(), SettingsError> {
        if self.is_demo() {
            // What may be done in the demo was never allowed for people's own folders.
            for key in [Key::LocalAllowDelete, Key::LakeAllowDelete] {
                changes.entry(key.name().to_owned()).or_insert(None);
            }
        }
        self.save_settings(changes, tasks).await?;
        // A folder that can't be reached yet is scanned when it comes.
        if let Err(error) = self.indexer.begin(Root::ALL.to_vec()).await {
            tracing::info!(%error, "the first scan waits");
        }
        Ok(())
    }

    /// Makes the demo library in the data folder, or takes the one that is there, and serves it.
    pub async fn set_up_demo(&self, tasks: &Tasks) -> Result<(), SettingsError> {
        let folder = self.demo_folder();
        let built = tasks.blocking(move || demo::build(&folder)).await;
        let built = built.ok_or_else(|| std::io::Error::other("the hub is shutting down"))?;
        let roots = built.map_err(|error| std::io::Error::other(error.to_string()))?;
        let yes = || Some("true".to_owned());
        let text = |path: PathBuf| Some(path.display().to_string());
        // In a library made for trying out everything may be tried.
        let changes = BTreeMap::from([
            (Key::LocalModelsRoot.name().to_owned(), text(roots.local)),
            (Key::LakeModelsRoot.name().to_owned(), text(roots.lake)),
            (Key::LocalAllowDelete.name().to_owned(), yes()),
            (Key::LakeAllowDelete.name().to_owned(), yes()),
        ]);
        self.set_up(changes, tasks).await
    }

    /// Whether the demo library is served.
    pub fn is_demo(&self) -> bool {
        let config = self.settings.current();
        let demo = self.demo_folder().display().to_string();
        let is_inside = |dir: &RootDir| dir.display().starts_with(&demo);
        self.demo || Root::ALL.into_iter().all(|root| config.roots.get(root).dir.as_ref().is_some_and(is_inside))
    }

    /// Hashes the demo library once it is scanned. A root that was ever hashed is left to people.
    pub fn hash_demo_by_itself(&self, tasks: &Tasks) {
        let this = self.clone();
        let stopping = tasks.token().clone();
        tasks.spawn(async move {
            let mut events = this.events.subscribe();
            let mut asked = HashSet::new();
            loop {
                if this.is_demo()
                    && let Err(error) = this.hash_demo(&mut asked).await
                {
                    tracing::info!(%error, "the demo library is not hashed yet");
                }
                tokio::select! {
                    () = until_scanned(&mut events) => {}
                    () = stopping.cancelled() => return,
                }
            }
        });
    }

    async fn hash_demo(&self, asked: &mut HashSet<RootRowId>) -> Result<(), ServiceError> {
        for root in Root::ALL {
            let found = self.database.read(move |connection| {
                let row = roots::active(connection, root)?.filter(|row| row.last_scan.is_some());
                row.map(|row| Ok((row.id, hashes::coverage(connection, row.id, None)?))).transpose()
            });
            if let Some((row, coverage)) = found.await?
                && coverage.n_files > 0
                && coverage.n_hashed == 0
                && asked.insert(row)
            {
                self.hasher.start(root, HashScope::Folder(None), HashKind::Missing).await?;
            }
        }
        Ok(())
    }

    fn demo_folder(&self) -> PathBuf {
        self.settings.current().app_data_dir.join(DEMO_FOLDER)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_demos_leave_to_delete_ends_with_the_demo() {
        let tasks = Tasks::new();
        let services = Services::for_tests(&tasks).await;
        services.set_up_demo(&tasks).await.unwrap();
        assert!(services.is_demo() && Root::ALL.into_iter().all(|root| services.roots.allow_delete(root)));
        let folders = Root::ALL.map(|_| tempfile::tempdir().unwrap());
        let own = |folder: &tempfile::TempDir| Some(folder.path().display().to_string());
        let names = ["LOCAL_MODELS_ROOT", "LAKE_MODELS_ROOT"].map(str::to_owned);
        services.set_up(names.into_iter().zip(folders.iter().map(own)).collect(), &tasks).await.unwrap();
        assert!(!services.is_demo());
        assert!(!Root::ALL.into_iter().any(|root| services.roots.allow_delete(root)), "nobody allowed it here");
    }
}
