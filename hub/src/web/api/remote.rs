//! The remote side: sessions, agents, jobs.

pub mod session;
