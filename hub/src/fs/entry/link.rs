//! Entering the folder of an included link: it has to be the one that was included, by its real path and by what the
//! opened folder itself says.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::system;
use crate::domain::included_link::FolderIdentity;
use crate::fs::links::Link;
use crate::fs::{FsError, RootDir, verbatim};

/// Opens the folder of a link in the folder around it. `name` is how the link was asked for.
pub(super) fn enter(
    root: &RootDir,
    around: &system::Handle,
    link: &Link,
    name: &str,
) -> Result<system::Handle, FsError> {
    let path = root.resolve(link.path());
    let opened = system::open_linked(around, name, &path);
    judge_link(link, opened).map_err(|why| refused(&path, why))
}

/// Whether a link still leads to the folder that was included.
pub fn check(root: &RootDir, link: &Link) -> Result<(), FsError> {
    let path = root.resolve(link.path());
    judge_link(link, system::follow(&path)).map(drop).map_err(|why| refused(&path, why))
}

/// Where a link leads, and what that folder is.
pub(in crate::fs) fn follow(path: &Path) -> io::Result<(PathBuf, FolderIdentity)> {
    let (folder, real) = system::follow(path)?;
    let identity = system::lasting(&folder, &real)?;
    Ok((real, identity))
}

fn judge_link(link: &Link, opened: io::Result<(system::Handle, PathBuf)>) -> Result<system::Handle, String> {
    if let Some(why) = link.barred() {
        return Err(why.to_owned());
    }
    let included = link.included();
    let away = |error| format!("the folder that this link led to can't be reached: {error}");
    let (folder, real) = opened.map_err(away)?;
    if real != Path::new(&included.target) {
        let (now, then) = (verbatim::shown(&real), verbatim::shown(Path::new(&included.target)));
        return Err(format!("it leads to {now} now, and not to {then}"));
    }
    let now = system::lasting(&folder, &real).map_err(away)?;
    if included.identity.is(&now) {
        Ok(folder)
    } else {
        Err("the folder that this link leads to was changed".to_owned())
    }
}

/// Never "not found": something is known to be there, and nothing takes its place.
fn refused(path: &Path, why: String) -> FsError {
    FsError::new("go through", path, io::Error::new(ErrorKind::Unsupported, why))
}
