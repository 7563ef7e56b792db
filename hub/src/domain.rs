//! What the product is about, as pure code: no input or output, no clock, no database.

pub mod diff;
pub mod duplicates;
pub mod eviction;
pub mod exclusion;
pub mod failure;
pub mod hash_scope;
pub mod ids;
pub mod kind;
pub mod mirror;
pub mod operation;
pub mod rate;
pub mod remote_job;
pub mod retry;
pub mod room;
pub mod root;
pub mod safetensors;
pub mod scan;
pub mod size;
pub mod skipped;
pub mod skipped_names;
pub mod sources;
pub mod space;
pub mod span;
pub mod story;
pub mod ticks;
pub mod transfer;
