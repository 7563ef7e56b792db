//! The included links of a root, as workers get them.

use super::{LiveRoot, Roots};
use crate::domain::root::Root;
use crate::fs::RootDir;
use crate::fs::inclusion::{Neighbour, overlap_by_path, resolved};
use crate::fs::links::{Link, Links};
use crate::storage::included_links;

/// The root with its links. The folders that they lead to are not touched here: one that does not answer holds up only
/// who goes there. Only by their paths it is judged whether they still lie apart from the roots, which may be others now.
pub(super) fn included(roots: &Roots, live: LiveRoot, dir: &RootDir) -> Result<LiveRoot, String> {
    let row = live.row;
    let found = roots.database.read_blocking(|connection| included_links::of_root(connection, row));
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        return Ok(LiveRoot { dir: dir.clone(), ..live });
    }
    let other = live.root.other();
    // Who is away may hang in the system.
    let is_away = roots.known.read().get(other).live.is_none();
    let away = roots.settings.current().roots.get(other).dir.clone().filter(|_| is_away);
    let resolve = |neighbour: Neighbour| match &away {
        Some(dir) if dir.path() == neighbour.path => neighbour,
        _ => resolved(neighbour),
    };
    let around: Vec<Neighbour> = neighbours(roots).into_iter().map(resolve).collect();
    let links = found.into_iter().map(|link| {
        let overlap = around.iter().find_map(|other| overlap_by_path(link.target.as_ref(), other));
        let barred = overlap.map(|overlap| format!("the folder that it leads to {overlap}"));
        Link::new(link, barred)
    });
    Ok(LiveRoot { dir: dir.clone().including(Links::new(links.collect())), ..live })
}

/// What no link may lead to, into, or around: both roots, and the hub's own data.
pub(super) fn neighbours(roots: &Roots) -> Vec<Neighbour> {
    let config = roots.settings.current();
    let of = |root: Root| {
        let dir = config.roots.get(root).dir.as_ref()?;
        Some(Neighbour { name: root.label().to_owned(), path: dir.path().to_owned(), is_link: false })
    };
    let data =
        Neighbour { name: "the hub's data folder".to_owned(), path: config.app_data_dir.clone(), is_link: false };
    Root::ALL.into_iter().filter_map(of).chain([data]).collect()
}
