//! Types that the hub and the agent share: what a path, a digest and an id are, how a large file's
//! content is verified piece by piece, which addresses may be fetched from, and what the two say to each
//! other ([`hub_to_agent`], [`agent_to_hub`], in an [`envelope`]). PROTOCOL.md tells the rules.
//!
//! Nothing here does input or output. A value of one of these types has been parsed, so the code
//! behind it never has to check again.

pub mod addresses;
pub mod agent_to_hub;
pub mod digest;
pub mod envelope;
pub mod facts;
pub mod groups;
pub mod hub_to_agent;
pub mod ids;
pub mod job;
pub mod outcome;
pub mod refusal;
pub mod rel_path;
pub mod routes;
pub mod secret;
pub mod source_url;
pub mod target;
pub mod version;

pub use addresses::Allowed;
pub use digest::{Blake3, Sha256};
pub use groups::GroupList;
pub use ids::{AgentId, JobId, RootId};
pub use rel_path::RelPath;
pub use secret::{Secret, SessionKey};
pub use source_url::{Gate, SourceUrl, WebUrl};
pub use target::Target;
