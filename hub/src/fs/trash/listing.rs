//! What lies in a trash, read from the disk: the folders tell when and with which batch a file was
//! deleted and where it was, so that it can be put back even if the database that knew is lost.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use shared_protocol::RelPath;

use crate::domain::exclusion::TRASH_FOLDER;
use crate::domain::temporary::owner_of;
use crate::fs::entry::{Entry, EntryKind, Folder, OpenRoot};
use crate::fs::{FileStamp, FsError, volume};

/// The folder of one batch in a trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFolder {
    /// `date/batch`, behind the path of the trash if that lies on another disk.
    pub name: String,
    /// The day of the delete, in UTC.
    pub date: Date,
    /// The folder that the trash lies in; none is the root.
    site: Option<RelPath>,
}

/// A file in the trash.
#[derive(Debug, Clone, PartialEq)]
pub struct Lying {
    /// Where it lies below the trash folder.
    pub trashed: String,
    pub path: RelPath,
    pub stamp: FileStamp,
}

/// The folders of all batches, of the root's trash and of those on disks mounted inside it; what has no
/// date for a name is none of ours. `known` names such folders that are known by other ways.
pub fn batch_folders(root: &Arc<OpenRoot>, known: &[String]) -> Result<Vec<BatchFolder>, FsError> {
    let mut found = Vec::new();
    for site in sites(root, known) {
        let around = match Folder::find(root, site.as_ref()) {
            Ok(Some(around)) => around,
            Ok(None) => continue,
            // Behind a link that was left out or changed nothing was seen, and nothing is gone.
            Err(error) if site.is_some() => {
                tracing::debug!(%error, "a trash can't be looked through now");
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(trash) = around.child(TRASH_FOLDER)? else { continue };
        let above = site.as_ref().map(|site| format!("{site}/{TRASH_FOLDER}/")).unwrap_or_default();
        for day in folders_in(&trash)? {
            let (Ok(date), Some(folder)) = (day.parse::<Date>(), trash.child(&day)?) else { continue };
            for batch in folders_in(&folder)? {
                found.push(BatchFolder { name: format!("{above}{day}/{batch}"), date, site: site.clone() });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The folders in which there may be a trash: the root, where disks are mounted, where included links lead, and where
/// one is known.
fn sites(root: &OpenRoot, known: &[String]) -> BTreeSet<Option<RelPath>> {
    let mounted = volume::mounts_below(root.path());
    let mounted = mounted.iter().filter_map(|path| relative(path));
    let linked = root.dir().links().iter().flat_map(|link| {
        let below = volume::mounts_below(Path::new(&link.included().target));
        let below =
            below.iter().filter_map(|path| RelPath::parse(&format!("{}/{}", link.path(), relative(path)?)).ok());
        below.chain([link.path().clone()]).collect::<Vec<_>>()
    });
    let known = known.iter().filter_map(|name| name.split_once(&format!("/{TRASH_FOLDER}/")));
    let known = known.filter_map(|(site, _)| RelPath::parse(site).ok());
    std::iter::once(None).chain(mounted.chain(linked).chain(known).map(Some)).collect()
}

/// Every file of a batch, and beside them what is still being written or was never ended. Links, and names that not
/// every system can store, are left alone.
pub fn files_in(root: &Arc<OpenRoot>, folder: &BatchFolder) -> Result<(Vec<Lying>, Vec<Entry>), FsError> {
    let text = if folder.site.is_some() { folder.name.clone() } else { format!("{TRASH_FOLDER}/{}", folder.name) };
    let top = RelPath::parse(&text).map_err(|error| FsError::new("list", Path::new(&text), io::Error::other(error)))?;
    let (mut found, mut parts) = (Vec::new(), Vec::new());
    let mut waiting: Vec<(Option<RelPath>, Arc<Folder>)> = Vec::new();
    waiting.extend(Folder::find(root, Some(&top))?.map(|top| (None, top)));
    while let Some((within, open)) = waiting.pop() {
        for name in open.names()? {
            let Ok(below) = RelPath::in_folder(within.as_ref(), &name.text) else { continue };
            match name.kind {
                EntryKind::Folder => waiting.extend(open.child(&name.text)?.map(|folder| (Some(below), folder))),
                EntryKind::File if owner_of(&name.text).is_some() => parts.push(open.entry(&name.text)),
                EntryKind::File => {
                    // Put back or removed since its folder was listed.
                    let Some(stamp) = open.entry(&name.text).stamp_if_there()? else { continue };
                    let trashed = format!("{}/{below}", folder.name);
                    let path = match &folder.site {
                        Some(site) => RelPath::parse(&format!("{site}/{below}")),
                        None => Ok(below),
                    };
                    found.extend(path.map(|path| Lying { trashed, path, stamp }));
                }
                _ => {}
            }
        }
    }
    found.sort_by(|a, b| a.trashed.cmp(&b.trashed));
    Ok((found, parts))
}

fn relative(path: &Path) -> Option<RelPath> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    RelPath::parse(&parts?.join("/")).ok()
}

fn folders_in(folder: &Folder) -> Result<Vec<String>, FsError> {
    let names = folder.names()?.into_iter();
    Ok(names.filter(|name| name.kind == EntryKind::Folder).map(|name| name.text).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::RootDir;
    use crate::fs::entry::Entry;
    use crate::fs::relocate::unwatched;
    use crate::fs::trash::Bin;

    fn place(files: &[&str]) -> (tempfile::TempDir, Arc<OpenRoot>) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let root = OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap();
        (folder, root)
    }

    #[test]
    fn what_was_put_there_is_found_with_its_path() {
        let (_folder, root) = place(&["loras/sub/x", "y"]);
        for path in ["loras/sub/x", "y"] {
            let source = Entry::open(&root, &RelPath::parse(path).unwrap()).unwrap();
            let mut bin = Bin::new(&root, "2024-05-01".to_owned(), "7".to_owned());
            bin.put(&source, source.stamp().unwrap(), "t1", &mut unwatched).unwrap();
        }
        let folders = batch_folders(&root, &[]).unwrap();
        let date = jiff::civil::date(2024, 5, 1);
        assert_eq!(folders, [BatchFolder { name: "2024-05-01/7".to_owned(), date, site: None }]);
        let files: Vec<_> = files_in(&root, folders.first().unwrap())
            .unwrap()
            .0
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
        assert_eq!(batch_folders(&root, &[]).unwrap(), []);
        let (_folder, root) =
            place(&[".comfy-hub-trash/mine/7/x", ".comfy-hub-trash/2024-05-01/x", ".comfy-hub-trash/y"]);
        assert_eq!(batch_folders(&root, &[]).unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere() {
        let (folder, root) = place(&[".comfy-hub-trash/2024-05-01/7/x", "outside/secret"]);
        let batch = folder.path().join(".comfy-hub-trash/2024-05-01/7");
        std::os::unix::fs::symlink(folder.path().join("outside"), batch.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside/secret"), batch.join("y")).unwrap();
        let folders = batch_folders(&root, &[]).unwrap();
        assert_eq!(files_in(&root, folders.first().unwrap()).unwrap().0.len(), 1);
    }
}
