//! Entries for tests of what works with them.

use std::path::Path;

use shared_protocol::RelPath;

use super::{Entry, OpenRoot};
use crate::fs::RootDir;

/// A name in a folder that is taken for a root.
pub(crate) fn entry(folder: &Path, name: &str) -> Entry {
    let root = OpenRoot::open(&RootDir::open(folder).unwrap()).unwrap();
    Entry::open(&root, &RelPath::parse(name).unwrap()).unwrap()
}
