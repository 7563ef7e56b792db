//! Files of the index.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::{ListView, PageQuery};
use crate::domain::described::{FolderText, SearchText};
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::views::files::{self, FileFilter, FileOrder, FileSort, FileView};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional, search};
use crate::web::spelled;

/// Which files, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    #[param(inline)]
    root: Root,
    /// In this folder and below it.
    #[serde(default)]
    #[param(value_type = Option<FolderText>, inline)]
    folder: Option<TypedFolder>,
    /// Words that the path has, in any case.
    #[serde(default, deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    #[param(inline)]
    kind: Option<FileKind>,
    #[serde(default, deserialize_with = "optional")]
    #[param(inline)]
    sort: Option<FileSort>,
    #[serde(default, deserialize_with = "optional")]
    #[param(inline)]
    order: Option<FileOrder>,
}

/// Lists files.
#[utoipa::path(
    get, path = "/api/files", tag = "library", params(FilesQuery, PageQuery),
    responses((status = 200, body = ListView<FileView>), (status = 422))
)]
pub(super) async fn list_files(
    State(state): State<WebState>,
    Params(query): Params<FilesQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<FileView>>> {
    let request = page.request()?;
    let folder = spelled::folder(&state, query.root, query.folder).await?.or_not_found(query.root.label())?;
    let filter = FileFilter { root: query.root, folder, search: query.q, kind: query.kind };
    let by = (query.sort.unwrap_or_default(), query.order.unwrap_or_default());
    let counts = state.counts.clone();
    let page =
        state.services.database.read(move |connection| files::list(connection, &filter, by, &request, &counts)).await?;
    Ok(Json(page))
}
