//! The dialog before models are sent to a machine: how much is there already, how much comes from
//! public addresses, how much goes over the line of this house, and how long each takes.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::{AgentId, RelPath};

use super::confirm::{ConfirmTarget, Targeted, find};
use super::confirmation::{Confirmation, check_shown, in_dialog, named};
use super::toast::Toast;
use crate::services::remote::agents::AgentView;
use crate::services::remote::preview::Share;
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, Params, optional};
use crate::web::pages::frame::fragment;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;
use crate::web::templates::format;

/// What the dialog is opened with, and what it sends.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web) struct SendQuery {
    #[serde(default, deserialize_with = "optional")]
    agent: Option<AgentId>,
    #[serde(default)]
    fingerprint: String,
    #[serde(flatten)]
    target: ConfirmTarget,
}

#[derive(Debug, Serialize)]
struct PartRow {
    label: &'static str,
    n: u64,
    size_bytes: u64,
    seconds: Option<u64>,
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
    // Another machine is asked about with the same target.
    let again = named(&query.target).into_iter();
    let address = again.fold(QueryString::new(), |text, (name, value)| text.with(&name, &value)).into_text();
    let own = context! {
        from => Serde(found.from),
        agent => Serde(agent),
        agents => Serde(&agents),
        free_bytes,
        parts => Serde(parts.into_iter().filter(|part| part.n > 0).collect::<Vec<_>>()),
        notes,
        address,
    };
    // Where there are several machines, the one is chosen in the dialog.
    let only = (agents.len() == 1).then_some(agent.id);
    let again = SendQuery { agent: only, fingerprint: found.fingerprint(), target: query.target };
    let button = format!("Send {}", format::n_files(n));
    let confirm = Confirmation {
        title: format!("{button} to {}?", agent.name),
        n: n as u64,
        size_bytes: found.size_bytes(),
        reason: state.services.roots.live(found.from).err().map(|error| reason(&error)),
        ..Confirmation::new("/ui/remote/send", button, &again)
    };
    confirm.naming(&paths).show("fragments/_remote_send.html", own)
}

/// Queues what was confirmed.
pub(super) async fn send(State(state): State<WebState>, FormBody(query): FormBody<SendQuery>) -> Answer<Response> {
    in_dialog(send_confirmed(&state, query).await)
}

async fn send_confirmed(state: &WebState, query: SendQuery) -> Answer<Response> {
    let found = find(state, &query.target).await?;
    check_shown("The library has", found.fingerprint() == query.fingerprint)?;
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
