//! Files with the headers of real models, unpacked.

use std::path::Path;
use std::process::Command;

/// Unpacks the corpus; `None`, with the reason printed, where the tools for it are missing.
pub(crate) fn unpacked() -> Option<tempfile::TempDir> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/headers.tar.xz");
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(folder.path()).status();
    match status {
        Ok(status) if status.success() => Some(folder),
        Ok(status) => {
            eprintln!("SKIPPED: tar could not unpack the corpus ({status}); xz may be missing");
            None
        }
        Err(error) => {
            eprintln!("SKIPPED: tar is not there ({error})");
            None
        }
    }
}
