//! Cleaning up part files that no transfer will go on with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shared_protocol::RelPath;

use crate::domain::exclusion::{PART_ENDING, ROOT_MARKER, SOURCES_FILE};
use crate::fs::copy::part_token;
use crate::fs::entry::{Folder, Kind, OpenRoot};
use crate::fs::share::PROBE_TOKEN;
use crate::fs::{FsError, RootDir};

/// Removes the part files in one folder whose token `is_ours` recognises as abandoned, and tells how
/// many. Part files of others, and those of another hub on the same share, stay. A folder that is not
/// there has none.
pub fn remove_stray_parts(
    root: &Arc<OpenRoot>,
    folder: Option<&RelPath>,
    is_ours: &dyn Fn(&str) -> bool,
) -> Result<usize, FsError> {
    let Some(folder) = Folder::find(root, folder)? else { return Ok(0) };
    let mut removed = 0;
    for name in folder.names()? {
        if name.kind == Kind::File && part_token(&name.text).is_some_and(is_ours) {
            folder.entry(&name.text).discard()?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the temporary files that a hub which was killed left of its own files in the root's folder: of the
/// marker, of the sources, of looks at what the disk can do. Another hub on the same share may be writing one just
/// now, so only old ones go. Tells how many.
pub fn remove_old_own(root: &RootDir, older_than: Duration) -> Result<usize, FsError> {
    let folder = Folder::open(&OpenRoot::open(root)?, None)?;
    let mut removed = 0;
    for name in folder.names()? {
        if name.kind != Kind::File || !is_own(&name.text) {
            continue;
        }
        let entry = folder.entry(&name.text);
        let modified = entry.open_for_reading().ok().and_then(|(_, found)| found.modified().ok());
        let age = modified.and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > older_than) {
            entry.discard()?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a name is that of a temporary file which belongs to no transfer.
fn is_own(name: &str) -> bool {
    let of_a_file = |file: &str| name.strip_prefix(file).is_some_and(|rest| rest.ends_with(PART_ENDING));
    of_a_file(SOURCES_FILE)
        || of_a_file(ROOT_MARKER)
        || part_token(name).is_some_and(|token| token.starts_with(PROBE_TOKEN))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_ours_and_only_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap();
        for name in [".x.hub-1.part", ".y.hub-2.part", ".x.other-1.part", "x.part", ".part", "x"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        fs::create_dir(folder.path().join(".folder.hub-1.part")).unwrap();
        let removed = remove_stray_parts(&root, None, &|token| token == "hub-1").unwrap();
        assert_eq!(removed, 1);
        assert!(!folder.path().join(".x.hub-1.part").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn what_a_kill_left_of_the_hubs_own_files_goes_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let left = [
            ".model_sources.json.0123.part",
            ".model_sources.json.bak.0123.part",
            ".comfy-hub-root.json.0123.part",
            ".from.probe-0123.part",
        ];
        let stay =
            [".model_sources.json", ".model_sources.json.bak", ".comfy-hub-root.json", ".x.hub-1.part", "x.part"];
        for name in left.iter().chain(&stay) {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(remove_old_own(&root, Duration::from_mins(1)).unwrap(), 0, "one may be written just now");
        let long_ago = SystemTime::now() - Duration::from_mins(2);
        for name in left.iter().chain(&stay) {
            fs::File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        assert_eq!(remove_old_own(&root, Duration::from_mins(1)).unwrap(), left.len());
        assert!(stay.iter().all(|name| folder.path().join(name).exists()));
    }

    #[test]
    fn a_folder_that_is_gone_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap();
        let gone = RelPath::parse("no/such").unwrap();
        assert_eq!(remove_stray_parts(&root, Some(&gone), &|_| true).unwrap(), 0);
    }
}
