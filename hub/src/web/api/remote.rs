//! The remote side: sessions, agents, jobs.

pub mod agents;
pub mod jobs;
pub mod session;
