//! Downloads by the hub itself: from public addresses straight to a root.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared_protocol::{Blake3, Sha256};
use utoipa::ToSchema;

use crate::domain::described::{ContentText, TypedPathText};
use crate::domain::operation::OnConflict;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedPath;
use crate::services::queue::{DownloadItem, DownloadReceipt, DownloadRequest, WantedContent};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Body;
use crate::web::spelled;

/// What is to be downloaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDownloadsRequest {
    /// Where it goes.
    to: Root,
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<DownloadItemRequest>,
    /// What to do where a path is taken.
    #[serde(default)]
    #[schema(default = "skip")]
    on_conflict: OnConflict,
}

/// One file. It needs an address or a hash; with both, what comes from the address has to be that content.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadItemRequest {
    /// Where it can be had. Without it the addresses are those that are kept for the content.
    #[schema(max_length = 4096)]
    url: Option<String>,
    /// What it is. Without it, it is checked against what its site declares, and without that against nothing.
    #[schema(value_type = Option<ContentText>)]
    hash: Option<NamedContent>,
    /// Where it goes below the root.
    #[schema(value_type = TypedPathText)]
    path: TypedPath,
}

/// Most files of one request.
const MOST: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct NamedContent(WantedContent);

impl TryFrom<String> for NamedContent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let content = text.parse::<Blake3>().map(WantedContent::Blake3);
        let content = content.or_else(|_| text.parse::<Sha256>().map(WantedContent::Sha256));
        content.map(Self).map_err(|_| "expected \"blake3:\" or \"sha256:\" and 64 lower-case hexadecimal digits")
    }
}

/// Puts downloads into the queue. What can't be done is told in `refused`. Each file gets its name only when all of it
/// is there and verified, as far as its content is known.
#[utoipa::path(
    post, path = "/api/downloads", tag = "queue", request_body = CreateDownloadsRequest,
    responses((status = 202, body = DownloadReceipt), (status = 422))
)]
pub(super) async fn create_downloads(
    State(state): State<WebState>,
    Body(request): Body<CreateDownloadsRequest>,
) -> Answer<(StatusCode, Json<DownloadReceipt>)> {
    let CreateDownloadsRequest { to, items, on_conflict } = request;
    if items.len() > MOST {
        return Err(crate::web::error::Problem::malformed(format!("\"items\" has {MOST} files at most.")));
    }
    let item = |item: DownloadItemRequest| {
        let path = spelled::new_path(&state, to, &item.path)?;
        Ok(DownloadItem { url: item.url, content: item.hash.map(|content| content.0), path })
    };
    let items = items.into_iter().map(item).collect::<Answer<Vec<_>>>()?;
    let request = DownloadRequest { to, items, on_conflict };
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.download(request).await?)))
}
