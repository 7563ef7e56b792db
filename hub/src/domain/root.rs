//! The two model folders.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the two model folders ("roots").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// The fast, small folder beside `ComfyUI`.
    Local,
    /// The big folder, usually on a NAS.
    Lake,
}

impl Root {
    /// Both roots, Local first.
    pub const ALL: [Self; 2] = [Self::Local, Self::Lake];

    /// The name shown to people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Local => "Local",
            Self::Lake => "Lake",
        }
    }

    /// The one that is not this one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Local => Self::Lake,
            Self::Lake => Self::Local,
        }
    }
}

/// A text that names neither root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected \"local\" or \"lake\"")]
pub struct UnknownRoot;

impl FromStr for Root {
    type Err = UnknownRoot;

    fn from_str(text: &str) -> Result<Self, UnknownRoot> {
        match text {
            "local" => Ok(Self::Local),
            "lake" => Ok(Self::Lake),
            _ => Err(UnknownRoot),
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value for each root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PerRoot<T> {
    pub local: T,
    pub lake: T,
}

impl<T> PerRoot<T> {
    /// Makes a value for each root.
    pub fn from_fn(mut make: impl FnMut(Root) -> T) -> Self {
        Self { local: make(Root::Local), lake: make(Root::Lake) }
    }

    /// The value of one root.
    pub const fn get(&self, root: Root) -> &T {
        match root {
            Root::Local => &self.local,
            Root::Lake => &self.lake,
        }
    }

    /// The value of one root, to be changed.
    pub const fn get_mut(&mut self, root: Root) -> &mut T {
        match root {
            Root::Local => &mut self.local,
            Root::Lake => &mut self.lake,
        }
    }

    /// Each root with its value, Local first.
    pub fn iter(&self) -> impl Iterator<Item = (Root, &T)> {
        [(Root::Local, &self.local), (Root::Lake, &self.lake)].into_iter()
    }
}
