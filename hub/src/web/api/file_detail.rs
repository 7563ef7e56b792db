//! Everything known of one file.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared_protocol::{RelPath, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::files::FileView;
use crate::domain::diff::DiffStatus;
use crate::domain::ids::TransferId;
use crate::domain::kind::WeightFormat;
use crate::domain::root::Root;
use crate::domain::safetensors::SafetensorsSummary;
use crate::fs::FileStamp;
use crate::services::model_header::{self, ModelHeaderError};
use crate::storage::views::detail::{self, FileDetail};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::Params;

/// A file with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileDetailView {
    /// What the list shows.
    #[serde(flatten)]
    pub file: FileView,
    /// Its SHA-256, if it was taken: `sha256:` and 64 digits.
    #[schema(value_type = Option<String>)]
    pub sha256: Option<Sha256>,
    /// When its hash was taken.
    pub hashed_at: Option<Timestamp>,
    /// How its weights are stored; `pickle` files can run programs when they are loaded.
    pub format: Option<WeightFormat>,
    /// What its header tells.
    pub safetensors: Option<SafetensorsSummary>,
    /// Why the header of a safetensors file was not read.
    pub safetensors_error: Option<String>,
    /// Files beside it that belong to it and travel with it.
    pub sidecars: Vec<FileView>,
    /// Addresses that the file itself names as its origin.
    pub sources: Vec<SourceView>,
    /// How it stands to the other root.
    pub status: Option<DiffStatus>,
    /// The file on the other root that it is compared with.
    pub twin: Option<FileView>,
    /// Who uses it.
    pub usage: UsageView,
}

/// An address of a content.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceView {
    /// Where it can be had.
    pub url: String,
    /// Who says so: `header` for the file's own header.
    pub origin: &'static str,
}

/// Who uses a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// Other files of the same content, on both roots; at most the first fifty.
    pub copies: Vec<FileView>,
    /// How many these are in truth.
    pub n_copies: u64,
    /// Transfers of it that have not ended.
    pub transfers: Vec<TransferId>,
}

impl FileDetailView {
    /// Puts together what the index and the file's header tell.
    pub fn new(detail: FileDetail, header: Result<SafetensorsSummary, ModelHeaderError>) -> Self {
        let (safetensors, safetensors_error) = match header {
            Ok(summary) => (Some(summary), None),
            Err(ModelHeaderError::NotSafetensors) => (None, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let views = |files: Vec<_>| files.into_iter().map(FileView::from).collect();
        Self {
            sha256: detail.sha256,
            hashed_at: detail.hashed_at,
            format: WeightFormat::of(detail.file.path.name()),
            sources: safetensors.as_ref().map(sources).unwrap_or_default(),
            safetensors,
            safetensors_error,
            sidecars: views(detail.sidecars),
            status: detail.status,
            twin: detail.twin.map(FileView::from),
            usage: UsageView { copies: views(detail.copies), n_copies: detail.n_copies, transfers: detail.transfers },
            file: detail.file.into(),
        }
    }
}

/// The addresses among the header's hints. Only `https` ones: they end up as links.
fn sources(summary: &SafetensorsSummary) -> Vec<SourceView> {
    let hints = &summary.metadata.source_hints;
    let mut urls: Vec<String> = hints
        .iter()
        .filter(|hint| hint.name.ends_with("_url") && hint.value.starts_with("https://"))
        .filter(|hint| !hint.value.contains(char::is_whitespace))
        .map(|hint| hint.value.clone())
        .collect();
    urls.sort_unstable();
    urls.dedup();
    urls.into_iter().map(|url| SourceView { url, origin: "header" }).collect()
}

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FileDetailQuery {
    /// Of which root.
    #[param(inline)]
    root: Root,
    /// Its path, spelled as in the index.
    #[param(value_type = String)]
    path: RelPath,
}

/// Shows one file with its header, its sidecars, its twin and its copies.
#[utoipa::path(
    get, path = "/api/files/detail", tag = "library", params(FileDetailQuery),
    responses((status = 200, body = FileDetailView), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn show_file(
    State(state): State<WebState>,
    Params(FileDetailQuery { root, path }): Params<FileDetailQuery>,
) -> Answer<Json<FileDetailView>> {
    let services = &state.services;
    services.comparer.refresh().await?;
    let wanted = path.clone();
    let found = services.database.read(move |connection| detail::show(connection, root, &wanted)).await?;
    let detail = found.ok_or_else(|| Problem::not_found(format!("{} has no file {path}.", root.label())))?;
    let stamp = FileStamp { size_bytes: detail.file.size_bytes, modified: detail.file.modified };
    let header = model_header::read(&services.roots, root, &path, stamp, detail.file.placeholder).await;
    Ok(Json(FileDetailView::new(detail, header)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::safetensors::summarize;

    #[test]
    fn only_plain_https_addresses_are_sources() {
        let header = br#"{"__metadata__": {"source_url": "https://a.example/x", "resolve_url": "javascript:alert(1)",
            "repo_id": "https://not.an/address", "air": "urn:air:x"}}"#;
        let sources = sources(&summarize(header, 10).unwrap());
        assert_eq!(sources, [SourceView { url: "https://a.example/x".into(), origin: "header" }]);
    }
}
