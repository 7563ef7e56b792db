//! What most services need of their neighbours.

use super::busy::Busy;
use super::{Comparer, EndStore, Events, History, Roots, Settings, Tasks};
use crate::storage::Database;

/// The neighbours of one hub; clones share them.
#[derive(Clone)]
pub(super) struct ServiceContext {
    pub(super) settings: Settings,
    pub(super) database: Database,
    pub(super) roots: Roots,
    pub(super) events: Events,
    pub(super) history: History,
    pub(super) comparer: Comparer,
    pub(super) ends: EndStore,
    pub(super) tasks: Tasks,
    /// Transfers at work.
    pub(super) busy: Busy,
    /// Files being read by background jobs.
    pub(super) reading: Busy,
}
