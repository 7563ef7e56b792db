//! Making a plan, looking at it again, and carrying it out.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use serde::Deserialize;

use super::confirmation::{check_typed, in_dialog};
use super::settings::REDIRECT;
use super::toast::Toast;
use crate::domain::ids::PlanId;
use crate::domain::mirror::{Compare, Rules};
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::services::hasher::{HashKind, HashScope};
use crate::services::mirror::{MirrorRequest, PlanConfirmation};
use crate::web::error::Answer;
use crate::web::extract::{FormBody, InPath, Params};
use crate::web::pages::frame::fragment;
use crate::web::pages::plan::{self, PlanQuery};
use crate::web::spelled;
use crate::web::state::WebState;

/// The folder that a plan may be limited to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct NewPlanQuery {
    folder: Option<TypedFolder>,
}

/// The form for a new plan.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct NewPlanForm {
    from: Root,
    #[serde(default)]
    folder: Option<TypedFolder>,
    #[serde(default)]
    compare: Compare,
    /// A box that is not ticked is not sent at all.
    #[serde(default)]
    delete: Option<String>,
    #[serde(default)]
    overwrite: Option<String>,
    #[serde(default)]
    include_damaged: Option<String>,
}

/// What is said when a plan is carried out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct ApplyForm {
    typed: String,
    last_copies: Option<String>,
}

/// Shows the form for a new plan.
pub(super) async fn show_form(State(state): State<WebState>, Params(query): Params<NewPlanQuery>) -> Answer<Response> {
    let roots = &state.services.roots;
    let [local, lake] = Root::ALL.map(|root| roots.allow_delete(root));
    let folder = query.folder.and_then(|folder| folder.plain()).map(String::from);
    let form = context! { folder, may_delete_local => local, may_delete_lake => lake };
    fragment("fragments/_new_plan.html", context! { form })
}

/// Makes a plan and leads to its page.
pub(super) async fn create_plan(
    State(state): State<WebState>,
    FormBody(form): FormBody<NewPlanForm>,
) -> Answer<Response> {
    in_dialog(make(&state, form).await)
}

async fn make(state: &WebState, form: NewPlanForm) -> Answer<Response> {
    let to = form.from.other();
    // Where nothing may be taken away, a plan leaves what differs as it is, and says so row by row.
    let overwrites = form.overwrite.is_some() && state.services.roots.allow_delete(to);
    let damaged = form.include_damaged.is_some();
    let rules = Rules { compare: form.compare, deletes: form.delete.is_some(), overwrites, damaged };
    let folder = spelled::folder_of_both(state, form.from, form.folder).await?.any();
    let made = state.services.mirror.plan(MirrorRequest { from: form.from, to, folder, rules }).await?;
    Ok(lead_to(&format!("/plans/{}", made.plan.id)))
}

/// The plan as it is now.
pub(super) async fn show_plan(
    State(state): State<WebState>,
    InPath(id): InPath<PlanId>,
    Params(query): Params<PlanQuery>,
) -> Answer<Response> {
    fragment("fragments/_plan.html", context! { page => plan::content(&state, id, &query).await? })
}

/// Carries a plan out and leads to its batch.
pub(super) async fn apply_plan(
    State(state): State<WebState>,
    InPath(id): InPath<PlanId>,
    FormBody(form): FormBody<ApplyForm>,
) -> Answer<Response> {
    in_dialog(apply(&state, id, form).await)
}

async fn apply(state: &WebState, id: PlanId, form: ApplyForm) -> Answer<Response> {
    let status = state.services.mirror.show(id).await?;
    let typed = plan::typed(&status);
    check_typed(typed.as_deref(), &form.typed)?;
    let deletes = typed.map(|_| status.plan.totals.deletes.n.to_string());
    let said = PlanConfirmation { deletes, last_copies: form.last_copies.is_some() };
    let receipt = state.services.mirror.apply(id, said).await?;
    Ok(lead_to(&format!("/batches/{}", receipt.batch)))
}

/// Hashes what has no hash yet on both sides of a plan.
pub(super) async fn hash_plan(State(state): State<WebState>, InPath(id): InPath<PlanId>) -> Answer<Response> {
    let folder = state.services.mirror.show(id).await?.plan.asked.folder;
    let scope = HashScope::Folder(folder);
    for root in Root::ALL {
        state.services.hasher.start(root, scope.clone(), HashKind::Missing).await?;
    }
    Toast::done("Hashing both sides. Make the plan again when that is done").link("/hashes".to_owned(), "Show").answer()
}

fn lead_to(address: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(REDIRECT, address);
    }
    response
}
