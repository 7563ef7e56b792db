//! The folders of a root, one level at a time.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::described::FolderText;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::views::folders::{self, FolderLevel, FolderView};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::Params;
use crate::web::spelled;

/// What one folder holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FolderLevelView {
    /// Its path, `""` for the root's own folder.
    pub path: String,
    /// The folders directly in it, by name.
    pub folders: Vec<FolderView>,
    /// Files in it and below it.
    pub n_files: u64,
    /// Bytes of these files.
    pub size_bytes: u64,
    /// Files directly in it.
    pub n_files_here: u64,
    /// Bytes of the files directly in it.
    pub size_bytes_here: u64,
}

impl From<FolderLevel> for FolderLevelView {
    fn from(level: FolderLevel) -> Self {
        Self {
            path: level.path.map(String::from).unwrap_or_default(),
            folders: level.folders,
            n_files: level.totals.n_files,
            size_bytes: level.totals.size_bytes,
            n_files_here: level.here.n_files,
            size_bytes_here: level.here.size_bytes,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FolderQuery {
    #[param(inline)]
    root: Root,
    /// Its path; none for the root's own folder.
    #[serde(default)]
    #[param(value_type = Option<FolderText>, inline)]
    path: Option<TypedFolder>,
}

/// Shows one level of folders.
#[utoipa::path(
    get, path = "/api/folders", tag = "library", params(FolderQuery),
    responses((status = 200, body = FolderLevelView), (status = 404), (status = 422))
)]
pub(super) async fn show_folder(
    State(state): State<WebState>,
    Params(query): Params<FolderQuery>,
) -> Answer<Json<FolderLevelView>> {
    let FolderQuery { root, path } = query;
    let path = spelled::folder(&state, root, path).await?.or_not_found(root.label())?;
    let found = state.services.database.read(move |connection| folders::level(connection, root, path.as_ref())).await?;
    let level = found.ok_or_else(|| Problem::not_found(format!("{} has no such folder.", root.label())))?;
    Ok(Json(level.into()))
}
