//! The index of one root: what a scan writes, and what single changes by the hub's own transfers
//! write.
//!
//! A folder's row holds the digest of its listing. The scan compares digests; only folders that
//! differ come here, and only their rows are touched.

pub mod beside;
pub mod bulk;
pub mod destination;
pub mod edits;
pub mod excluded;
pub mod folders;
pub mod listing;
pub mod single;
pub mod totals;
pub mod unhashed;

pub use edits::{Edits, put_file, remove_file};
pub use excluded::leave_out_excluded;
pub use folders::{KnownFolder, folder_like, known_folders, mounted_folders, set_mounts};
pub use listing::{Changes, ListedFile, Listing, apply_all};
pub use single::{
    FileRow, file_at, file_holding, files_at_key, files_below, for_each_below, has_folder, is_content_known,
    remove_empty_folder,
};
pub(super) use single::{columns_of, row};
pub use totals::{finish, leave, reconcile};
pub use unhashed::{After, Left, Portion, extent, unhashed};
