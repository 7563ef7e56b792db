//! How fast an agent's latest downloads were.

use rusqlite::Connection;
use shared_protocol::AgentId;
use shared_protocol::outcome::{Outcome, SourceReport};

use crate::storage::StorageError;

/// Downloads that are looked at.
const LATEST: u32 = 20;

/// Bytes per second; none where nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// From public addresses.
    pub public: Option<u64>,
    /// From the hub.
    pub hub: Option<u64>,
}

/// The rates of an agent's latest downloads.
pub fn rates(connection: &Connection, agent: AgentId) -> Result<Rates, StorageError> {
    let sql = "SELECT outcome FROM remote_jobs WHERE agent_id = ?1 AND state = 'succeeded' AND kind = 'asset_download'
               ORDER BY number DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let outcomes = statement.query_map((agent.to_string(), LATEST), |row| row.get::<_, Option<String>>(0))?;
    let (mut public, mut hub) = ((0_u64, 0_u64), (0_u64, 0_u64));
    for text in outcomes {
        let Some(Ok(Outcome::Succeeded { sources, .. })) = text?.map(|text| serde_json::from_str(&text)) else {
            continue;
        };
        for SourceReport { source, bytes, duration_ms, .. } in sources {
            let sum = if source == "hub" { &mut hub } else { &mut public };
            *sum = (sum.0.saturating_add(bytes), sum.1.saturating_add(duration_ms));
        }
    }
    let rate = |(bytes, ms): (u64, u64)| (bytes > 0).then(|| bytes.saturating_mul(1_000) / ms.max(1));
    Ok(Rates { public: rate(public), hub: rate(hub) })
}
