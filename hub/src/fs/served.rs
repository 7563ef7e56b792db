//! A file that is handed out piece by piece, and must be the known content all the while.
//!
//! Its stamp is compared when it is opened and around every read. What was read before a change was
//! seen may not be sent: who receives it would take it for the content.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use shared_protocol::RelPath;

use crate::fs::open::{advise_sequential, open_with_metadata, read_full, stamp};
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, FsError, RootDir, ensure_no_links};

/// A file being handed out.
#[derive(Debug)]
pub struct ServedFile {
    path: PathBuf,
    expected: FileStamp,
    file: File,
}

impl ServedFile {
    /// Opens a file below a root, through no link, if it is still the one that was looked at before.
    pub fn open(root: &RootDir, path: &RelPath, expected: FileStamp) -> Result<Self, TouchError> {
        ensure_no_links(root, path)?;
        Self::open_at(root.resolve(path), expected)
    }

    fn open_at(path: PathBuf, expected: FileStamp) -> Result<Self, TouchError> {
        let (file, metadata) = open_with_metadata(&path)?;
        let found = FileStamp::of_open(&file, &metadata);
        if found != expected {
            return Err(TouchError::Changed);
        }
        let expected = found;
        advise_sequential(&file);
        Ok(Self { path, expected, file })
    }

    /// Fills the buffer from this offset; an error if the file has changed, or ends before.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), TouchError> {
        self.check_unchanged()?;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).map_err(FsError::at("read", &self.path))?;
        let read = read_full(file, buffer).map_err(FsError::at("read", &self.path))?;
        self.check_unchanged()?;
        if read == buffer.len() { Ok(()) } else { Err(TouchError::Changed) }
    }

    /// The same file through a handle of now. On Windows an open file can't be written by others, and
    /// an upload may take hours: there every piece is read through a handle of its own.
    pub fn reopen_where_it_locks(self) -> Result<Self, TouchError> {
        if cfg!(windows) { Self::open_at(self.path, self.expected) } else { Ok(self) }
    }

    fn check_unchanged(&self) -> Result<(), TouchError> {
        let now = stamp(&self.file).map_err(FsError::at("look at", &self.path))?;
        // The open file may lose its name. Who receives it proves each piece.
        if now.is_like(self.expected) { Ok(()) } else { Err(TouchError::Changed) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::open::stamp_path;

    struct Case {
        #[cfg_attr(windows, allow(dead_code, reason = "held for its Drop"))]
        folder: tempfile::TempDir,
        root: RootDir,
        path: RelPath,
        stamp: FileStamp,
    }

    fn case() -> Case {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("loras")).unwrap();
        fs::write(folder.path().join("loras/x"), b"0123456789").unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let stamp = stamp_path(&folder.path().join("loras/x")).unwrap();
        Case { folder, root, path: RelPath::parse("loras/x").unwrap(), stamp }
    }

    impl Case {
        fn open(&self) -> Result<ServedFile, TouchError> {
            ServedFile::open(&self.root, &self.path, self.stamp)
        }

        #[cfg(unix)]
        fn on_disk(&self) -> PathBuf {
            self.folder.path().join("loras/x")
        }
    }

    #[test]
    fn any_part_is_read() {
        let mut file = case().open().unwrap();
        for (offset, expected) in [(7, b"789"), (0, b"012"), (3, b"345")] {
            let mut buffer = [0; 3];
            file.read_at(offset, &mut buffer).unwrap();
            assert_eq!(&buffer, expected);
        }
        file = file.reopen_where_it_locks().unwrap();
        assert!(matches!(file.read_at(8, &mut [0; 3]), Err(TouchError::Changed)), "it ends before");
    }

    #[cfg(unix)]
    #[test]
    fn a_change_is_seen_before_anything_is_handed_out() {
        let case = case();
        let mut file = case.open().unwrap();
        fs::write(case.on_disk(), b"0123456789 and more").unwrap();
        assert!(matches!(file.read_at(0, &mut [0; 3]), Err(TouchError::Changed)));
        assert!(matches!(case.open(), Err(TouchError::Changed)));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_goes_on_as_it_was() {
        let case = case();
        let mut file = case.open().unwrap();
        fs::write(case.folder.path().join("new"), b"9876543210").unwrap();
        fs::rename(case.folder.path().join("new"), case.on_disk()).unwrap();
        let mut buffer = [0; 3];
        file.read_at(0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"012", "the open file is still the known content");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_served_through_a_link() {
        let case = case();
        let outside = tempfile::tempdir().unwrap();
        fs::rename(case.on_disk(), outside.path().join("x")).unwrap();
        fs::remove_dir(case.folder.path().join("loras")).unwrap();
        std::os::unix::fs::symlink(outside.path(), case.folder.path().join("loras")).unwrap();
        assert!(matches!(case.open(), Err(TouchError::Fs(error)) if error.to_string().contains("link")));
    }
}
