//! The machines that came: what they are, whether they are there, how much room they have.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use shared_protocol::facts::{Facts, GpuFacts};

use super::jobs::{JobListLine, names};
use crate::services::remote::agents::AgentView;
use crate::storage::jobs::JobFilter;
use crate::storage::views::page::PageRequest;
use crate::web::error::Answer;
use crate::web::state::WebState;
use crate::web::templates::format;

/// Jobs that are shown beside the queue; the page of the machines has all of them.
const FEW: u32 = 5;

/// A machine with what only pages say of it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Machine {
    #[serde(flatten)]
    pub agent: AgentView,
    gpu: String,
    free_bytes: Option<u64>,
    has_comfy: bool,
    comfy: Option<String>,
}

/// What the list shows: `{agents}`.
pub(in crate::web) async fn content(state: &WebState) -> Answer<Value> {
    let agents = state.services.remote.list_agents().await?;
    Ok(context! { agents => Serde(agents.into_iter().map(Machine::from).collect::<Vec<_>>()) })
}

/// What is under way on machines: `{remote_load, remote_jobs}`.
pub(in crate::web) async fn under_way(state: &WebState) -> Answer<Value> {
    let remote = &state.services.remote;
    let load = remote.load().await?;
    let jobs = if load.n_running + load.n_queued > 0 {
        let filter = JobFilter { open: true, ..JobFilter::default() };
        let found = remote.list_jobs(filter, PageRequest::latest(FEW)).await?;
        let names = names(state).await?;
        found.items.into_iter().map(|job| JobListLine::of(job, &names)).collect()
    } else {
        Vec::new()
    };
    Ok(context! { remote_load => Serde(load), remote_jobs => Serde(jobs) })
}

/// The machines on the overview, with what they do: `{agents, remote_load, remote_jobs}`.
pub(in crate::web) async fn overview(state: &WebState) -> Answer<Value> {
    Ok(context! { ..content(state).await?, ..under_way(state).await? })
}

impl From<AgentView> for Machine {
    fn from(agent: AgentView) -> Self {
        Self {
            gpu: gpus(&agent.facts.gpus),
            free_bytes: free_bytes(&agent.facts),
            has_comfy: agent.facts.comfyui.as_ref().is_some_and(|comfy| comfy.found),
            comfy: comfy(&agent.facts),
            agent,
        }
    }
}

/// The machines that are there now, in a line; none if there are none.
pub(in crate::web) async fn connected(state: &WebState) -> Answer<Option<String>> {
    let agents = state.services.remote.list_agents().await?;
    let names: Vec<String> = agents
        .into_iter()
        .filter(|agent| agent.online)
        .map(|agent| {
            let gpu = gpus(&agent.facts.gpus);
            let what = if gpu.is_empty() { agent.name } else { gpu };
            match free_bytes(&agent.facts) {
                Some(free) => format!("{what}, {} free", format::bytes(free)),
                None => what,
            }
        })
        .collect();
    Ok((!names.is_empty()).then(|| names.join("; ")))
}

/// What the button says that sends files to a machine; none where no machine ever came.
pub(in crate::web) async fn send_label(state: &WebState) -> Answer<Option<String>> {
    let agents = state.services.remote.list_agents().await?;
    Ok(match &agents[..] {
        [] => None,
        [only] => {
            let gpu = only.facts.gpus.first().map(|gpu| gpus(&[GpuFacts { memory_bytes: None, ..gpu.clone() }]));
            Some(format!("Send to {}…", gpu.unwrap_or_else(|| only.name.clone())))
        }
        _ => Some("Send to a machine…".to_owned()),
    })
}

/// Room for models.
pub(in crate::web) fn free_bytes(facts: &Facts) -> Option<u64> {
    let models = facts.comfyui.as_ref().map(|comfy| comfy.models_path.as_str());
    let of_models = facts.roots.iter().find(|root| Some(root.path.as_str()) == models);
    of_models.or_else(|| facts.roots.first())?.free_bytes
}

/// `2 × RTX 4090 (24.0 GiB)`.
pub(in crate::web) fn gpus(gpus: &[GpuFacts]) -> String {
    let mut groups: Vec<(&GpuFacts, usize)> = Vec::new();
    for gpu in gpus {
        match groups.iter_mut().find(|(one, _)| one.name == gpu.name) {
            Some((_, n)) => *n += 1,
            None => groups.push((gpu, 1)),
        }
    }
    let text = |(gpu, n): (&GpuFacts, usize)| {
        let name = gpu.name.trim_start_matches("NVIDIA ").trim_start_matches("GeForce ");
        let times = if n > 1 { format!("{n} × ") } else { String::new() };
        let memory = gpu.memory_bytes.map(|size| format!(" ({})", format::bytes(size))).unwrap_or_default();
        format!("{times}{name}{memory}")
    };
    groups.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn comfy(facts: &Facts) -> Option<String> {
    let comfy = facts.comfyui.as_ref()?;
    if !comfy.found {
        return Some("no ComfyUI yet".to_owned());
    }
    let version = comfy.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    Some(format!("ComfyUI{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_one_kind_are_counted() {
        let card = |name: &str, memory_bytes| GpuFacts { name: name.to_owned(), memory_bytes, driver: None };
        let two = [card("NVIDIA GeForce RTX 4090", Some(24 << 30)), card("NVIDIA GeForce RTX 4090", Some(24 << 30))];
        assert_eq!(gpus(&two), "2 × RTX 4090 (24.0 GiB)");
        assert_eq!(gpus(&[card("NVIDIA A100", None), card("Other", None)]), "A100, Other");
        assert_eq!(gpus(&[]), "");
    }
}
