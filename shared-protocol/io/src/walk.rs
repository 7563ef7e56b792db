//! All files below the folder of models, as they lie there: links are neither followed nor told of, but those to
//! folders that may be gone through.

use std::fs::{self, Metadata};

use shared_protocol::RelPath;

use crate::confine::ConfinedFolder;

/// Tells of every file whose name a [`RelPath`] can hold, half-done ones too, in no order. The answer is the
/// number of folders and entries that could not be looked at.
pub fn walk(models: &ConfinedFolder, each: &mut dyn FnMut(RelPath, &Metadata)) -> u64 {
    let mut n_errors = 0;
    let mut folders: Vec<Option<RelPath>> = vec![None];
    while let Some(folder) = folders.pop() {
        let place = folder.as_ref().map_or_else(|| models.path().to_owned(), |f| models.path().join(f.as_str()));
        let Ok(entries) = fs::read_dir(&place) else {
            n_errors += 1;
            continue;
        };
        for entry in entries {
            let Ok((entry, found)) = entry.and_then(|entry| entry.metadata().map(|found| (entry, found))) else {
                n_errors += 1;
                continue;
            };
            let name = entry.file_name();
            let path = name.to_str().and_then(|name| RelPath::in_folder(folder.as_ref(), name).ok());
            match path {
                Some(path) if found.is_dir() && !is_half_done(path.name()) => folders.push(Some(path)),
                Some(path) if found.is_file() => each(path, &found),
                Some(path) if found.is_symlink() && models.goes_through(&entry.path()) => folders.push(Some(path)),
                _ => {}
            }
        }
    }
    n_errors
}

/// Whether a name is that of a half-done file, or of the notes beside one.
pub fn is_half_done(name: &str) -> bool {
    name.starts_with('.') && [".part", ".part.journal", ".part.groups", "~"].iter().any(|ending| name.ends_with(ending))
}
