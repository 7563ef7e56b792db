//! Another name for a model: for all its copies, with what belongs to them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;
use utoipa::ToSchema;

use crate::domain::described::RelPathText;
use crate::domain::ids::{BatchId, ModelId};
use crate::domain::root::Root;
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath};

/// The new name of a model.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRenameBody {
    /// The name without folder. Without the ending of the file it is added.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
}

/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 1..=255;

/// A copy that keeps its name.
#[derive(Debug, Serialize, ToSchema)]
pub struct CopyLeftView {
    pub root: Root,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    pub why: String,
}

/// Copies that get another name.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelRenamedView {
    /// The batch of the first copy.
    pub batch_id: BatchId,
    /// The batches of all copies: one for each.
    pub batch_ids: Vec<BatchId>,
    /// Copies that keep their names.
    pub left: Vec<CopyLeftView>,
}

/// Gives all copies of a model another name, each in its folder, with the files that belong to it. Nothing is
/// overwritten, and undoing a batch takes the names back.
#[utoipa::path(
    post, path = "/api/models/{id}/rename", tag = "models", request_body = ModelRenameBody,
    params(("id" = i64, Path, description = "The model")),
    responses((status = 202, body = ModelRenamedView), (status = 409), (status = 422))
)]
pub(in crate::web::api) async fn rename_model(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
    Body(ModelRenameBody { name }): Body<ModelRenameBody>,
) -> Answer<(StatusCode, Json<ModelRenamedView>)> {
    Ok((StatusCode::ACCEPTED, Json(rename(&state, id, &name).await?)))
}

/// Gives all copies of a model another name.
pub(in crate::web) async fn rename(state: &WebState, id: ModelId, name: &str) -> Answer<ModelRenamedView> {
    let name = name.trim();
    if !NAME.contains(&name.chars().count()) || name.starts_with('.') && name.matches('.').count() == 1 {
        let detail = "A name has 1 to 255 characters, and some before its ending.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let found = state.services.models.show(id).await?.model;
    let (mut batch_ids, mut left, mut refused) = (Vec::new(), Vec::new(), None);
    for copy in found.copies {
        let wanted = with_ending(name, copy.path.name());
        let to = RelPath::in_folder(copy.path.parent().as_ref(), &wanted).map_err(|error| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("No file can have this name: {error}."))
        })?;
        if to == copy.path {
            continue;
        }
        match state.services.queue.rename(copy.root, copy.path.clone(), Some(to)).await {
            Ok(receipt) => batch_ids.push(receipt.batch_id),
            Err(error) => {
                left.push(CopyLeftView { root: copy.root, path: copy.path, why: error.to_string() });
                refused.get_or_insert(error);
            }
        }
    }
    match (batch_ids.first(), refused) {
        (Some(batch_id), _) => Ok(ModelRenamedView { batch_id: *batch_id, batch_ids, left }),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Err(Problem::new(StatusCode::CONFLICT, "All its copies have this name already.")),
    }
}

/// A name with the ending that a file has: without it the file would be no model any more.
fn with_ending(name: &str, of: &str) -> String {
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    match (ending(name), of.rsplit_once('.')) {
        (is, Some((_, wanted))) if is.as_deref() != Some(&wanted.to_lowercase()) => format!("{name}.{wanted}"),
        _ => name.to_owned(),
    }
}
