//! What is wrong with a value, in one line that names the key, the value and what is expected.

use std::fmt;

use serde::Serialize;

use super::Key;

/// A wrong value, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = WrongSetting)]
pub struct ConfigProblem {
    /// The key, as in the environment.
    pub key: String,
    /// What was given; hidden for secrets.
    pub value: String,
    /// What would be right.
    pub expected: String,
}

impl ConfigProblem {
    /// A wrong value of a known key.
    pub fn new(key: Key, value: &str, expected: impl Into<String>) -> Self {
        let value = if key.is_secret() { "(hidden)" } else { value };
        Self { key: key.name().to_owned(), value: value.to_owned(), expected: expected.into() }
    }

    /// A key that does not exist.
    pub fn unknown(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), expected: "one of the known keys (see hub --help)".into() }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_line = |text: &str| text.replace(['\n', '\r'], " ");
        write!(f, "{} = \"{}\": expected {}", self.key, one_line(&self.value), one_line(&self.expected))
    }
}
