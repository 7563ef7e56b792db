//! What lies in a trash, read from the disk: the folders tell when and with which batch a file was
//! deleted and where it was, so that it can be put back even if the database that knew is lost.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use jiff::civil::Date;
use shared_protocol::RelPath;
use walkdir::WalkDir;

use crate::domain::exclusion::TRASH_FOLDER;
use crate::fs::{FileStamp, FsError, RootDir, ensure_no_links};

/// The folder of one batch in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFolder {
    /// `date/batch`.
    pub name: String,
    /// The day of the delete, in UTC.
    pub date: Date,
}

/// A file in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// Where it lies below the trash folder.
    pub trashed: String,
    /// Where it was.
    pub path: RelPath,
    /// What it is.
    pub stamp: FileStamp,
}

/// The folders of all batches; what has no date for a name is none of ours.
pub fn batch_folders(root: &RootDir) -> Result<Vec<BatchFolder>, FsError> {
    let mut found = Vec::new();
    for day in folder_names(root, TRASH_FOLDER)? {
        let Ok(date) = day.parse::<Date>() else { continue };
        for batch in folder_names(root, &format!("{TRASH_FOLDER}/{day}"))? {
            found.push(BatchFolder { name: format!("{day}/{batch}"), date });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Every file of a batch. Links, and names that not every system can store, are left alone.
pub fn files_in(root: &RootDir, folder: &BatchFolder) -> Result<Vec<Lying>, FsError> {
    let top = parse(&format!("{TRASH_FOLDER}/{}", folder.name))?;
    ensure_no_links(root, &top)?;
    let top = root.resolve(&top);
    let mut found = Vec::new();
    for entry in WalkDir::new(&top).min_depth(1).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            // Put back or removed since its folder was listed.
            Err(error) if error.io_error().is_some_and(|error| error.kind() == ErrorKind::NotFound) => continue,
            Err(error) => {
                let error = error.into_io_error().unwrap_or_else(|| io::Error::other("the folder contains itself"));
                return Err(FsError::new("list", &top, error));
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let Some(path) = relative(&top, entry.path()) else { continue };
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        found.push(Lying { trashed: format!("{}/{path}", folder.name), path, stamp: FileStamp::of(&metadata) });
    }
    Ok(found)
}

fn relative(top: &Path, path: &Path) -> Option<RelPath> {
    let parts: Option<Vec<&str>> = path.strip_prefix(top).ok()?.iter().map(|part| part.to_str()).collect();
    RelPath::parse(&parts?.join("/")).ok()
}

/// Names of the folders in a folder; none if it is not there.
fn folder_names(root: &RootDir, folder: &str) -> Result<Vec<String>, FsError> {
    let Ok(folder) = RelPath::parse(folder) else { return Ok(Vec::new()) };
    ensure_no_links(root, &folder)?;
    let path = root.resolve(&folder);
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FsError::at("list", &path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FsError::at("list", &path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

fn parse(path: &str) -> Result<RelPath, FsError> {
    RelPath::parse(path).map_err(|error| FsError::new("list", Path::new(path), io::Error::other(error)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::fs::trash;

    fn place(files: &[&str]) -> (tempfile::TempDir, RootDir) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let root = RootDir::open(folder.path()).unwrap();
        (folder, root)
    }

    #[test]
    fn what_was_put_there_is_found_with_its_path() {
        let (_folder, root) = place(&["loras/sub/x", "y"]);
        for path in ["loras/sub/x", "y"] {
            trash::put(&root, &RelPath::parse(path).unwrap(), None, "2024-05-01", "7").unwrap();
        }
        let folders = batch_folders(&root).unwrap();
        assert_eq!(folders, [BatchFolder { name: "2024-05-01/7".to_owned(), date: jiff::civil::date(2024, 5, 1) }]);
        let files: Vec<_> = files_in(&root, folders.first().unwrap())
            .unwrap()
            .into_iter()
            .map(|file| (file.trashed, file.path.to_string(), file.stamp.size_bytes))
            .collect();
        assert_eq!(
            files,
            [
                ("2024-05-01/7/loras/sub/x".to_owned(), "loras/sub/x".to_owned(), 11),
                ("2024-05-01/7/y".to_owned(), "y".to_owned(), 1)
            ]
        );
    }

    #[test]
    fn without_a_trash_there_is_nothing_and_strangers_are_left_alone() {
        let (_folder, root) = place(&["x"]);
        assert_eq!(batch_folders(&root).unwrap(), []);
        let (_folder, root) =
            place(&[".comfy-hub-trash/mine/7/x", ".comfy-hub-trash/2024-05-01/x", ".comfy-hub-trash/y"]);
        assert_eq!(batch_folders(&root).unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere() {
        let (folder, root) = place(&[".comfy-hub-trash/2024-05-01/7/x", "outside/secret"]);
        let batch = folder.path().join(".comfy-hub-trash/2024-05-01/7");
        std::os::unix::fs::symlink(folder.path().join("outside"), batch.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside/secret"), batch.join("y")).unwrap();
        let folders = batch_folders(&root).unwrap();
        assert_eq!(files_in(&root, folders.first().unwrap()).unwrap().len(), 1);
    }
}
