//! What is no part of the library is not worked on: asked when a transfer is made, and again when its
//! turn comes. It may have become one meanwhile, and one that was queued by an earlier hub may be one.

use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use super::Queue;
use super::execution::AttemptError;
use crate::domain::exclusion::{self, BESIDE_CONTROL_FILE, DATA_FOLDER, Excluded, ExclusionKind, NameKind};
use crate::domain::operation::Operation;
use crate::fs::unfinished::ControlFiles;
use crate::services::roots::LiveRoot;
use crate::storage::queue::TransferRow;

/// The code of a transfer that was refused for it.
const CODE: &str = "excluded";

/// Refuses a transfer from or to a place that is no part of the library, as it is now.
pub(super) fn check(
    queue: &Queue,
    transfer: &TransferRow,
    control_files: &mut ControlFiles,
) -> Result<(), AttemptError> {
    let from = queue.roots.live(transfer.from)?;
    if transfer.operation == Operation::Restore {
        // It goes back to where a person had it: a half download is no worse there than in the trash.
        return match exclusion::of_path(&transfer.path, NameKind::File) {
            Some(found) if found.exclusion.kind != ExclusionKind::HalfDownload => refused(&from, &found),
            _ => Ok(()),
        };
    }
    check_file(&from, &transfer.path, control_files)?;
    match transfer.to {
        Some(to) => check_file(&queue.roots.live(to)?, &transfer.to_path, control_files),
        None => Ok(()),
    }
}

fn check_file(root: &LiveRoot, path: &RelPath, control_files: &mut ControlFiles) -> Result<(), AttemptError> {
    if let Some(found) = exclusion::of_path(path, NameKind::File) {
        return refused(root, &found);
    }
    if control_files.are_beside(&root.dir, path) {
        let place = path.to_string();
        return refused(root, &Excluded { place, exclusion: BESIDE_CONTROL_FILE });
    }
    Ok(())
}

fn refused(root: &LiveRoot, found: &Excluded) -> Result<(), AttemptError> {
    Err(AttemptError::last(CODE, format!("On {}, {found}. Nothing was done.", root.root.label())))
}

/// Why nothing can be taken from or brought to a path that the index does not have, if that is because
/// it is no part of the library. `data` is where the hub's data folder lies below the root.
pub(super) fn reason(path: &RelPath, data: Option<&str>) -> Option<String> {
    let found = exclusion::of_path(path, NameKind::Either).or_else(|| in_data_folder(path, data));
    found.map(|found| found.to_string())
}

/// The data folder, if the path is in it.
pub(super) fn in_data_folder(path: &RelPath, data: Option<&str>) -> Option<Excluded> {
    let place = data?;
    let (key, folder) = (path.match_key(), match_key(place));
    let is_inside = key.strip_prefix(&folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_inside.then(|| Excluded { place: place.to_owned(), exclusion: DATA_FOLDER })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_known_in_any_case() {
        let path = |text: &str| RelPath::parse(text).unwrap();
        assert!(in_data_folder(&path("Hub-Data/x"), Some("hub-data")).is_some());
        assert!(in_data_folder(&path("hub-data"), Some("hub-data")).is_some());
        assert!(in_data_folder(&path("hub-data2/x"), Some("hub-data")).is_none());
        assert!(in_data_folder(&path("hub-data/x"), None).is_none());
        assert!(reason(&path(".Trash-1000/files/x"), None).unwrap().contains("it is a trash"));
        assert!(reason(&path("loras/x"), Some("hub-data")).is_none());
    }
}
