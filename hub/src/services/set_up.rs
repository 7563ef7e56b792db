//! Giving the hub its two folders, or the demo library's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Services, SettingsError, Tasks};
use crate::config::Key;
use crate::domain::root::Root;
use crate::fs::{RootDir, demo};

/// Name of the demo library's folder in the data folder.
const DEMO: &str = "demo";

impl Services {
    /// Takes these settings and begins to scan what can be reached.
    pub async fn set_up(&self, changes: BTreeMap<String, Option<String>>, tasks: &Tasks) -> Result<(), SettingsError> {
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

    fn demo_folder(&self) -> PathBuf {
        self.settings.current().app_data_dir.join(DEMO)
    }
}
