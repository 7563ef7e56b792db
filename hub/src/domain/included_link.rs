//! A link below a root whose folder is a part of the root, because a person said so.

use shared_protocol::RelPath;

/// What tells a folder from every other one, as far as the system says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderIdentity {
    /// The disk that it lies on, by a text that lasts over a restart where the system has one.
    pub disk: String,
    /// Its number on the disk; none where the file system makes numbers up.
    pub file: Option<u64>,
}

impl FolderIdentity {
    /// Whether a folder that is there now is this one. A number that was not known speaks against nothing.
    pub fn is(&self, now: &Self) -> bool {
        self.disk == now.disk && (self.file.is_none() || self.file == now.file)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedLink {
    /// Its path below the root.
    pub path: RelPath,
    /// The real path of the folder that it leads to.
    pub target: String,
    pub identity: FolderIdentity,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_disk_and_number() {
        let folder = |disk: &str, file| FolderIdentity { disk: disk.to_owned(), file };
        let (known, unnumbered) = (folder("a", Some(1)), folder("a", None));
        assert!(known.is(&folder("a", Some(1))));
        assert!(!known.is(&folder("a", Some(2))) && !known.is(&folder("b", Some(1))) && !known.is(&unnumbered));
        assert!(unnumbered.is(&folder("a", Some(7))) && !unnumbered.is(&folder("b", None)));
    }
}
