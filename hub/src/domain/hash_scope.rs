//! Which files a hash job is about.

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::root::Root;

/// A folder with everything below it, or single files and folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashScope {
    /// Everything below a folder; `None` is the whole root.
    Folder(Option<RelPath>),
    /// These files, and everything below these folders.
    Paths(Vec<RelPath>),
}

/// Which of the files a job reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HashKind {
    /// Those without a hash.
    #[default]
    Missing,
    /// All, whatever is known of them.
    Verify,
    /// All, in idle hours.
    Scrub,
}

/// A request to hash files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRequest {
    pub root: Root,
    pub scope: HashScope,
    /// Which of the files there.
    pub kind: HashKind,
}

impl HashScope {
    /// The folders that together hold the scope; a file counts as a folder of itself.
    pub fn places(&self) -> Vec<Option<RelPath>> {
        match self {
            Self::Folder(folder) => vec![folder.clone()],
            Self::Paths(paths) => {
                let mut sorted: Vec<&RelPath> = paths.iter().collect();
                sorted.sort_unstable();
                let mut places: Vec<RelPath> = Vec::new();
                for path in sorted {
                    // What lies in a folder already named must not count twice.
                    if !places.iter().any(|place| path.is_within(place)) {
                        places.push(path.clone());
                    }
                }
                places.into_iter().map(Some).collect()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn nothing_counts_twice() {
        let path = |text: &str| RelPath::parse(text).unwrap();
        let scope = HashScope::Paths(vec![path("b/x"), path("a/c"), path("a"), path("b/x"), path("ab")]);
        let places: Vec<_> = scope.places().into_iter().flatten().map(String::from).collect();
        assert_eq!(places, ["a", "ab", "b/x"]);
    }
}
