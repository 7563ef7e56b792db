//! The dialog before models are sent to a machine: how much is there already, how much comes from
//! public addresses, how much goes over the line of this house, and how long each takes.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::{AgentId, RelPath};

use super::confirm::{Target, Targeted, find};
use super::toast::Toast;
use crate::domain::root::Root;
use crate::services::remote::agents::AgentView;
use crate::services::remote::preview::Share;
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, Params, optional};
use crate::web::pages::frame::fragment;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;
use crate::web::templates::format;

/// Paths that are named one by one.
const NAMED: usize = 5;

/// What the dialog is opened with, and what it sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct SendQuery {
    #[serde(default, deserialize_with = "optional")]
    agent: Option<AgentId>,
    #[serde(default)]
    fingerprint: String,
    #[serde(flatten)]
    target: Target,
}

#[derive(Debug, Serialize)]
struct Send {
    title: String,
    button: String,
    from: Root,
    agents: Vec<Choice>,
    agent_name: String,
    free_bytes: Option<u64>,
    n: usize,
    size_bytes: u64,
    parts: Vec<PartRow>,
    first: Vec<String>,
    n_more: usize,
    notes: Vec<String>,
    reason: Option<String>,
    fields: Vec<Field>,
    address: String,
}

#[derive(Debug, Serialize)]
struct Choice {
    id: AgentId,
    name: String,
    online: bool,
    chosen: bool,
}

#[derive(Debug, Serialize)]
struct PartRow {
    label: &'static str,
    n: u64,
    size_bytes: u64,
    seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Field {
    name: &'static str,
    value: String,
}

/// Shows the dialog.
pub(super) async fn show_send(State(state): State<WebState>, Params(query): Params<SendQuery>) -> Answer<Response> {
    let found = find(&state, &query.target).await?;
    let agents = state.services.remote.list_agents().await?;
    let Some(agent) = choose(&agents, query.agent) else {
        return fragment("fragments/_remote_none.html", context! {});
    };
    let paths = paths(&found);
    let preview = state.services.remote.preview(agent.id, found.from, paths.clone()).await?;
    let n = found.files.len();
    let part =
        |label, share: Share, seconds| PartRow { label, n: share.n_files, size_bytes: share.size_bytes, seconds };
    let parts = [
        part("Already there", preview.there, None),
        part("From public addresses", preview.public, preview.public_seconds),
        part("Over your own line", preview.uplink, preview.uplink_seconds),
    ];
    let free_bytes = preview.free_bytes;
    let needed = preview.public.size_bytes + preview.uplink.size_bytes;
    let mut notes = Vec::new();
    if let Some(free) = free_bytes.filter(|free| *free < needed) {
        notes.push(format!(
            "There is not enough room: {} are needed and {} are free there. What does not fit waits for room.",
            format::bytes(needed),
            format::bytes(free)
        ));
    }
    if !agent.online {
        notes.push(format!("{} is offline: the jobs wait until it is back.", agent.name));
    }
    if preview.unhashed.n_files > 0 {
        notes.push(format!("Without a hash, and read first: {}.", format::n_files(preview.unhashed.n_files)));
    }
    if agent.online && !preview.inventory_known {
        notes
            .push("The machine did not tell in time what it has: what is there already is found out later.".to_owned());
    }
    let send = Send {
        title: format!("Send {} to {}?", format::n_files(n), agent.name),
        button: format!("Send {}", format::n_files(n)),
        from: found.from,
        agent_name: agent.name.clone(),
        free_bytes,
        n,
        size_bytes: found.size_bytes(),
        parts: parts.into_iter().filter(|part| part.n > 0).collect(),
        first: paths.iter().take(NAMED).map(RelPath::to_string).collect(),
        n_more: n.saturating_sub(NAMED),
        notes,
        reason: state.services.roots.live(found.from).err().map(|error| reason(&error)),
        fields: fields(&query.target, &found, agent.id),
        address: address(&query.target, found.from),
        agents: agents
            .iter()
            .map(|one| Choice { id: one.id, name: one.name.clone(), online: one.online, chosen: one.id == agent.id })
            .collect(),
    };
    fragment("fragments/_remote_send.html", context! { send => Serde(send) })
}

/// Queues what was confirmed.
pub(super) async fn send(State(state): State<WebState>, FormBody(query): FormBody<SendQuery>) -> Answer<Response> {
    let found = find(&state, &query.target).await?;
    if found.fingerprint() != query.fingerprint {
        return Err(Problem::impossible("The files have changed since the dialog was opened. Open it again."));
    }
    let agent = query.agent.ok_or_else(|| Problem::impossible("Choose a machine."))?;
    let receipt = state.services.remote.send_files(agent, found.from, paths(&found)).await?;
    let n = receipt.job_ids.len();
    let toast = match (n, receipt.skipped.first()) {
        (0, Some(skipped)) => Toast::warning(format!("Nothing is sent: {}: {}", skipped.path, skipped.why)),
        (_, Some(_)) => Toast::warning(format!("{} queued", format::n_files(n)))
            .more(format!("{} left out", format::n_files(receipt.skipped.len()))),
        _ => Toast::done(format!("{} queued", format::n_files(n))),
    };
    toast.link("/remote".to_owned(), "Show the jobs").answer()
}

/// The one asked for, else the first that is there, else the first.
fn choose(agents: &[AgentView], wanted: Option<AgentId>) -> Option<&AgentView> {
    let by_id = wanted.and_then(|id| agents.iter().find(|agent| agent.id == id));
    by_id.or_else(|| agents.iter().find(|agent| agent.online)).or_else(|| agents.first())
}

fn paths(found: &Targeted) -> Vec<RelPath> {
    found.files.iter().map(|file| file.path.clone()).collect()
}

/// The target as names and values.
fn named(target: &Target, from: Root) -> Vec<Field> {
    let text = |path: &Option<RelPath>| path.as_ref().map(RelPath::to_string);
    let all = [
        ("scope", Some(target.scope.clone())),
        ("root", Some(from.as_str().to_owned())),
        ("s", target.s.clone()),
        ("folder", text(&target.folder)),
        ("path", text(&target.path)),
        ("status", target.status.map(|status| status.as_str().to_owned())),
        ("q", target.q.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some(Field { name, value: value? })).collect()
}

fn address(target: &Target, from: Root) -> String {
    let query =
        named(target, from).into_iter().fold(QueryString::new(), |query, field| query.with(field.name, &field.value));
    query.into_text()
}

fn fields(target: &Target, found: &Targeted, agent: AgentId) -> Vec<Field> {
    let mut fields = named(target, found.from);
    fields.push(Field { name: "fingerprint", value: found.fingerprint() });
    fields.push(Field { name: "agent", value: agent.to_string() });
    fields
}
