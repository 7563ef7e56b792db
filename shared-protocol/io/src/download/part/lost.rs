//! A half-done file whose disk did not keep it, or forgot that it was opened.

use std::fs::{File, OpenOptions};

use super::journal::Journal;
use super::{PartFile, open_or_make, replace};
use crate::error::FileError;
use crate::system;

impl PartFile {
    /// Opens it once more, because the server of a network disk has forgotten it.
    pub(super) fn open_anew(&self) {
        if let Ok(file) = OpenOptions::new().read(true).write(true).open(&self.path) {
            self.take(file);
        }
    }

    /// The disk failed to keep what was written: what the system holds of it in memory says nothing any more.
    pub(in crate::download) fn doubt(&self) {
        self.open_anew();
        system::forget_cached(&self.file.read());
    }

    /// Whether its name is gone: then nothing that is written any more will have one.
    pub(in crate::download) fn is_gone(&self) -> bool {
        !self.is_nameless && !self.path.exists()
    }

    /// Begins once more with an empty file in its place.
    pub(in crate::download) fn begin_anew(&self) -> Result<(), FileError> {
        // The journal first: by it the file is ours.
        replace(&self.journal, &Journal::empty(&self.expected, self.size_bytes).to_bytes())?;
        let (file, _) = open_or_make(&self.path)?;
        self.take(file);
        Ok(())
    }

    fn take(&self, file: File) {
        let mut opened = self.file.write();
        *opened = file;
        // What was opened before had the lock, and nobody else has it so soon.
        opened.try_lock().ok();
    }
}
