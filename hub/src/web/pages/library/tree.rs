//! The tree of folders: one level, opened along the way to the folder that is shown.

use crate::storage::Connection;
use serde::Serialize;
use shared_protocol::RelPath;

use crate::domain::root::Root;
use crate::storage::StorageError;
use crate::storage::views::entry::Totals;
use crate::storage::views::folders::{self, FolderView};

/// A folder of the tree.
#[derive(Debug, Serialize)]
pub(in crate::web) struct TreeNode {
    #[serde(flatten)]
    folder: FolderView,
    expanded: bool,
    current: bool,
    folders: Vec<TreeNode>,
}

/// The tree of a root.
#[derive(Debug)]
pub(in crate::web) struct Tree {
    /// Files of the whole root.
    pub n_files: u64,
    /// Its top folders.
    pub nodes: Vec<TreeNode>,
}

/// The tree of a root, opened as far as `current`.
pub(in crate::web) fn branch(
    connection: &Connection,
    root: Root,
    current: Option<&RelPath>,
) -> Result<Tree, StorageError> {
    let Some(top) = folders::level(connection, root, None)? else { return Ok(Tree { n_files: 0, nodes: Vec::new() }) };
    let nodes = nodes(connection, root, top.folders, current)?;
    Ok(Tree { n_files: top.totals.n_files, nodes })
}

/// One folder, opened or not.
pub(in crate::web) fn node(
    connection: &Connection,
    root: Root,
    path: &RelPath,
    expanded: bool,
) -> Result<Option<TreeNode>, StorageError> {
    let Some(level) = folders::level(connection, root, Some(path))? else { return Ok(None) };
    let path = level.path.unwrap_or_else(|| path.clone());
    let n_folders = level.folders.len() as u64;
    let inside = if expanded { nodes(connection, root, level.folders, None)? } else { Vec::new() };
    let Totals { n_files, size_bytes } = level.totals;
    let folder = FolderView { name: path.name().to_owned(), path, n_files, size_bytes, n_folders };
    Ok(Some(TreeNode { folder, expanded, current: false, folders: inside }))
}

fn nodes(
    connection: &Connection,
    root: Root,
    folders: Vec<FolderView>,
    current: Option<&RelPath>,
) -> Result<Vec<TreeNode>, StorageError> {
    let key = current.map(RelPath::match_key);
    let mut nodes = Vec::with_capacity(folders.len());
    for folder in folders {
        let own = folder.path.match_key();
        let is_current = key.as_deref() == Some(own.as_str());
        let leads_on =
            key.as_deref().is_some_and(|key| key.strip_prefix(&own).is_some_and(|rest| rest.starts_with('/')));
        let expanded = folder.n_folders > 0 && (is_current || leads_on);
        let inside = if expanded {
            match self::folders::level(connection, root, Some(&folder.path))? {
                Some(level) => self::nodes(connection, root, level.folders, current)?,
                None => Vec::new(),
            }
        } else {
            Vec::new()
        };
        nodes.push(TreeNode { folder, expanded, current: is_current, folders: inside });
    }
    Ok(nodes)
}
