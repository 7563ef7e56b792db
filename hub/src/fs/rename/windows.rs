//! Renaming on Windows.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{MOVEFILE_WRITE_THROUGH, MoveFileExW};

/// Without `MOVEFILE_REPLACE_EXISTING` a taken name is an error, and without
/// `MOVEFILE_COPY_ALLOWED` so is another volume. A name that is taken by a hard link of the same file is
/// none to Windows, which then does nothing and says it was done.
#[allow(unsafe_code, reason = "MoveFileExW has no safe form, and std's rename always replaces")]
pub(super) fn rename_no_clobber(from: &Path, to: &Path) -> io::Result<()> {
    let (from_text, to) = (wide(from)?, wide(to)?);
    // SAFETY: both are NUL-terminated UTF-16 texts that outlive the call, which only reads them.
    let done = unsafe { MoveFileExW(from_text.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let is_same_name = folded(&from_text) == folded(&to);
    if !is_same_name && fs::symlink_metadata(from).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    Ok(())
}

/// Names that differ in case only are one.
fn folded(wide: &[u16]) -> String {
    String::from_utf16_lossy(wide).to_lowercase()
}

fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let mut text: Vec<u16> = path.as_os_str().encode_wide().collect();
    if text.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the path contains NUL"));
    }
    text.push(0);
    Ok(text)
}

/// The rename was written through.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) const fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Windows refuses to remove a file that is marked read-only.
pub(super) fn clear_read_only(path: &Path) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    if permissions.readonly() {
        #[allow(clippy::permissions_set_readonly_false, reason = "on Windows this clears an attribute only")]
        permissions.set_readonly(false);
        fs::set_permissions(path, permissions)?;
    }
    Ok(())
}
