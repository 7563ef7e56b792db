//! One machine: everything it tells of itself, and the models on it.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use shared_protocol::AgentId;
use shared_protocol::facts::{DiskLack, LinkedFolder};

use super::job::JobFact;
use super::machines;
use crate::services::remote::agents::AgentView;
use crate::web::error::Answer;
use crate::web::extract::InPath;
use crate::web::pages::frame::{Frame, page};
use crate::web::state::WebState;
use crate::web::templates::format;

const FRAME: Frame = Frame { section: "remote", title: "Machine", topics: "strip" };

/// Shows a machine.
pub(in crate::web) async fn show_agent(State(state): State<WebState>, InPath(id): InPath<AgentId>) -> Answer<Response> {
    let content = context! { page => content(&state, id).await?, inventory => () };
    page(&state, FRAME, "pages/remote_agent.html", content).await
}

/// What the page of a machine shows.
pub(in crate::web) async fn content(state: &WebState, id: AgentId) -> Answer<Value> {
    let agent = state.services.remote.show_agent(id).await?;
    let facts = facts(&agent);
    let yaml = agent.facts.comfyui.as_ref().is_some_and(|comfy| !comfy.models_inside);
    let machine = machines::Machine::from(agent);
    Ok(context! { agent => Serde(machine), facts => Serde(facts), yaml })
}

fn facts(agent: &AgentView) -> Vec<JobFact> {
    let told = &agent.facts;
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>, is_path| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push(JobFact { name, value, is_path, is_digest: false });
        }
    };
    let drivers = told.gpus.iter().find_map(|gpu| gpu.driver.as_ref()).map(|driver| format!(", driver {driver}"));
    add("Graphics", Some(machines::gpus(&told.gpus) + &drivers.unwrap_or_default()), false);
    add("Processors", told.n_cpus.map(|n| n.to_string()), false);
    add("Memory", told.memory_bytes.map(format::bytes), false);
    add(
        "System",
        Some([Some(told.os.clone()), told.kernel.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")),
        false,
    );
    add("Container", told.container.clone(), false);
    for root in &told.roots {
        let room = match (root.free_bytes, root.total_bytes) {
            (Some(free), Some(total)) => format!(": {} free of {}", format::bytes(free), format::bytes(total)),
            _ => String::new(),
        };
        add("Folder", Some(format!("{}{room}", root.path)), true);
        let lacks: Vec<&str> = root.lacks.iter().copied().filter_map(lack).collect();
        add("Its disk", Some(lacks.join("; ")), false);
    }
    if let Some(comfy) = &told.comfyui {
        let version = comfy.version.clone().or_else(|| comfy.commit.as_ref().map(|id| id.chars().take(12).collect()));
        let found =
            if comfy.found { version.unwrap_or_else(|| "there".to_owned()) } else { "not there yet".to_owned() };
        add("ComfyUI", Some(found), false);
        add("Models", Some(comfy.models_path.clone()), true);
        for link in &comfy.linked_folders {
            add("Linked folder", Some(linked(link)), true);
        }
    }
    add("Agent", Some(agent.version.clone()), false);
    add("Id", Some(agent.id.to_string()), true);
    facts
}

/// What a link in the folder of models is used for.
fn linked(link: &LinkedFolder) -> String {
    let LinkedFolder { path, target, allowed, problem } = link;
    let use_of_it = match problem {
        Some(problem) => format!("not used: {problem}"),
        None if *allowed => "used".to_owned(),
        None => "not used. Paste the line there again with --allow-linked-folders to use it".to_owned(),
    };
    format!("{path} \u{2192} {target}: {use_of_it}")
}

/// What a missing guarantee of a disk means for a person.
const fn lack(lack: DiskLack) -> Option<&'static str> {
    match lack {
        DiskLack::Writing => Some("Read-only for the agent: nothing can be written there"),
        DiskLack::Locks => Some("Has no file locks: one agent at a time is made sure of in another way"),
        DiskLack::FolderSync => Some("Can't sync folders: after a power cut a new file may be missing"),
        DiskLack::HardLinks => Some("Has no hard links: files that are there already are copied"),
        DiskLack::Other => None,
    }
}
