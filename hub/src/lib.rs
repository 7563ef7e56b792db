//! The hub: indexes two model folders, compares them and moves files between them.
//!
//! `ARCHITECTURE.md` at the top of the repository draws the house.

pub mod allocator;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod fs;
mod run;
pub mod services;
pub mod storage;
pub mod telemetry;
pub mod web;

pub use run::run;
