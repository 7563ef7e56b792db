//! Types that the hub and the agent share: what a path, a digest and an id are, and how a large
//! file's content is proved piece by piece.
//!
//! Nothing here does input or output. A value of one of these types has been parsed, so the code
//! behind it never has to check again.

pub mod digest;
pub mod groups;
pub mod ids;
pub mod rel_path;

pub use digest::{Blake3, Sha256};
pub use groups::GroupList;
pub use rel_path::RelPath;
