//! By volume and number, which the folder has to be opened for: so only where its name could be the one.

use std::fs::Metadata;
use std::io;
use std::path::Path;

/// Volume and number.
pub type FolderNumber = file_id::FileId;

pub(super) fn identity(path: &Path) -> io::Result<FolderNumber> {
    file_id::get_file_id(path)
}

pub(super) fn is(own: &FolderNumber, own_path: &Path, path: &Path, _metadata: &Metadata) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let could_be = name(path) == name(own_path) || name(path).is_some_and(|name| name.contains('~'));
    could_be && file_id::get_file_id(path).is_ok_and(|found| found == *own)
}
