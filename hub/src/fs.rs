//! The one place that touches people's model files.
//!
//! Everything here blocks, so callers run it on blocking threads. No link is followed but those
//! that a person included ([`links`]), nothing overwrites a name that is taken, and what a caller knew about a file (a [`FileStamp`]) is looked
//! at again before the file is touched. What is changed is changed in an opened folder ([`entry`]). Where the systems differ, one small file per concern and
//! system holds the difference behind the same signatures.

pub mod at;
pub mod confine;
pub mod content;
pub mod control;
pub mod copy;
pub mod demo;
pub mod ends;
pub mod entry;
pub mod error;
pub mod folders;
pub mod hash;
pub mod head;
pub mod header;
pub mod held;
pub mod identity;
pub mod inclusion;
pub mod links;
pub mod marker;
pub mod node;
pub mod open;
#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod ordinary_user;
pub mod own_folder;
pub mod parts;
pub mod places;
pub mod previews;
pub mod private;
pub mod probe;
pub mod program;
pub mod relocate;
pub mod rename;
pub mod replace;
pub mod root_dir;
pub mod served;
pub mod share;
pub mod trash;
pub mod unfinished;
pub mod verbatim;
pub mod volume;
pub mod walk;
pub mod weights;

pub use confine::ensure_no_links;
pub use content::{Buffers, ContentHash};
pub use control::{CancelFlag, Flow};
pub use error::FsError;
pub use open::FileStamp;
pub use own_folder::OwnFolder;
pub use root_dir::RootDir;
