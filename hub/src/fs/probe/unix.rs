//! Whether a folder takes new files, on Unix.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Asks for the rights in effect; a read-only mount answers no to everyone.
pub(super) fn is_writable(folder: &Path) -> bool {
    accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}
