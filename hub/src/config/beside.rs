//! What lies beside the hub's own program.

use std::path::PathBuf;

/// The file of this name in the folder that the running program lies in. It need not exist.
pub fn beside_program(name: &str) -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().map(|folder| folder.join(name))
}
