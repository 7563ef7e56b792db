//! What is verified in idle hours, and what changed on disk without being written.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Zoned;
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};
use utoipa::ToSchema;

use crate::domain::described::TypedPathText;
use crate::domain::root::{PerRoot, Root};
use crate::domain::typed_path::TypedPath;
use crate::services::queue::BatchReceipt;
use crate::storage::rot::{self, Rotted};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::Body;
use crate::web::spelled;

/// Rotted files that are listed.
const LISTED: u32 = 200;

/// How the verification in idle hours stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScrubView {
    /// Whether anything is verified by itself: `SCRUB_GB_PER_DAY` is more than 0.
    pub enabled: bool,
    /// Bytes that are read per day at most.
    pub bytes_per_day: u64,
    /// The hours, local time, such as `01:00-06:00`; none for the whole day.
    pub hours: Option<String>,
    /// Whether this is one of them.
    pub is_time: bool,
    /// Bytes read today.
    pub bytes_today: u64,
    /// How many files of each root changed on disk without being written.
    pub n_rotted: PerRoot<u64>,
    /// These files; at most the first two hundred.
    pub rotted: Vec<RottedView>,
}

/// A file whose bytes changed though nothing wrote to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RottedView {
    pub root: Root,
    #[schema(value_type = String)]
    pub path: RelPath,
    pub size_bytes: u64,
    /// What it should hold.
    #[schema(value_type = String)]
    pub expected: Blake3,
    #[schema(value_type = Option<String>)]
    pub found: Option<Blake3>,
    /// A file that holds what it should: it can be healed.
    pub good: Option<GoodView>,
}

/// Where the right content lies.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoodView {
    pub root: Root,
    #[schema(value_type = String)]
    pub path: RelPath,
}

impl From<Rotted> for RottedView {
    fn from(rotted: Rotted) -> Self {
        Self {
            root: rotted.root,
            size_bytes: rotted.file.size_bytes,
            expected: rotted.expected,
            found: rotted.file.hash,
            good: rotted.good.map(|(root, file)| GoodView { root, path: file.path }),
            path: rotted.file.path,
        }
    }
}

/// Shows how the verification in idle hours stands, and what it found.
#[utoipa::path(get, path = "/api/scrub", tag = "hashes", responses((status = 200, body = ScrubView)))]
pub(super) async fn show_scrub(State(state): State<WebState>) -> Answer<Json<ScrubView>> {
    view(&state).await.map(Json)
}

/// The same for the page.
pub(in crate::web) async fn view(state: &WebState) -> Answer<ScrubView> {
    let services = &state.services;
    let status = services.scrub.status(&Zoned::now()).await?;
    let found = services.database.read(|connection| Ok((rot::count(connection)?, rot::list(connection, LISTED)?)));
    let (n_rotted, rotted) = found.await?;
    Ok(ScrubView {
        enabled: status.config.bytes_per_day > 0,
        bytes_per_day: status.config.bytes_per_day,
        hours: status.config.hours.map(|hours| hours.to_string()),
        is_time: status.is_time,
        bytes_today: status.bytes_today,
        n_rotted,
        rotted: rotted.into_iter().map(RottedView::from).collect(),
    })
}

/// A file of a root.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RottedName {
    root: Root,
    #[schema(value_type = TypedPathText)]
    path: TypedPath,
}

/// Which files are to be healed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealRequest {
    /// These; all that can be healed if there is no list.
    #[schema(min_items = 1)]
    files: Option<Vec<RottedName>>,
}

/// Which files are right as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// These.
    #[schema(min_items = 1)]
    files: Vec<RottedName>,
}

/// How many files were accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedView {
    /// Files that are no longer marked.
    pub n: u64,
}

async fn names(state: &WebState, files: Vec<RottedName>) -> Answer<Vec<(Root, RelPath)>> {
    if files.is_empty() {
        return Err(Problem::malformed("Name at least one file in \"files\"."));
    }
    let mut named = Vec::with_capacity(files.len());
    for RottedName { root, path } in files {
        named.push((root, spelled::path(state, root, path).await?));
    }
    Ok(named)
}

/// Replaces files that changed on disk by copies of what they should hold. Each copy is read whole and has to hold
/// exactly that before the old file makes way, to the trash.
#[utoipa::path(
    post, path = "/api/scrub/heal", tag = "hashes", request_body = HealRequest,
    responses((status = 202, body = BatchReceipt), (status = 422))
)]
pub(super) async fn heal(
    State(state): State<WebState>,
    Body(HealRequest { files }): Body<HealRequest>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    let files = match files {
        Some(files) => Some(names(&state, files).await?),
        None => None,
    };
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.heal(files).await?)))
}

/// Takes files as they are: what they hold now is right.
#[utoipa::path(
    post, path = "/api/scrub/accept", tag = "hashes", request_body = AcceptRequest,
    responses((status = 200, body = AcceptedView), (status = 422))
)]
pub(super) async fn accept(
    State(state): State<WebState>,
    Body(AcceptRequest { files }): Body<AcceptRequest>,
) -> Answer<Json<AcceptedView>> {
    let n = state.services.queue.accept_rotted(names(&state, files).await?).await?;
    Ok(Json(AcceptedView { n }))
}
