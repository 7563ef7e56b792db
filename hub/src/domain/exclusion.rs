//! What is no library: trashes, snapshots, folders of systems and NAS boxes, droppings, half downloads,
//! and the hub's own files. One table, which everyone asks who lists, copies, deletes or counts.
//!
//! Such a name is neither a file of the library nor a copy of one, on either root. What lies in a
//! trash today is gone tomorrow, and half a download is no model. The other way round a name that is
//! excluded by mistake loses sight of a model, so a rule names no more than what a program is known
//! to write.

mod pattern;
mod table;

use std::fmt;

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

pub use table::fingerprint;

/// Identity of a root, written when it is first adopted.
pub const ROOT_MARKER: &str = ".comfy-hub-root.json";
/// Where deleted files of a root wait.
pub const TRASH_FOLDER: &str = ".comfy-hub-trash";
/// Addresses of models, kept on the Lake.
pub const SOURCES_FILE: &str = ".model_sources.json";
/// What was evicted from a root, kept on it for the day that the database is lost.
pub const EVICTIONS_FILE: &str = ".comfy-hub-evictions.json";
/// Ending of every file that is still being written.
pub const PART_ENDING: &str = ".part";
/// What follows that in the names of notes beside a download, the longest first: what is there of it, and what replaces
/// that.
pub const NOTE_ENDINGS: [&str; 4] = [".journal~", ".journal", ".groups~", ".groups"];

/// What kind of place or file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionKind {
    /// Deleted files, or old versions of files, which someone will empty.
    Trash,
    /// The same files at an earlier time.
    Snapshots,
    /// A folder or file of a system, a NAS or another program.
    System,
    /// Previews and settings that file managers leave behind. There may be one in every folder.
    Dropping,
    /// A file that a program has not finished.
    HalfDownload,
    /// The hub's own.
    Own,
}

/// Whether a name is that of a file or of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    File,
    Folder,
    /// Nobody has looked.
    Either,
}

/// Why something is no part of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exclusion {
    pub kind: ExclusionKind,
    /// The reason for people, as in "it is …".
    pub why: &'static str,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

/// A path that lies in an excluded place or is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The place: the path itself or a folder around it.
    pub place: String,
    /// Why.
    pub exclusion: Exclusion,
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no part of the library: {}", self.place, self.exclusion)
    }
}

/// The hub's own data folder, wherever it lies.
pub const DATA_FOLDER: Exclusion = Exclusion { kind: ExclusionKind::System, why: "it is the hub's own data folder" };

/// A file or folder that a download works on, as the control file beside it says.
pub const BESIDE_CONTROL_FILE: Exclusion = Exclusion {
    kind: ExclusionKind::HalfDownload,
    why: "its download has not ended: the control file of the downloading program lies beside it",
};

/// Endings of the control files that lie beside what is still downloaded: `x` is half while there is
/// `x.aria2`. In the order in which they are asked for.
pub const CONTROL_ENDINGS: [&str; 3] = [".aria2", ".lftp-pget-status", ".st"];

/// Why an entry of this name is no part of the library, wherever it lies. `parent` is the name of the
/// folder around it, if that is not the root.
pub fn of_entry(parent: Option<&str>, name: &str, entry: NameKind) -> Option<Exclusion> {
    table::find(parent, name, entry)
}

/// Why a path is no part of the library: its own name or that of a folder around it.
pub fn of_path(path: &RelPath, entry: NameKind) -> Option<Excluded> {
    find_on_the_way(path.as_str(), entry)
}

/// The same for a path that has not been parsed: as the index keeps it.
pub fn find_on_the_way(path: &str, entry: NameKind) -> Option<Excluded> {
    let (mut parent, mut at) = (None, 0);
    loop {
        let rest = path.get(at..)?;
        let end = rest.find('/');
        let name = rest.get(..end.unwrap_or(rest.len()))?;
        let this = if end.is_some() { NameKind::Folder } else { entry };
        if let Some(exclusion) = of_entry(parent, name, this) {
            return Some(Excluded { place: path.get(..at + name.len())?.to_owned(), exclusion });
        }
        at += end? + 1;
        parent = Some(name);
    }
}

/// Whether an empty file of this name only holds it for the unfinished download of another name in
/// the same folder: browsers write `x.Ab12Cd34.safetensors.part` and leave `x.safetensors` empty
/// beside it.
pub fn is_held_for(name: &str, half_download: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    !stem.is_empty() && half_download.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
#[path = "exclusion/tests.rs"]
mod tests;
