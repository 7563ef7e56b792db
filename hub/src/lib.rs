//! The hub: indexes two model folders, compares them and moves files between them.
//!
//! `ARCHITECTURE.md` at the top of the repository draws the house.

#![allow(unreachable_pub, reason = "nothing here is for other programs: what is pub is for the hub's own modules")]

pub mod allocator;
mod app;
mod cli;
mod config;
mod domain;
mod fs;
mod run;
mod services;
mod storage;
mod telemetry;
mod web;

pub use run::run;
