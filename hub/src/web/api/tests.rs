//! The routes against real services on real folders.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may unwrap")]

mod bundles;
mod conforms;
mod described;
mod download_site;
mod downloads;
mod duplicates;
mod evictions;
mod fake_agent;
mod hashes;
mod hostile;
mod leftovers;
mod library;
mod links;
mod lists;
mod mirrors;
mod models;
mod models_kept;
mod places;
mod problems;
mod queue;
mod remote;
mod renames;
mod roots;
mod rot;
mod sources;
mod tampering;
mod trash;
mod typed_paths;
mod unknown;
