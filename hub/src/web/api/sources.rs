//! Where contents can be fetched from publicly: the Lake's `.model_sources.json`.

pub mod check;
pub mod discover;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{Blake3Text, SearchText, Sha256Text};
use crate::domain::sources::{Address, Unusable};
use crate::services::sources::{CoverageView, Covered, SourceFilter, SourceRecord};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath, Params, optional, search};

/// A content with its addresses.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceRecordView {
    /// The content: `blake3:` and 64 digits.
    #[schema(value_type = Blake3Text)]
    pub hash: Blake3,
    /// Its size, as written.
    pub size_bytes: Option<u64>,
    /// Its names, as written.
    pub names: Vec<String>,
    /// Its SHA-256, as written.
    #[schema(value_type = Option<Sha256Text>)]
    pub sha256: Option<Sha256>,
    /// Its addresses, as written.
    pub urls: Vec<AddressView>,
    /// Addresses in the file that are left alone, because they may not be fetched from.
    pub unusable: Vec<UnusableView>,
}

/// An address of a content.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressView {
    /// Where it can be had.
    pub url: String,
    /// Since when it is known.
    pub added_at: Option<Timestamp>,
    /// When it was last looked at.
    pub checked_at: Option<Timestamp>,
    /// What was found then: `ok`, `likely`, `size_differs`, `content_differs`, `needs_token`, `forbidden`,
    /// `not_found`, `not_a_file`, `rate_limited`, `unreachable`, `private_address`, `bad_redirect`, or
    /// what another program wrote.
    pub status: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
    /// Who says so: `manual` for a person.
    pub origin: String,
}

/// An address that is left alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnusableView {
    /// Where it leads, without what may be secret about it.
    pub url: String,
    /// Why it is left alone.
    pub why: String,
}

impl From<SourceRecord> for SourceRecordView {
    fn from(record: SourceRecord) -> Self {
        Self {
            hash: record.hash,
            size_bytes: record.size_bytes,
            names: record.names,
            sha256: record.sha256,
            urls: record.urls.into_iter().map(AddressView::from).collect(),
            unusable: record.unusable.into_iter().map(UnusableView::from).collect(),
        }
    }
}

impl From<Address> for AddressView {
    fn from(address: Address) -> Self {
        Self {
            url: address.url.as_str().to_owned(),
            added_at: address.added_at,
            checked_at: address.checked_at,
            status: address.status,
            detail: address.detail,
            origin: address.origin,
        }
    }
}

impl From<Unusable> for UnusableView {
    fn from(unusable: Unusable) -> Self {
        Self { url: unusable.url, why: unusable.why.to_string() }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SourcesQuery {
    /// Words that a name, an address or the hash has, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
    /// Contents of the library that can be had so, those without an address among them.
    #[serde(deserialize_with = "optional")]
    #[param(value_type = Option<Covered>, inline)]
    coverage: Option<Covered>,
}

/// Lists the contents that have addresses, by name.
#[utoipa::path(
    get, path = "/api/sources", tag = "sources", params(SourcesQuery, PageQuery),
    responses((status = 200, body = ListView<SourceRecordView>), (status = 409), (status = 503))
)]
pub(super) async fn list_sources(
    State(state): State<WebState>,
    Params(query): Params<SourcesQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<SourceRecordView>>> {
    let filter = SourceFilter { search: query.q, standing: None, covered: query.coverage };
    let page = state.services.sources.list(&filter, &page.request()?).await?;
    Ok(Json(page.map(SourceRecordView::from)))
}

/// Shows how much of the library can be had again.
#[utoipa::path(
    get, path = "/api/sources/coverage", tag = "sources",
    responses((status = 200, body = CoverageView), (status = 409), (status = 503))
)]
pub(super) async fn show_coverage(State(state): State<WebState>) -> Answer<Json<CoverageView>> {
    Ok(Json(state.services.sources.coverage().await?))
}

/// Shows the addresses of a content.
#[utoipa::path(
    get, path = "/api/sources/{hash}", tag = "sources",
    params(("hash" = inline(Blake3Text), Path, description = "`blake3:` and 64 digits")),
    responses((status = 200, body = SourceRecordView), (status = 409), (status = 503))
)]
pub(super) async fn show_source(
    State(state): State<WebState>,
    InPath(hash): InPath<String>,
) -> Answer<Json<SourceRecordView>> {
    Ok(Json(state.services.sources.show(&hash_of(&hash)?).await?.into()))
}

/// The addresses that a content is to have.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SourceRequest {
    /// Exactly these, in this order.
    #[schema(min_items = 1)]
    urls: Vec<UrlRequest>,
}

/// An address. What else is known of one that is there already is kept, so what a GET showed may be
/// sent back as it was.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UrlRequest {
    /// It begins with `https://`, and holds no token and no signature.
    url: String,
}

/// Makes the addresses of a content be exactly these. Size and names come from the index; those that are
/// there already keep what is known of them.
#[utoipa::path(
    put, path = "/api/sources/{hash}", tag = "sources", request_body = SourceRequest,
    params(("hash" = inline(Blake3Text), Path, description = "`blake3:` and 64 digits")),
    responses((status = 200, body = SourceRecordView), (status = 409), (status = 422))
)]
pub(super) async fn update_source(
    State(state): State<WebState>,
    InPath(hash): InPath<String>,
    Body(SourceRequest { urls }): Body<SourceRequest>,
) -> Answer<Json<SourceRecordView>> {
    let urls: Vec<String> = urls.into_iter().map(|one| one.url).collect();
    Ok(Json(state.services.sources.replace(hash_of(&hash)?, &urls).await?.into()))
}

/// Forgets all addresses of a content.
#[utoipa::path(
    delete, path = "/api/sources/{hash}", tag = "sources",
    params(("hash" = inline(Blake3Text), Path, description = "`blake3:` and 64 digits")),
    responses((status = 204, description = "They are gone"), (status = 409), (status = 422))
)]
pub(super) async fn delete_source(State(state): State<WebState>, InPath(hash): InPath<String>) -> Answer<StatusCode> {
    state.services.sources.remove(hash_of(&hash)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Said as what it is: nobody mistypes a hash and means another content.
fn hash_of(text: &str) -> Answer<Blake3> {
    text.parse().map_err(|error| Problem::malformed(format!("\"{text}\" is no hash: {error}.")))
}
