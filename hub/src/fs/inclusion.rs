//! What may be included: a link to a folder that is no part of anything that the hub knows already.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use shared_protocol::RelPath;

use crate::domain::exclusion::{self, Exclusion, NameKind};
use crate::domain::included_link::IncludedLink;
use crate::fs::confine::ensure_no_links;
use crate::fs::entry::link::follow;
use crate::fs::root_dir::{contains, is_below, real};
use crate::fs::{RootDir, verbatim};

/// Why a link can't be included.
#[derive(Debug, thiserror::Error)]
pub enum LinkRefusal {
    /// Nothing has this name.
    #[error("There is nothing at \"{0}\".")]
    NotThere(RelPath),
    /// A folder or file.
    #[error("\"{0}\" is no link: what is in it belongs to the root anyway.")]
    NoLink(RelPath),
    /// It can't be looked at, or lies behind a link itself.
    #[error("\"{path}\" can't be included: {why}. Only links that lie in the root itself can be.")]
    Behind { path: RelPath, why: String },
    /// What it leads to is not there.
    #[error("The folder that \"{path}\" leads to can't be reached: {cause}. Is its disk mounted?")]
    Unreachable {
        path: RelPath,
        /// What the system said.
        cause: io::Error,
    },
    /// It leads to a file.
    #[error("\"{0}\" leads to a file, and only folders can be included.")]
    NoFolder(RelPath),
    /// A name that is left alone by rule.
    #[error("\"{path}\" leads into {place}, and that is no part of a library: {why}.")]
    Excluded { path: RelPath, place: String, why: Exclusion },
    /// It is, holds, or lies in another folder of the hub's.
    #[error("\"{path}\" leads to {target}, and that {overlap}.")]
    Overlap {
        path: RelPath,
        target: String,
        /// What is in its way.
        overlap: String,
        /// Whether another included link is.
        with_link: bool,
    },
    /// A path that is not text.
    #[error("The path that \"{0}\" leads to is not valid Unicode.")]
    NotUnicode(RelPath),
}

/// A folder that no included link may share anything with.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// How people know it: "the Lake", "the hub's data folder".
    pub name: String,
    pub path: PathBuf,
    /// Whether it is included by a link itself.
    pub is_link: bool,
}

/// The link of this path with the folder that it leads to now, if that can be included beside all `neighbours`. Follows
/// the link, which may take as long as its disk does.
pub fn find(root: &RootDir, path: &RelPath, neighbours: &[Neighbour]) -> Result<IncludedLink, LinkRefusal> {
    if let Some(around) = path.parent() {
        let behind = |why: String| LinkRefusal::Behind { path: path.clone(), why };
        ensure_no_links(root, &around).map_err(|error| behind(error.to_string()))?;
        if let Some(link) = root.links().above(around.as_str()) {
            return Err(behind(format!("it lies behind the link {}", link.path())));
        }
    }
    let full = root.resolve(path);
    match fs::symlink_metadata(&full) {
        Ok(found) if found.file_type().is_symlink() => {}
        Ok(_) => return Err(LinkRefusal::NoLink(path.clone())),
        Err(_) => return Err(LinkRefusal::NotThere(path.clone())),
    }
    if let Some(excluded) = exclusion::of_path(path, NameKind::Folder) {
        return Err(LinkRefusal::Excluded { path: path.clone(), place: excluded.place, why: excluded.exclusion });
    }
    let leads_to = fs::metadata(&full).map_err(|cause| LinkRefusal::Unreachable { path: path.clone(), cause })?;
    if !leads_to.is_dir() {
        return Err(LinkRefusal::NoFolder(path.clone()));
    }
    let (target, identity) = follow(&full).map_err(|cause| LinkRefusal::Unreachable { path: path.clone(), cause })?;
    if let Some((place, why)) = excluded_on_the_way(&target) {
        return Err(LinkRefusal::Excluded { path: path.clone(), place, why });
    }
    for other in neighbours {
        if let Some(overlap) = overlap(&target, other) {
            let (target, with_link) = (verbatim::shown(&target), other.is_link);
            return Err(LinkRefusal::Overlap { path: path.clone(), target, overlap, with_link });
        }
    }
    let target = target.to_str().ok_or_else(|| LinkRefusal::NotUnicode(path.clone()))?.to_owned();
    Ok(IncludedLink { path: path.clone(), target, identity })
}

/// The part of a path that is left alone by rule, wherever it lies.
fn excluded_on_the_way(target: &Path) -> Option<(String, Exclusion)> {
    let mut so_far = PathBuf::new();
    let mut parent: Option<String> = None;
    for part in target.components() {
        so_far.push(part);
        let Component::Normal(name) = part else { continue };
        let name = name.to_string_lossy().into_owned();
        if let Some(why) = exclusion::of_entry(parent.as_deref(), &name, NameKind::Folder) {
            return Some((verbatim::shown(&so_far), why));
        }
        parent = Some(name);
    }
    None
}

/// How a folder shares something with another one, under any spelling, link or mount that can be seen now; none if they
/// lie apart.
pub fn overlap(target: &Path, other: &Neighbour) -> Option<String> {
    let found = real(&other.path);
    refusal(contains(&found, target), contains(target, &found), &other.name)
}

/// The same by the real paths of both alone, without a look at the disk.
pub fn overlap_by_path(target: &Path, other: &Neighbour) -> Option<String> {
    refusal(is_below(&other.path, target), is_below(target, &other.path), &other.name)
}

/// A path without links, as far as it is there.
pub fn real_path(path: &Path) -> PathBuf {
    real(path)
}

fn refusal(lies_in: bool, holds: bool, name: &str) -> Option<String> {
    match (lies_in, holds) {
        (true, true) => Some(format!("is {name}")),
        (true, false) => Some(format!("lies in {name}")),
        (false, true) => Some(format!("holds {name}")),
        (false, false) => None,
    }
}

/// Whether a link leads to a folder, and lies where one may be included. Follows the link.
pub fn leads_to_folder(root: &RootDir, path: &RelPath) -> bool {
    root.links().above(path.as_str()).is_none() && fs::metadata(root.resolve(path)).is_ok_and(|found| found.is_dir())
}

/// Where an included link leads, as people write it.
pub fn shown(link: &IncludedLink) -> String {
    verbatim::shown(Path::new(&link.target))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
#[path = "inclusion_tests.rs"]
mod tests;
