//! Where each value came from: flag > environment > file > default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConfigProblem, Key, file};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValueSource {
    /// Built in.
    Default,
    /// `config.toml`.
    File,
    Environment,
    /// The command line.
    Flag,
}

/// The texts of each layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// From the command line.
    pub flags: BTreeMap<Key, String>,
    /// From the environment.
    pub environment: BTreeMap<Key, String>,
    /// From `config.toml`.
    pub file: BTreeMap<Key, String>,
}

impl Layers {
    /// Reads the file that belongs to the flags and the environment.
    pub fn read(flags: BTreeMap<Key, String>, environment: BTreeMap<Key, String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut layers = Self { flags, environment, file: BTreeMap::new() };
        layers.file = file::read(&layers.app_data_dir()?)?;
        Ok(layers)
    }

    /// The environment's values of our keys. Quotes around a value are what `set X="…"` leaves on
    /// Windows; an empty value counts as none.
    pub fn from_environment(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<Key, String> {
        variables
            .filter_map(|(name, value)| {
                let key = Key::all().find(|key| key.name() == name)?;
                let trimmed = value.trim();
                let quoted = |q: char| trimmed.strip_prefix(q).and_then(|rest| rest.strip_suffix(q));
                let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(trimmed);
                (!value.is_empty()).then(|| (key, value.to_owned()))
            })
            .collect()
    }

    /// The text in force and where it came from.
    pub fn get<'a>(&'a self, key: Key) -> Option<(&'a str, ValueSource)> {
        let layer = |values: &'a BTreeMap<Key, String>, source| values.get(&key).map(|text| (text.as_str(), source));
        layer(&self.flags, ValueSource::Flag)
            .or_else(|| layer(&self.environment, ValueSource::Environment))
            .or_else(|| layer(&self.file, ValueSource::File))
            .or_else(|| key.default_value().map(|text| (text, ValueSource::Default)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_flag_beats_the_environment_beats_the_file() {
        let one = |text: &str| BTreeMap::from([(Key::HubPort, text.to_owned())]);
        let mut layers = Layers { flags: one("1"), environment: one("2"), file: one("3") };
        assert_eq!(layers.get(Key::HubPort), Some(("1", ValueSource::Flag)));
        layers.flags.clear();
        assert_eq!(layers.get(Key::HubPort), Some(("2", ValueSource::Environment)));
        layers.environment.clear();
        assert_eq!(layers.get(Key::HubPort), Some(("3", ValueSource::File)));
        layers.file.clear();
        assert_eq!(layers.get(Key::HubPort), Some(("8420", ValueSource::Default)));
    }

    #[test]
    fn quotes_that_windows_leaves_are_taken_off() {
        let variable = |value: &str| {
            Layers::from_environment([("HUB_PORT".to_owned(), value.to_owned())].into_iter()).remove(&Key::HubPort)
        };
        assert_eq!(variable("\"8000\"").as_deref(), Some("8000"));
        assert_eq!(variable(" 8000 ").as_deref(), Some("8000"));
        assert_eq!(variable("\"\""), None);
    }
}
