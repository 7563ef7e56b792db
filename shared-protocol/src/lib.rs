//! Types that the hub and the agent share: what a path, a digest and an id are, how a large file's
//! content is proved piece by piece, and which addresses may be fetched from.
//!
//! Nothing here does input or output. A value of one of these types has been parsed, so the code
//! behind it never has to check again.

pub mod addresses;
pub mod digest;
pub mod groups;
pub mod ids;
pub mod rel_path;
pub mod source_url;

pub use addresses::Allowed;
pub use digest::{Blake3, Sha256};
pub use groups::GroupList;
pub use rel_path::RelPath;
pub use source_url::{Gate, SourceUrl, WebUrl};
