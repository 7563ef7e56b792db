//! What pages and the API show, as read-only queries.
//!
//! Every list is paged by key, never by offset: the cursor names the last row of a page, so a page
//! deep in the list costs what the first one costs, and rows that come or go in between shift
//! nothing. Each query is written for one index; tests look at the query plans.

pub mod batches;
pub mod contents;
pub mod count_cache;
pub mod detail;
pub mod diff;
pub mod duplicates;
pub mod entry;
pub mod evictions;
pub mod files;
pub mod filter;
pub mod folders;
pub mod history;
pub mod models;
pub mod named;
pub mod page;
pub mod picked;
pub mod plan_items;
mod search;
pub mod skipped;
pub mod space;
pub mod spelled;
mod statement;
pub mod transfers;
pub mod trash;

#[cfg(test)]
mod pace_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod test_library;

pub use count_cache::CountCache;
pub use entry::FileView;
pub use page::{Page, PageRequest};
