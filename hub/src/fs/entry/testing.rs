//! Entries for tests of what works with them.

use std::path::Path;

use shared_protocol::RelPath;

use super::{Entry, OpenRoot};
use crate::fs::RootDir;
#[cfg(unix)]
use crate::fs::inclusion::find;
#[cfg(unix)]
use crate::fs::links::{Link, Links};

/// A name in a folder that is taken for a root.
pub(crate) fn entry(folder: &Path, name: &str) -> Entry {
    let root = OpenRoot::open(&RootDir::open(folder).unwrap()).unwrap();
    Entry::open(&root, &RelPath::parse(name).unwrap()).unwrap()
}

/// A root of which what these links lead to now is a part.
#[cfg(unix)]
pub(crate) fn including(folder: &Path, links: &[&str]) -> RootDir {
    let root = RootDir::open(folder).unwrap();
    let included = |path: &&str| Link::new(find(&root, &RelPath::parse(path).unwrap(), &[]).unwrap(), None);
    root.clone().including(Links::new(links.iter().map(included).collect()))
}
