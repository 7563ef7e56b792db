//! The hub: indexes two model folders, compares them and moves files between them.

pub mod config;
pub mod domain;
pub mod fs;
pub mod services;
pub mod storage;
pub mod web;
