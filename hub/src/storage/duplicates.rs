//! Searches for duplicates and what the last one found.
//!
//! Groups are kept true by the database itself: a file that goes, or whose content changes, leaves
//! its groups in the same transaction.

mod groups;
mod known;

pub use groups::{NewGroup, forget, n_groups, replace};
pub use known::{CandidateRow, KnownWeights, ModelRow, candidates, models, put_ends, put_weights};
