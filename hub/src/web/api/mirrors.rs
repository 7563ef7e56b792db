//! Plans to make one root, or a folder of it, like the other: previewed first, then carried out as
//! they were shown or not at all.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{RelPathText, TypedPathText};
use crate::domain::ids::{BatchId, PlanId};
use crate::domain::mirror::totals::Count;
use crate::domain::mirror::{Compare, PlanAction, Rules};
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::domain::typed_path::TypedPath;
use crate::services::mirror::{MirrorRequest, PlanConfirmation, PlanState, PlanStatus};
use crate::storage::skipped::Cover;
use crate::storage::timestamp;
use crate::storage::views::plan_items::{self, MirrorItemView};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath, Params, optional};
use crate::web::spelled;

/// Which plan to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorBody {
    /// The root that is the model.
    from: Root,
    /// The root that becomes like it.
    to: Root,
    /// Only this folder of both; everything if it is missing.
    #[serde(default)]
    #[schema(value_type = Option<TypedPathText>)]
    folder: Option<TypedPath>,
    /// When two files of one name are the same.
    #[serde(default)]
    compare: Compare,
    /// Whether files go that the source does not have; renames count among that.
    #[serde(default)]
    delete: bool,
    /// Whether files that differ are replaced; `true` if it is missing.
    #[serde(default = "yes")]
    overwrite: bool,
    /// Whether a damaged file, whose size is not what its header says, may replace another one.
    #[serde(default)]
    include_damaged: bool,
}

const fn yes() -> bool {
    true
}

/// A plan as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own that the API tells")]
pub struct MirrorView {
    id: PlanId,
    /// Whether it can be carried out.
    state: PlanState,
    /// The root that is the model.
    from: Root,
    /// The root that becomes like it.
    to: Root,
    /// Only this folder of both.
    #[schema(value_type = Option<RelPathText>)]
    folder: Option<RelPath>,
    /// When two files of one name are the same.
    compare: Compare,
    /// Whether files go that the source does not have.
    delete: bool,
    /// Whether files that differ are replaced.
    overwrite: bool,
    /// Whether a damaged file may replace another one.
    include_damaged: bool,
    /// Copies to free names.
    copies: Count,
    /// Copies in place of other files.
    overwrites: Count,
    deletes: Count,
    /// Renames on the destination, each in place of a copy and a delete.
    moves: Count,
    /// Deletes of content of which no other copy is known, on neither root.
    last_copies: Count,
    /// Pairs of equal size that only hashes could tell apart: left as they are.
    unverified: Count,
    /// Files left as they are for another reason, which their rows tell.
    left_out: Count,
    /// Names in each other's way: left as they are.
    conflicts: u64,
    /// The destination's free bytes afterwards, with all that is queued; what lies in the trash is
    /// not free. `null` while the destination is away.
    free_bytes_after: Option<i64>,
    /// How long it will take by the copies of late; `null` if there were none.
    eta_seconds: Option<u64>,
    /// The part of the destination that is deleted, of its files or of its bytes, whichever is more.
    delete_share: f64,
    /// It deletes over a fifth: applying it needs `confirm`.
    needs_confirmation: bool,
    /// Why it can't be carried out as the configuration is now.
    blocked: Option<String>,
    /// Places that one side was not seen at, now: nothing at or below them is touched. At most the first 50.
    unknown: Vec<UnknownPlaceView>,
    /// The batch that carries it out.
    batch_id: Option<BatchId>,
    created_at: Timestamp,
}

/// A place that one side was not seen at.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownPlaceView {
    root: Root,
    /// Its path there.
    path: String,
    /// The reason by its name, as in `/api/roots/{root}/skipped`.
    reason: SkipReason,
    /// The reason for people.
    why: String,
}

impl From<Cover> for UnknownPlaceView {
    fn from(cover: Cover) -> Self {
        let why = cover.reason.why(cover.detail.as_deref());
        Self { root: cover.root, path: cover.path, reason: cover.reason, why }
    }
}

impl From<PlanStatus> for MirrorView {
    fn from(status: PlanStatus) -> Self {
        let PlanStatus { plan, state, free_bytes_after, seconds, blocked, unknown } = status;
        let totals = plan.totals;
        Self {
            id: plan.id,
            state,
            from: plan.asked.from.0,
            to: plan.asked.to.0,
            folder: plan.asked.folder,
            compare: plan.asked.rules.compare,
            delete: plan.asked.rules.deletes,
            overwrite: plan.asked.rules.overwrites,
            include_damaged: plan.asked.rules.damaged,
            copies: totals.copies,
            overwrites: totals.overwrites,
            deletes: totals.deletes,
            moves: totals.moves,
            last_copies: totals.last_copies,
            unverified: totals.unverified,
            left_out: totals.left_out,
            conflicts: totals.conflicts.n,
            free_bytes_after,
            eta_seconds: seconds,
            delete_share: totals.delete_share(),
            needs_confirmation: totals.needs_confirmation(),
            blocked,
            unknown: unknown.into_iter().map(UnknownPlaceView::from).collect(),
            batch_id: plan.batch,
            created_at: timestamp(plan.created_at),
        }
    }
}

/// Makes a plan. Nothing but the plan itself changes.
#[utoipa::path(
    post, path = "/api/mirrors", tag = "mirrors", request_body = MirrorBody,
    responses((status = 201, body = MirrorView), (status = 409), (status = 422))
)]
pub(super) async fn create_mirror(
    State(state): State<WebState>,
    Body(body): Body<MirrorBody>,
) -> Answer<(StatusCode, Json<MirrorView>)> {
    let rules = Rules {
        compare: body.compare,
        deletes: body.delete,
        overwrites: body.overwrite,
        damaged: body.include_damaged,
    };
    let folder = spelled::folder_of_both(&state, body.from, body.folder.map(Into::into)).await?.any();
    let request = MirrorRequest { from: body.from, to: body.to, folder, rules };
    Ok((StatusCode::CREATED, Json(state.services.mirror.plan(request).await?.into())))
}

/// Lists plans, the newest first.
#[utoipa::path(
    get, path = "/api/mirrors", tag = "mirrors", params(PageQuery),
    responses((status = 200, body = ListView<MirrorView>))
)]
pub(super) async fn list_mirrors(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<MirrorView>>> {
    Ok(Json(state.services.mirror.list(page.request()?).await?.map(MirrorView::from)))
}

/// Shows one plan.
#[utoipa::path(
    get, path = "/api/mirrors/{id}", tag = "mirrors", params(("id" = i64, Path, description = "The plan")),
    responses((status = 200, body = MirrorView))
)]
pub(super) async fn show_mirror(State(state): State<WebState>, InPath(id): InPath<PlanId>) -> Answer<Json<MirrorView>> {
    Ok(Json(state.services.mirror.show(id).await?.into()))
}

/// Which rows of a plan.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MirrorItemsQuery {
    /// Only what does this.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    action: Option<PlanAction>,
}

/// Lists what a plan does with which file: renames, copies, overwrites, deletes, then what is left
/// as it is.
#[utoipa::path(
    get, path = "/api/mirrors/{id}/items", tag = "mirrors",
    params(("id" = i64, Path, description = "The plan"), MirrorItemsQuery, PageQuery),
    responses((status = 200, body = ListView<MirrorItemView>))
)]
pub(super) async fn list_mirror_items(
    State(state): State<WebState>,
    InPath(id): InPath<PlanId>,
    Params(query): Params<MirrorItemsQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<MirrorItemView>>> {
    let request = page.request()?;
    let totals = state.services.mirror.show(id).await?.plan.totals;
    let read = move |connection: &_| plan_items::list(connection, id, &totals, query.action, &request);
    Ok(Json(state.services.database.read(read).await?))
}

/// What a plan that takes much away needs to hear.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApplyBody {
    /// How many files are deleted, in digits.
    confirm: Option<String>,
    /// That contents go of which no other copy is known.
    confirm_last_copies: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AppliedView {
    /// The batch that was made.
    batch_id: BatchId,
    /// Transfers queued.
    n_transfers: u64,
    /// Bytes that have to be copied.
    size_bytes: u64,
}

/// Carries a plan out, as one batch: renames, copies, then deletes if all of these succeeded.
#[utoipa::path(
    post, path = "/api/mirrors/{id}/apply", tag = "mirrors", params(("id" = i64, Path, description = "The plan")),
    request_body = Option<ApplyBody>, responses((status = 202, body = AppliedView), (status = 409), (status = 422))
)]
pub(super) async fn apply_mirror(
    State(state): State<WebState>,
    InPath(id): InPath<PlanId>,
    body: Option<Body<ApplyBody>>,
) -> Answer<(StatusCode, Json<AppliedView>)> {
    let body = body.map(|Body(body)| body).unwrap_or_default();
    let said = PlanConfirmation { deletes: body.confirm, last_copies: body.confirm_last_copies };
    let receipt = state.services.mirror.apply(id, said).await?;
    let view =
        AppliedView { batch_id: receipt.batch, n_transfers: receipt.n_transfers, size_bytes: receipt.size_bytes };
    Ok((StatusCode::ACCEPTED, Json(view)))
}
