//! Everything known of one file.

mod safetensors;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use model_header::Description;
use serde::{Deserialize, Serialize};
use shared_protocol::{RelPath, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::domain::described::{RelPathText, Sha256Text, TypedPathText};
use crate::domain::diff::DiffStatus;
use crate::domain::ids::TransferId;
use crate::domain::kind::WeightFormat;
use crate::domain::root::Root;
use crate::domain::sources::{Address, is_plain};
use crate::domain::typed_path::TypedPath;
use crate::services::ServiceError;
use crate::services::queue::{RenameOffer, rename_offer};
use crate::storage::skipped::because;
use crate::storage::views::FileView;
use crate::storage::views::detail::{self, FileDetail};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::Params;
use crate::web::spelled;
use safetensors::SafetensorsSummary;

/// A file with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileDetailView {
    /// What the list shows.
    #[serde(flatten)]
    pub file: FileView,
    /// Its SHA-256, if it was taken: `sha256:` and 64 digits.
    #[schema(value_type = Option<Sha256Text>)]
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
    /// Addresses of its content: from the Lake's `.model_sources.json`, and those that the file itself
    /// names as its origin.
    pub sources: Vec<SourceView>,
    /// Why the Lake's file of addresses was not read.
    pub sources_error: Option<String>,
    /// How it stands to the other root.
    pub status: Option<DiffStatus>,
    /// Of `unknown`: which place of which side was not seen, and why.
    pub why: Option<String>,
    /// Other names of its root that differ only in case or in how accents are written: the conflict.
    #[schema(value_type = Vec<RelPathText>)]
    pub nearly: Vec<RelPath>,
    /// The path that ends such a conflict, within its root or with how the other root spells it:
    /// `/api/files/rename` takes it.
    #[schema(value_type = Option<RelPathText>)]
    pub rename_to: Option<RelPath>,
    /// The file on the other root that it is compared with.
    pub twin: Option<FileView>,
    pub usage: UsageView,
}

/// An address of a content.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceView {
    /// Where it can be had.
    pub url: String,
    /// Who says so: `header` for the file's own header, else what the Lake's file has.
    pub origin: String,
    /// When it was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// What was found then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
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
    /// Puts together what the index and the Lake's file of addresses tell.
    pub fn new(
        detail: FileDetail,
        header: Result<Description, String>,
        kept: Result<Vec<Address>, ServiceError>,
        rename: Option<RenameOffer>,
    ) -> Self {
        let (kept, sources_error) = match kept {
            Ok(kept) => (kept, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let format = WeightFormat::of(detail.file.path.name());
        let read = header.and_then(|header| SafetensorsSummary::of(detail.file.size_bytes, &header));
        let (safetensors, safetensors_error) = match read {
            _ if format != Some(WeightFormat::Safetensors) => (None, None),
            Ok(summary) => (Some(summary), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            sha256: detail.sha256,
            hashed_at: detail.hashed_at,
            format,
            sources: sources(kept, hints(safetensors.as_ref())),
            sources_error,
            safetensors,
            safetensors_error,
            sidecars: detail.sidecars,
            status: detail.status,
            why: because(&detail.covers),
            nearly: detail.nearly,
            rename_to: rename.map(|rename| rename.to),
            twin: detail.twin,
            usage: UsageView { copies: detail.copies, n_copies: detail.n_copies, transfers: detail.transfers },
            file: detail.file,
        }
    }
}

fn hints(header: Option<&SafetensorsSummary>) -> impl Iterator<Item = (&str, &str)> {
    let hints = header.into_iter().flat_map(|summary| &summary.source_hints);
    hints.map(|hint| (hint.name.as_str(), hint.value.as_str()))
}

/// The addresses that were kept, then those among the header's hints that are new.
pub(super) fn sources<'a>(kept: Vec<Address>, hints: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<SourceView> {
    let mut found: Vec<SourceView> = kept
        .into_iter()
        .map(|Address { url, origin, checked_at, status, .. }| SourceView {
            url: url.as_str().to_owned(),
            origin,
            checked_at,
            status,
        })
        .collect();
    let mut urls: Vec<&str> = hints
        .into_iter()
        .filter(|(name, value)| name.ends_with("_url") && is_plain(value))
        .map(|(_, value)| value)
        .filter(|url| found.iter().all(|source| source.url != *url))
        .collect();
    urls.sort_unstable();
    urls.dedup();
    let of_header = |url: &str| SourceView { url: url.into(), origin: "header".into(), checked_at: None, status: None };
    let new: Vec<_> = urls.into_iter().map(of_header).collect();
    found.extend(new);
    found
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FileDetailQuery {
    #[param(inline)]
    root: Root,
    #[param(value_type = TypedPathText, inline)]
    path: TypedPath,
}

/// Shows one file with its header, its sidecars, its twin and its copies.
#[utoipa::path(
    get, path = "/api/files/detail", tag = "library", params(FileDetailQuery),
    responses((status = 200, body = FileDetailView), (status = 404), (status = 422))
)]
pub(super) async fn show_file(
    State(state): State<WebState>,
    Params(FileDetailQuery { root, path }): Params<FileDetailQuery>,
) -> Answer<Json<FileDetailView>> {
    let services = &state.services;
    services.comparer.refresh_to_show().await?;
    let path = spelled::path(&state, root, path).await?;
    let wanted = path.clone();
    let read =
        move |connection: &_| Ok((detail::show(connection, root, &wanted)?, rename_offer(connection, root, &wanted)?));
    let (found, rename) = services.database.read(read).await?;
    let mut detail = found.ok_or_else(|| Problem::not_found(format!("{} has no file {path}.", root.label())))?;
    let header = services.models.header(&detail.file, detail.header.take()).await;
    let kept = match detail.file.hash {
        Some(hash) => services.sources.addresses_of(&hash).await,
        None => Ok(Vec::new()),
    };
    Ok(Json(FileDetailView::new(detail, header, kept, rename)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::{Allowed, SourceUrl};

    use super::*;

    #[test]
    fn only_plain_https_addresses_are_sources() {
        let hints = [
            ("source_url", "https://a.example/x"),
            ("resolve_url", "javascript:alert(1)"),
            ("repo_id", "https://not.an/address"),
            ("air", "urn:air:x"),
        ];
        let told = |kept: Vec<Address>| -> Vec<(String, String)> {
            sources(kept, hints).into_iter().map(|source| (source.url, source.origin)).collect()
        };
        let (url, other) = ("https://a.example/x".to_owned(), "https://b.example/x".to_owned());
        assert_eq!(told(Vec::new()), [(url.clone(), "header".to_owned())]);
        let kept = |url: &String| Address {
            url: SourceUrl::parse(url, Allowed::PublicOnly).unwrap(),
            origin: "user".into(),
            added_at: None,
            checked_at: None,
            status: None,
            detail: None,
            proof: None,
        };
        let both = told(vec![kept(&other), kept(&url)]);
        assert_eq!(both, [(other, "user".to_owned()), (url, "user".to_owned())], "no address twice");
    }
}
