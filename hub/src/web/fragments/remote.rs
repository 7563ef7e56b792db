//! The buttons and dialogs of the remote pages.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::{AgentId, JobId};

use super::toast::Toast;
use crate::domain::typed_path::TypedFolder;
use crate::services::remote::jobs::CloneRequest;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, Params, optional};
use crate::web::pages::frame::fragment;
use crate::web::pages::remote::jobs::JobsQuery;
use crate::web::pages::remote::{inventory, job, jobs, machines, session};
use crate::web::spelled;
use crate::web::state::WebState;
use crate::web::templates::format;

/// What Enable sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct EnableForm {
    #[serde(deserialize_with = "optional")]
    ttl_minutes: Option<String>,
}

/// Begins a session, tries the public address, and shows the lines to paste.
pub(super) async fn enable(State(state): State<WebState>, FormBody(form): FormBody<EnableForm>) -> Answer<Response> {
    let remote = &state.services.remote;
    let minutes = form.ttl_minutes.map(|text| text.parse()).transpose();
    let minutes = minutes.map_err(|_| Problem::malformed("ttl_minutes: expected a number"))?;
    let started = remote.sessions.create(minutes).await?;
    let test = remote.self_test().await?;
    fragment("fragments/_remote_command.html", session::command(&started, &test))
}

/// Tries the public address.
pub(super) async fn self_test(State(state): State<WebState>) -> Answer<Response> {
    let test = state.services.remote.self_test().await?;
    fragment("fragments/_remote_test.html", context! { test => Serde(test) })
}

/// Gives the session as much time more as it is usually given.
pub(super) async fn extend(State(state): State<WebState>) -> Answer<Response> {
    let view = state.services.remote.sessions.extend(None).await?;
    let until = view.expires_at.map(format::absolute).unwrap_or_default();
    Toast::done(format!("Remote access goes on until {until}")).answer()
}

/// Ends the session; the lines to paste go with it.
pub(super) async fn revoke(State(state): State<WebState>) -> Answer<Response> {
    state.services.remote.sessions.revoke().await?;
    Ok(super::toast::respond(Toast::done("Remote access has ended").piece()?))
}

/// The list of jobs.
pub(super) async fn show_jobs(State(state): State<WebState>, Params(query): Params<JobsQuery>) -> Answer<Response> {
    fragment("fragments/_remote_list.html", jobs::content(&state, &query).await?)
}

/// One job.
pub(super) async fn show_job(State(state): State<WebState>, InPath(id): InPath<JobId>) -> Answer<Response> {
    fragment("fragments/_remote_job.html", context! { page => job::content(&state, id).await? })
}

/// Drops a job.
pub(super) async fn cancel_job(State(state): State<WebState>, InPath(id): InPath<JobId>) -> Answer<Response> {
    state.services.remote.cancel_job(id).await?;
    Toast::done("The job is cancelled").answer()
}

/// Tries a job again.
pub(super) async fn retry_job(State(state): State<WebState>, InPath(id): InPath<JobId>) -> Answer<Response> {
    state.services.remote.retry_job(id).await?;
    Toast::done("The job is tried again").answer()
}

/// Asks a machine what is there.
pub(super) async fn ask_inventory(State(state): State<WebState>, InPath(id): InPath<AgentId>) -> Answer<Response> {
    let found = state.services.remote.inventory(id).await?;
    fragment("fragments/_remote_inventory.html", context! { inventory => inventory::compare(&state, found).await? })
}

/// The dialog before a machine is forgotten.
pub(super) async fn confirm_remove(State(state): State<WebState>, InPath(id): InPath<AgentId>) -> Answer<Response> {
    let machine = machines::Machine::from(state.services.remote.show_agent(id).await?);
    fragment("fragments/_remote_remove.html", context! { agent => Serde(machine) })
}

/// Forgets a machine.
pub(super) async fn remove(State(state): State<WebState>, InPath(id): InPath<AgentId>) -> Answer<Response> {
    let name = state.services.remote.show_agent(id).await?.name;
    state.services.remote.remove_agent(id).await?;
    Toast::done(format!("{name} is removed")).answer()
}

#[derive(Debug, Serialize)]
struct Comfy {
    agent_id: AgentId,
    title: String,
    text: &'static str,
    url: String,
    button: &'static str,
}

/// The dialog before `ComfyUI` is cloned or updated.
pub(super) async fn confirm_comfy(State(state): State<WebState>, InPath(id): InPath<AgentId>) -> Answer<Response> {
    let agent = state.services.remote.show_agent(id).await?;
    let is_there = agent.facts.comfyui.as_ref().is_some_and(|comfy| comfy.found);
    let (title, text, button) = if is_there {
        (
            format!("Update ComfyUI on {}?", agent.name),
            "The clone there is brought to the newest state. Files that were changed there are never overwritten.",
            "Update",
        )
    } else {
        (
            format!("Clone ComfyUI to {}?", agent.name),
            "Models that are there already stay where they are. Python and its packages are not installed.",
            "Clone",
        )
    };
    let url = state.services.settings.current().remote.comfy_repo_url.clone();
    let comfy = Comfy { agent_id: id, title, text, url, button };
    fragment("fragments/_remote_comfy.html", context! { comfy => Serde(comfy) })
}

/// What the dialog sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct ComfyForm {
    #[serde(deserialize_with = "optional")]
    url: Option<String>,
    #[serde(rename = "ref", deserialize_with = "optional")]
    reference: Option<String>,
    dir: Option<TypedFolder>,
    #[serde(deserialize_with = "optional")]
    shallow: Option<String>,
}

/// Queues the clone.
pub(super) async fn clone_comfy(
    State(state): State<WebState>,
    InPath(id): InPath<AgentId>,
    FormBody(form): FormBody<ComfyForm>,
) -> Answer<Response> {
    let dir = spelled::on_machine(form.dir)?;
    let request = CloneRequest { url: form.url, reference: form.reference, dir, depth: form.shallow.map(|_| 1) };
    let made = state.services.remote.send_clone(id, request).await?;
    match (made.job_ids.first(), made.skipped.first()) {
        (Some(job), _) => {
            Toast::done("ComfyUI is on its way").link(format!("/remote/jobs/{job}"), "Show the job").answer()
        }
        (None, Some(skipped)) => Err(Problem::impossible(skipped.why.clone())),
        (None, None) => Err(Problem::impossible("Nothing was queued.")),
    }
}
