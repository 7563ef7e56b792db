//! The agents as people and tools see them, and what can be done about one.

use std::collections::HashMap;

use serde::Serialize;
use shared_protocol::AgentId;
use shared_protocol::facts::Facts;
use shared_protocol::refusal::RefusalCode;

use super::Remote;
use super::live::over;
use crate::domain::described::UuidText;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::agents::{self, AgentRow};
use crate::storage::jobs;

/// Folders that `ComfyUI` looks for models in, by their usual names.
const TYPES: [&str; 20] = [
    "audio_encoders",
    "checkpoints",
    "clip_vision",
    "controlnet",
    "diffusers",
    "diffusion_models",
    "embeddings",
    "gligen",
    "hypernetworks",
    "latent_upscale_models",
    "loras",
    "model_patches",
    "photomaker",
    "style_models",
    "text_encoders",
    "unet",
    "upscale_models",
    "vae",
    "vae_approx",
    "clip",
];

/// An agent as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AgentView {
    /// Its id.
    #[schema(value_type = UuidText)]
    pub id: AgentId,
    /// What its machine is called, else the beginning of its id.
    pub name: String,
    /// Whether it is connected.
    pub online: bool,
    /// When it came first.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen_at: jiff::Timestamp,
    /// When it was last heard.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: jiff::Timestamp,
    /// Its version.
    pub version: String,
    /// Its machine, as it told last.
    #[schema(value_type = Object)]
    pub facts: Facts,
    /// Its latest connection, larger than all before it.
    pub generation: u64,
    /// Jobs that it holds at once.
    pub slots: u32,
    /// Its jobs that have not ended.
    pub n_open_jobs: u64,
}

impl Remote {
    /// Every agent that came and was not taken out, oldest first.
    pub async fn list_agents(&self) -> Result<Vec<AgentView>, ServiceError> {
        let read = self.inner.database.read(|c| Ok((agents::list(c)?, jobs::open_by_agent(c)?))).await?;
        let (rows, open) = read;
        Ok(rows.into_iter().map(|row| self.agent_view(row, &open)).collect())
    }

    /// One agent.
    pub async fn show_agent(&self, id: AgentId) -> Result<AgentView, ServiceError> {
        let row = self.known_agent(id).await?;
        let open = self.inner.database.read(jobs::open_by_agent).await?;
        Ok(self.agent_view(row, &open))
    }

    fn agent_view(&self, row: AgentRow, open: &HashMap<AgentId, u64>) -> AgentView {
        let online = self.inner.connections.lock().get(&row.id).is_some_and(|connection| !connection.is_closed());
        let short: String = row.id.to_string().chars().take(8).collect();
        let name = row.facts.hostname.clone().filter(|name| !name.trim().is_empty()).unwrap_or(short);
        AgentView {
            id: row.id,
            name,
            online,
            first_seen_at: row.first_seen_at,
            last_seen_at: if online { jiff::Timestamp::now() } else { row.last_seen_at },
            version: row.version,
            generation: row.generation,
            slots: row.slots,
            n_open_jobs: open.get(&row.id).copied().unwrap_or(0),
            facts: row.facts,
        }
    }

    /// Takes an agent out with its jobs: it is told to stop for good, and refused while the session lives.
    pub async fn remove_agent(&self, id: AgentId) -> Result<(), ServiceError> {
        let _turn = self.inner.turn.lock().await;
        if !self.inner.database.write(move |tx| agents::remove(tx, id)).await? {
            return Err(ServiceError::not_found("agent"));
        }
        if let Some(connection) = self.inner.connections.lock().remove(&id) {
            connection.close(over(RefusalCode::Revoked));
        }
        self.inner.events.send(Event::AgentChanged(id));
        Ok(())
    }

    /// What `ComfyUI` on an agent's machine needs to find models in the agent's folder.
    pub async fn extra_model_paths(&self, id: AgentId) -> Result<String, ServiceError> {
        let agent = self.known_agent(id).await?;
        let comfyui = agent.facts.comfyui.ok_or_else(|| {
            let text = "The agent has not told of a folder of models.";
            ServiceError::said(ErrorKind::Conflict, text)
        })?;
        let mut lines = vec![
            "# For extra_model_paths.yaml beside ComfyUI's main.py.".to_owned(),
            "comfy_hub:".to_owned(),
            // JSON texts are YAML texts, whatever is in the path.
            format!("    base_path: {}", serde_json::Value::String(comfyui.models_path)),
        ];
        lines.extend(TYPES.iter().map(|name| format!("    {name}: {name}/")));
        Ok(lines.join("\n") + "\n")
    }
}
