//! The queue: batches and their transfers.
//!
//! A worker's claim, its checkpoints and its result are each one committed transaction; between them
//! nothing is held. Whatever is `running` when a hub starts was interrupted.

pub mod batches;
pub mod bundles;
pub mod checkpoint;
pub mod claim;
pub mod downloads;
pub mod failures;
mod lanes;
pub mod outcome;
pub mod row;
pub mod strays;
pub mod summary;

pub use row::TransferRow;
