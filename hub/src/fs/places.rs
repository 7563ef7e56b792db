//! Folders of this computer, for someone who chooses one: names only, nothing is opened.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fs::verbatim;

/// Folders listed of one place; nobody scrolls through more.
const MOST: usize = 500;

/// A folder with the folders inside it.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder; none for the list of drives.
    pub path: Option<String>,
    /// The folder above it; an empty text stands for the list of drives.
    pub parent: Option<String>,
    /// The folders inside, by name.
    pub folders: Vec<Inside>,
    /// Why they can't be listed.
    pub problem: Option<String>,
}

/// A folder inside another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Inside {
    pub name: String,
    /// Its whole path.
    pub path: String,
}

/// Lists a folder. One that is not there gives way to the nearest one above it that is; without one
/// the list begins at the home folder.
pub fn list(wanted: Option<&Path>) -> Place {
    let Some(path) = wanted.map(Path::to_owned).or_else(home).filter(|path| !path.as_os_str().is_empty()) else {
        return drives();
    };
    let Some(path) = path.ancestors().find(|path| path.is_absolute() && path.is_dir()) else { return drives() };
    let above = path.parent().map(verbatim::shown);
    let parent = above.or_else(|| cfg!(windows).then(String::new));
    match inside(path) {
        Ok(folders) => Place { path: Some(verbatim::shown(path)), parent, folders, problem: None },
        Err(error) => {
            let problem = Some(format!("This folder can't be listed: {error}"));
            Place { path: Some(verbatim::shown(path)), parent, folders: Vec::new(), problem }
        }
    }
}

fn inside(path: &Path) -> std::io::Result<Vec<Inside>> {
    let mut folders: Vec<Inside> = fs::read_dir(path)?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| !name.starts_with(['.', '$']))
        .map(|(name, path)| Inside { name, path: verbatim::shown(&path) })
        .collect();
    folders.sort_by_key(|folder| folder.name.to_lowercase());
    folders.truncate(MOST);
    Ok(folders)
}

fn home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned())
}

/// The drives of Windows; the root folder elsewhere.
fn drives() -> Place {
    if !cfg!(windows) {
        return list(Some(Path::new("/")));
    }
    let folders = (b'A'..=b'Z')
        .map(|letter| format!("{}:\\", char::from(letter)))
        .filter(|drive| Path::new(drive).is_dir())
        .map(|drive| Inside { name: drive.clone(), path: drive })
        .collect();
    Place { path: None, parent: None, folders, problem: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn only_folders_are_listed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "A", ".hidden"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("file"), b"x").unwrap();
        let place = list(Some(folder.path()));
        let names: Vec<_> = place.folders.iter().map(|folder| folder.name.as_str()).collect();
        assert_eq!(names, ["A", "b"]);
        assert_eq!(place.path.unwrap(), verbatim::shown(folder.path()));
    }

    #[test]
    fn a_folder_that_is_not_there_gives_way_to_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let place = list(Some(&folder.path().join("no/such")));
        assert_eq!(place.path.unwrap(), verbatim::shown(folder.path()));
    }
}
