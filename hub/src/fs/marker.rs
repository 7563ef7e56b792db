//! A root's identity: a small file that says "this is the folder the index is about".
//!
//! A drive letter or mount point may hold another disk tomorrow, or nothing. A missing marker is
//! never replaced silently: whoever adopts a folder decides to.

use std::io::{ErrorKind, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared_protocol::ids::RootId;

use crate::domain::exclusion::{self, ROOT_MARKER};
use crate::domain::temporary::new_name;
use crate::fs::at::At;
use crate::fs::entry::{Entry, Folder, OpenRoot};
use crate::fs::{FsError, RootDir, head};

/// The version of the marker's form.
const VERSION: u32 = 1;

/// A marker is about a hundred bytes; more is something else.
const MAX_BYTES: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Marker {
    version: u32,
    root_id: RootId,
    created_at: jiff::Timestamp,
}

/// Reads a root's identity; `None` means that it has no marker. A damaged marker is an error.
pub fn read(root: &RootDir) -> Result<Option<RootId>, FsError> {
    read_at(At::Path(&root.path().join(ROOT_MARKER)))
}

/// The same of a root that is open: what it tells is of that folder, whatever its path leads to by now.
pub fn read_in(root: &Arc<OpenRoot>) -> Result<Option<RootId>, FsError> {
    read_at(At::Entry(&Folder::open(root, None)?.entry(ROOT_MARKER)))
}

fn read_at(at: At<'_>) -> Result<Option<RootId>, FsError> {
    let path = at.path();
    let bytes = match head::read_small(at, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let marker: Marker = serde_json::from_slice(&bytes)
        .map_err(|_| FsError::refused("read", path, ErrorKind::InvalidData, "the root's marker is damaged"))?;
    if marker.version != VERSION {
        return Err(FsError::refused("read", path, ErrorKind::InvalidData, "the root's marker is of a later version"));
    }
    Ok(Some(marker.root_id))
}

/// What can be told of a damaged marker before a person decides what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub size_bytes: u64,
    /// How it begins, as far as that is text.
    pub beginning: String,
    /// Files and folders directly in the root, besides those of the hub.
    pub n_entries: usize,
}

/// Looks at a marker that can't be read; none if it is sound, or only of a later version.
pub fn damage(root: &RootDir) -> Result<Option<Damage>, FsError> {
    let folder = Folder::open(&OpenRoot::open(root)?, None)?;
    let marker = folder.entry(ROOT_MARKER);
    let size_bytes = marker.stamp()?.size_bytes;
    let bytes = if size_bytes > MAX_BYTES { Vec::new() } else { head::read_small(At::Entry(&marker), MAX_BYTES)? };
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let version = json.and_then(|json| json.get("version").and_then(serde_json::Value::as_u64));
    if version.is_some_and(|version| version > u64::from(VERSION)) || read(root).is_ok() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    let beginning = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let is_ours_or_no_model = |name: &str| exclusion::of_entry(None, name, exclusion::NameKind::Either).is_some();
    let n_entries = folder.names()?.iter().filter(|name| !is_ours_or_no_model(&name.text)).count();
    Ok(Some(Damage { size_bytes, beginning, n_entries }))
}

/// Gives a damaged marker another name beside it, so that the folder can get a new one.
pub fn set_damaged_aside(root: &RootDir) -> Result<(), FsError> {
    let folder = Folder::open(&OpenRoot::open(root)?, None)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H%M%S");
    folder.entry(ROOT_MARKER).rename_no_clobber(&folder.entry(&format!("{ROOT_MARKER}.damaged-{now}")))?;
    folder.sync()
}

/// Writes the marker of a folder that has none, and tells the identity; one that is there already
/// stays and counts.
pub fn adopt(root: &RootDir) -> Result<RootId, FsError> {
    adopt_as(root, RootId::new())
}

/// The same with an identity that the folder had before.
pub fn adopt_as(root: &RootDir, id: RootId) -> Result<RootId, FsError> {
    if let Some(id) = read(root)? {
        return Ok(id);
    }
    let folder = Folder::open(&OpenRoot::open(root)?, None)?;
    // Under another name first, so that no crash leaves half a marker.
    let part = folder.entry(&new_name(ROOT_MARKER));
    let renamed = write(&part, id).and_then(|()| part.rename_no_clobber(&folder.entry(ROOT_MARKER)));
    if let Err(error) = renamed {
        part.clean_up();
        // Another hub adopted the folder at the same moment: then its marker counts.
        return match read(root) {
            Ok(Some(theirs)) => Ok(theirs),
            _ => Err(error),
        };
    }
    folder.sync()?;
    Ok(id)
}

fn write(part: &Entry, root_id: RootId) -> Result<(), FsError> {
    let path = part.path();
    let marker = Marker { version: VERSION, root_id, created_at: jiff::Timestamp::now() };
    let text = serde_json::to_vec_pretty(&marker).map_err(|error| FsError::new("write", path, error.into()))?;
    let mut file = part.create()?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(FsError::at("write", path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_root_keeps_its_identity() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        assert_eq!(read(&root).unwrap(), None);
        let id = adopt(&root).unwrap();
        assert_eq!(read(&root).unwrap(), Some(id));
        assert_eq!(adopt(&root).unwrap(), id, "an adopted root is not adopted anew");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let id = adopt(&root).unwrap();
        let text = fs::read_to_string(folder.path().join(".comfy-hub-root.json")).unwrap();
        let json: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(json.get("version").unwrap(), 1);
        assert_eq!(json.get("root_id").unwrap(), &id.to_string());
        assert!(json.get("created_at").unwrap().as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    #[test]
    fn a_damaged_marker_is_an_error_and_stays() {
        for damaged in ["", "{}", "{\"version\":1}", "{\"version\":2,\"root_id\":\"x\"}"] {
            let folder = tempfile::tempdir().unwrap();
            let root = RootDir::open(folder.path()).unwrap();
            fs::write(folder.path().join(ROOT_MARKER), damaged).unwrap();
            assert!(read(&root).is_err(), "{damaged}");
            assert!(adopt(&root).is_err(), "{damaged}");
            assert_eq!(fs::read_to_string(folder.path().join(ROOT_MARKER)).unwrap(), damaged);
        }
    }

    #[test]
    fn a_damaged_marker_is_shown_and_set_aside_and_the_identity_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let (id, path) = (adopt(&root).unwrap(), folder.path().join(ROOT_MARKER));
        assert_eq!(damage(&root).unwrap(), None, "it is sound");
        fs::write(&path, r#"{"version":2}"#).unwrap();
        assert_eq!(damage(&root).unwrap(), None, "a later hub can read it");
        fs::create_dir(folder.path().join("loras")).unwrap();
        fs::write(&path, "{\0half").unwrap();
        let found = damage(&root).unwrap().unwrap();
        assert_eq!((found.size_bytes, found.beginning.as_str(), found.n_entries), (6, "{\u{fffd}half", 1));
        set_damaged_aside(&root).unwrap();
        assert_eq!(adopt_as(&root, id).unwrap(), id);
        assert_eq!(read(&root).unwrap(), Some(id));
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let kept: Vec<String> = names.filter(|name| name.contains("damaged")).collect();
        assert_eq!(fs::read_to_string(folder.path().join(&kept[0])).unwrap(), "{\0half");
    }

    #[test]
    fn many_that_adopt_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let ids: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| adopt(&root).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }
}
