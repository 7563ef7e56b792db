//! Files of the index.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{Blake3Text, FolderText, RelPathText, SearchText};
use crate::domain::ids::FileId;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::views::files::{self, FileEntry, FileFilter, FileSort, Order};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional, search};
use crate::web::spelled;

/// A file of the index.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileView {
    /// Its number in this index.
    pub id: FileId,
    /// Where it lies.
    pub root: Root,
    /// Its path below the root, as it is spelled on the disk.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified_at: Timestamp,
    /// Its hash, if it is known: `blake3:` and 64 digits.
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    /// The hash that it should have: its bytes changed though nothing wrote to it. It is used as no source until it is
    /// healed.
    #[schema(value_type = Option<String>)]
    pub rotted: Option<Blake3>,
    /// What it is.
    pub kind: FileKind,
    /// Another name of the same root differs from this one in case only: left out of copies and deletes.
    pub conflict: bool,
    /// Its content is not on this disk but in a cloud.
    pub placeholder: bool,
}

impl From<FileEntry> for FileView {
    fn from(file: FileEntry) -> Self {
        Self {
            id: file.id,
            root: file.root,
            path: file.path,
            size_bytes: file.size_bytes,
            modified_at: file.modified.to_timestamp(),
            hash: file.hash,
            rotted: file.rotted,
            kind: file.kind,
            conflict: file.conflict,
            placeholder: file.placeholder,
        }
    }
}

/// Which files, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    /// Of which root.
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
    /// Of this kind.
    #[serde(default, deserialize_with = "optional")]
    #[param(inline)]
    kind: Option<FileKind>,
    /// Sorted by what.
    #[serde(default, deserialize_with = "optional")]
    #[param(inline)]
    sort: Option<FileSort>,
    /// In which direction.
    #[serde(default, deserialize_with = "optional")]
    #[param(inline)]
    order: Option<Order>,
}

/// Lists files.
#[utoipa::path(
    get, path = "/api/files", tag = "library", params(FilesQuery, PageQuery),
    responses(
        (status = 200, body = ListView<FileView>), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)
    )
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
    Ok(Json(ListView::of(page)))
}
