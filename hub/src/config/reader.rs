//! Reading single values; what is wrong about each is collected, so that every problem is told at once.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::keys::KeyKind;
use super::{ConfigProblem, Key, Layers, RootConfig};
use crate::fs::RootDir;

/// Collects problems while values are read.
pub(super) struct ConfigReader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: Vec<ConfigProblem>,
}

impl ConfigReader<'_> {
    pub(super) fn text(&self, key: Key) -> Option<String> {
        self.layers.get(key).map(|(text, _)| text.to_owned())
    }

    pub(super) fn read<T>(&mut self, key: Key, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.problems.push(ConfigProblem::new(key, &text, expected));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, key: Key) -> bool {
        self.read(key, boolean).unwrap_or(false)
    }

    pub(super) fn number<T: FromStr>(&mut self, key: Key, expected: &str) -> Option<T> {
        self.read(key, |text| text.trim().parse().map_err(|_| expected.to_owned()))
    }

    /// A whole number within the bounds of its key; after a problem any, as nothing comes of it.
    pub(super) fn whole<T: TryFrom<u64> + Default>(&mut self, key: Key) -> T {
        let (least, most) = if let KeyKind::Whole(least, most) = key.kind() { (least, most) } else { (0, u64::MAX) };
        let number = self.read(key, |text| bounded(text, least, most));
        number.and_then(|n| T::try_from(n).ok()).unwrap_or_default()
    }

    pub(super) fn count(&mut self, key: Key) -> NonZeroU32 {
        NonZeroU32::new(self.whole(key)).unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn path(&mut self, key: Key) -> Option<PathBuf> {
        let text = self.text(key)?;
        match folder(key, &text) {
            Ok(path) => Some(path),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn root(&mut self, dir: Key, delete: Key, readers: Key) -> RootConfig {
        RootConfig {
            dir: self.read(dir, root_dir),
            allow_delete: self.flag(delete),
            hash_readers: self.number(readers, "a whole number from 1"),
        }
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".into()),
    }
}

fn bounded(text: &str, from: u64, to: u64) -> Result<u64, String> {
    let number: Option<u64> = text.trim().parse().ok();
    number.filter(|n| (from..=to).contains(n)).ok_or_else(|| format!("a whole number from {from} to {to}"))
}

fn root_dir(text: &str) -> Result<RootDir, String> {
    RootDir::open(Path::new(text.trim())).map_err(|error| format!("an absolute folder ({error})"))
}

/// An absolute path; one that is not is taken from the current folder.
pub(super) fn folder(key: Key, text: &str) -> Result<PathBuf, ConfigProblem> {
    std::path::absolute(text.trim()).map_err(|error| ConfigProblem::new(key, text, format!("a path ({error})")))
}
