//! The included links of a root, as workers get them.

use std::path::PathBuf;

use super::{LiveRoot, Roots};
use crate::domain::root::{PerRoot, Root};
use crate::fs::RootDir;
use crate::fs::inclusion::{Neighbour, overlap_by_path, real_path};
use crate::fs::links::{Link, Links};
use crate::storage::included_links;

/// Where both roots really lie, by their paths as they are configured.
pub(super) type RealPaths = PerRoot<(PathBuf, PathBuf)>;

/// The root with its links. The folders that they lead to are not touched here: one that does not answer holds up only
/// who goes there. Only by their paths it is judged whether they still lie apart from the roots, which may be others now.
/// Nor is the other root touched: its real path is the one that its own last look found.
pub(super) fn included(roots: &Roots, mut live: LiveRoot, dir: &RootDir) -> Result<LiveRoot, String> {
    *roots.real_paths.write().get_mut(live.root) = (dir.path().to_owned(), real_path(dir.path()));
    let row = live.row;
    let found = roots.database.read_blocking(|connection| included_links::of_root(connection, row));
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        live.dir = dir.clone();
        return Ok(live);
    }
    let known: Vec<_> = roots.real_paths.read().iter().map(|(_, paths)| paths.clone()).collect();
    let mut around = neighbours(roots);
    for neighbour in &mut around {
        if let Some((_, real)) = known.iter().find(|(path, _)| *path == neighbour.path) {
            neighbour.path.clone_from(real);
        }
    }
    let links = found.into_iter().map(|link| {
        let overlap = around.iter().find_map(|other| overlap_by_path(link.target.as_ref(), other));
        let barred = overlap.map(|overlap| format!("the folder that it leads to {overlap}"));
        Link::new(link, barred)
    });
    live.dir = dir.clone().including(Links::new(links.collect()));
    Ok(live)
}

/// What no link may lead to, into, or around: both roots, and the hub's own data.
pub(super) fn neighbours(roots: &Roots) -> Vec<Neighbour> {
    let config = roots.settings.current();
    let of = |root: Root| {
        let dir = config.roots.get(root).dir.as_ref()?;
        Some(Neighbour { name: root.label().to_owned(), path: dir.path().to_owned(), is_link: false })
    };
    let data =
        Neighbour { name: "the hub's data folder".to_owned(), path: real_path(&config.app_data_dir), is_link: false };
    Root::ALL.into_iter().filter_map(of).chain([data]).collect()
}
