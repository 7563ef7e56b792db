//! What lies in an agent's folder of models: asked for over its connection, answered in parts.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;
use shared_protocol::agent_to_hub::Inventory as Part;
use shared_protocol::hub_to_agent::{HubToAgent, InventoryRequest};
use shared_protocol::{AgentId, Blake3};
use tokio::sync::oneshot;

use super::Remote;
use super::connection::{AskedInventory, Connection, Inventory};
use crate::services::{ErrorKind, ServiceError};
use crate::storage::agents;

/// Files of one inventory that are kept.
const MOST_FILES: usize = 200_000;

/// Requests at once; each is a walk over the agent's disk.
const MOST_ASKED: usize = 4;

/// How long an agent may take to list its folder.
const PATIENCE: Duration = Duration::from_mins(1);

/// A file below an agent's folder of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct InventoryFileView {
    /// Where.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// What it holds, if the agent knows.
    pub hash: Option<String>,
}

/// What lies in an agent's folder of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct InventoryView {
    /// The files, by path.
    pub items: Vec<InventoryFileView>,
    /// Files.
    pub total: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Folders that could not be listed.
    pub n_errors: u64,
    /// There are more files than are shown.
    pub is_cut: bool,
}

/// Takes a part of an inventory; one that nobody asked for is dropped.
pub(super) fn add(connection: &Connection, part: Part) {
    let mut asked = connection.asked.lock();
    let Some(open) = asked.get_mut(&part.request) else { return };
    let room = MOST_FILES.saturating_sub(open.inventory.files.len());
    open.inventory.is_cut |= part.files.len() > room;
    open.inventory.files.extend(part.files.into_iter().take(room));
    open.inventory.n_errors = open.inventory.n_errors.saturating_add(part.n_errors);
    if part.last
        && let Some(AskedInventory { inventory, done }) = asked.remove(&part.request)
    {
        // Whoever asked may have gone.
        done.send(inventory).ok();
    }
}

impl Remote {
    /// Asks an agent what it has.
    pub async fn inventory(&self, id: AgentId) -> Result<InventoryView, ServiceError> {
        self.known_agent(id).await?;
        let inventory = self.ask_inventory(id).await?;
        let size_bytes = inventory.files.iter().map(|file| file.size_bytes).sum();
        let mut items: Vec<_> = inventory
            .files
            .into_iter()
            .map(|file| InventoryFileView {
                path: file.path.to_string(),
                size_bytes: file.size_bytes,
                hash: file.blake3.map(|hash| hash.to_string()),
            })
            .collect();
        items.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let total = items.len() as u64;
        Ok(InventoryView { items, total, size_bytes, n_errors: inventory.n_errors, is_cut: inventory.is_cut })
    }

    /// The contents that an agent is known to have.
    pub(super) async fn contents_at(&self, id: AgentId) -> Result<HashSet<Blake3>, ServiceError> {
        Ok(self.ask_inventory(id).await?.files.into_iter().filter_map(|file| file.blake3).collect())
    }

    /// Asks an agent, and notes what it has.
    async fn ask_inventory(&self, id: AgentId) -> Result<Inventory, ServiceError> {
        let found = self.ask_over_connection(id).await?;
        let contents: HashSet<Blake3> = found.files.iter().filter_map(|file| file.blake3).collect();
        let is_all = found.n_errors == 0 && !found.is_cut;
        self.inner.database.write(move |tx| agents::note_contents(tx, id, &contents, is_all)).await?;
        Ok(found)
    }

    async fn ask_over_connection(&self, id: AgentId) -> Result<Inventory, ServiceError> {
        let connection = self.inner.connections.lock().get(&id).cloned();
        let connection = connection.ok_or_else(|| {
            ServiceError::said(ErrorKind::Conflict, "The agent is not connected: what it has can't be asked for now.")
        })?;
        let (done, answer) = oneshot::channel();
        let request = self.inner.next_request.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        {
            let mut asked = connection.asked.lock();
            if asked.len() >= MOST_ASKED {
                let text = "The agent is listing its folder already: try again in a moment.";
                return Err(ServiceError::said(ErrorKind::Conflict, text));
            }
            asked.insert(request, AskedInventory { inventory: Inventory::default(), done });
        }
        connection.say(HubToAgent::InventoryRequest(InventoryRequest { request }));
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        connection.asked.lock().remove(&request);
        match answer {
            Ok(Ok(inventory)) => Ok(inventory),
            Ok(Err(_)) => Err(ServiceError::said(ErrorKind::Conflict, "The agent has lost its connection meanwhile.")),
            Err(_) => Err(ServiceError::said(ErrorKind::Conflict, "The agent did not list its folder in time.")),
        }
    }
}
