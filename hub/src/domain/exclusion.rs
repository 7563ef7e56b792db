//! Names that are neither listed, copied nor deleted: droppings of operating systems and NAS boxes,
//! unfinished downloads, and the hub's own files.

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

const NAMES: [&str; 11] = [
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    ".ds_store",
    ".apdisk",
    "@eadir",
    "#recycle",
    "@recycle",
    "$recycle.bin",
    "system volume information",
    ".git",
];

/// Whether a file or folder of this name is left alone, wherever it lies.
pub fn is_excluded(name: &str) -> bool {
    let ends = |ending: &str| {
        name.len() >= ending.len()
            && name.get(name.len() - ending.len()..).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    name.starts_with("._")
        || ends(PART_ENDING)
        || ends(".crdownload")
        || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        || is_own(name)
}

/// Whether this is the hub's own: the marker with its temporary name, the sources file and the list of what was
/// evicted with their copies, the trash. Nobody has to hear of it.
pub fn is_own(name: &str) -> bool {
    [ROOT_MARKER, SOURCES_FILE, EVICTIONS_FILE].iter().any(|own| name.starts_with(own))
        || name.eq_ignore_ascii_case(TRASH_FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn droppings_and_own_files_are_left_alone() {
        for name in [
            "Thumbs.db",
            "DESKTOP.INI",
            "._x.safetensors",
            "@eaDir",
            "$RECYCLE.BIN",
            "System Volume Information",
            ".git",
            ".x.safetensors.7.part",
            "x.PART",
            "x.crdownload",
            ".model_sources.json",
            ".model_sources.json.bak",
            ".comfy-hub-root.json",
            ".comfy-hub-trash",
            ".comfy-hub-evictions.json",
            ".comfy-hub-evictions.json.bak",
        ] {
            assert!(is_excluded(name), "{name}");
        }
        for name in ["x.safetensors", ".gitignore", "part", "apart", ".hidden", "é.part_", "recycle"] {
            assert!(!is_excluded(name), "{name}");
        }
    }
}
