//! The configuration in force, and changing it from the interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;

use crate::config::{Config, ConfigProblem, Key, Layers, ValueSource, file};

/// One setting as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SettingView {
    /// The key, as in the environment.
    pub key: &'static str,
    /// The value in force; hidden for secrets.
    pub value: Option<String>,
    /// Where it came from.
    pub source: ValueSource,
    /// The value without any setting.
    pub default: Option<&'static str>,
    pub help: &'static str,
    /// A change takes effect at the next start.
    pub needs_restart: bool,
    /// The value is a secret, shown only as present or not.
    pub secret: bool,
}

/// All settings as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SettingsView {
    /// In the order of the settings page.
    pub items: Vec<SettingView>,
}

/// Why settings were not saved.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Some are wrong; none was saved.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<ConfigProblem>),
    /// The file can't be written.
    #[error("config.toml can't be written: {0}")]
    File(#[from] std::io::Error),
}

/// The configuration in force; clones share it.
#[derive(Clone)]
pub struct Settings {
    inner: Arc<RwLock<SettingsInner>>,
}

struct SettingsInner {
    layers: Layers,
    config: Arc<Config>,
}

impl Settings {
    /// Takes the configuration that was read at the start.
    pub fn new(layers: Layers, config: Config) -> Self {
        Self { inner: Arc::new(RwLock::new(SettingsInner { layers, config: Arc::new(config) })) }
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.inner.read().config)
    }

    /// Everything for the settings page.
    pub fn view(&self) -> SettingsView {
        let inner = self.inner.read();
        let items = Key::all().map(|key| view(&inner, key)).collect();
        SettingsView { items }
    }

    /// Validates the whole that would come out, then writes the file and puts it into force. `None`
    /// takes a key out of the file. What flags or the environment say stays in force. Tells which keys of
    /// the file are others now; without any the file is left alone.
    pub fn save_blocking(&self, changes: BTreeMap<String, Option<String>>) -> Result<Vec<Key>, SettingsError> {
        let mut inner = self.inner.write();
        let mut known = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, value) in changes {
            let value = value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            match Key::from_name(&name) {
                Some(Key::AppDataDir) => problems.push(ConfigProblem::new(
                    Key::AppDataDir,
                    value.as_deref().unwrap_or_default(),
                    "to be set by flag or environment: config.toml lies in the folder it names",
                )),
                Some(key) => {
                    known.insert(key, value);
                }
                None => problems.push(ConfigProblem::unknown(&name, value.as_deref().unwrap_or_default())),
            }
        }
        if !problems.is_empty() {
            return Err(SettingsError::Wrong(problems));
        }
        known.retain(|key, value| inner.layers.file.get(key) != value.as_ref());
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let mut layers = inner.layers.clone();
        for (key, value) in &known {
            match value {
                Some(text) => layers.file.insert(*key, text.clone()),
                None => layers.file.remove(key),
            };
        }
        // Judged as if it stood alone too, so that a wrong value behind a flag does not wait to
        // stop the next start.
        let mut file_alone = Layers { file: layers.file.clone(), ..Layers::default() };
        file_alone.flags.insert(Key::AppDataDir, inner.config.app_data_dir.display().to_string());
        let config = layers.resolve().map_err(SettingsError::Wrong)?;
        file_alone.resolve().map_err(SettingsError::Wrong)?;
        file::write(&config.app_data_dir, &known)?;
        inner.layers = layers;
        inner.config = Arc::new(config);
        Ok(known.into_keys().collect())
    }
}

fn view(inner: &SettingsInner, key: Key) -> SettingView {
    let (value, source) = match inner.layers.get(key) {
        Some((text, source)) => (Some(text.to_owned()), source),
        None if key == Key::AppDataDir => (Some(inner.config.app_data_dir.display().to_string()), ValueSource::Default),
        None => (None, ValueSource::Default),
    };
    SettingView {
        key: key.name(),
        value: value.map(|text| if key.is_secret() { "hidden".to_owned() } else { text }),
        source,
        default: key.default_value(),
        help: key.help(),
        needs_restart: key.needs_restart(),
        secret: key.is_secret(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir, environment: BTreeMap<Key, String>) -> Settings {
        let flags = BTreeMap::from([(Key::AppDataDir, folder.path().display().to_string())]);
        let layers = Layers::read(flags, environment).unwrap();
        let config = layers.resolve().unwrap();
        Settings::new(layers, config)
    }

    fn change(key: &str, value: &str) -> BTreeMap<String, Option<String>> {
        BTreeMap::from([(key.to_owned(), Some(value.to_owned()))])
    }

    #[test]
    fn what_is_saved_is_in_force_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let one = settings(&folder, BTreeMap::new());
        one.save_blocking(change("queue_concurrency", "3")).unwrap();
        assert_eq!(one.current().queue_concurrency.get(), 3);
        assert_eq!(settings(&folder, BTreeMap::new()).current().queue_concurrency.get(), 3);
    }

    #[test]
    fn only_what_is_another_value_is_changed_and_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file::NAME), "# mine\nqueue_concurrency = 1 # the default, on purpose\n")
            .unwrap();
        let one = settings(&folder, BTreeMap::new());
        let both = [change("QUEUE_CONCURRENCY", "1"), change("HUB_PORT", "9000")].into_iter().flatten().collect();
        assert_eq!(one.save_blocking(both).unwrap(), [Key::HubPort]);
        let before = std::fs::read_to_string(folder.path().join(file::NAME)).unwrap();
        assert!(before.contains("on purpose"), "{before}");
        let none = BTreeMap::from([("HF_TOKEN".to_owned(), None), ("HUB_PORT".to_owned(), Some("9000".to_owned()))]);
        assert_eq!(one.save_blocking(none).unwrap(), []);
        assert_eq!(std::fs::read_to_string(folder.path().join(file::NAME)).unwrap(), before);
    }

    #[test]
    fn a_wrong_value_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let one = settings(&folder, BTreeMap::new());
        for (key, value) in [("QUEUE_CONCURRENCY", "many"), ("NO_SUCH_KEY", "1"), ("APP_DATA_DIR", "/x")] {
            assert!(matches!(one.save_blocking(change(key, value)), Err(SettingsError::Wrong(_))), "{key}");
        }
        assert!(!folder.path().join(file::NAME).exists());
    }

    #[test]
    fn a_wrong_value_hidden_by_the_environment_is_refused_too() {
        let folder = tempfile::tempdir().unwrap();
        let one = settings(&folder, BTreeMap::from([(Key::HubPort, "0".to_owned())]));
        assert!(one.save_blocking(change("HUB_PORT", "many")).is_err());
    }

    #[test]
    fn a_secret_is_only_shown_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let one = settings(&folder, BTreeMap::from([(Key::HfToken, "hf_secret".to_owned())]));
        let view = format!("{:?}", one.view());
        assert!(view.contains("hidden") && !view.contains("hf_secret"));
    }
}
