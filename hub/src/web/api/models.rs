//! Models: what the library's files are.

pub mod filters;
pub mod notes;
pub mod picture;
pub mod reads;
pub mod rename;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use model_header::Description;
use model_header::sidecar::{SidecarFacts, disagreement};
use serde::{Deserialize, Serialize};
use shared_protocol::AgentId;
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{FolderText, SearchText, UuidText};
use crate::domain::ids::ModelId;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::services::sources::Covered;
use crate::storage::views::files::{FileOrder, FileSort};
use crate::storage::views::models::{Facets, ModelDetail, ModelFilter, ModelState, ModelView, ModelWhere};
use crate::storage::views::{FileView, Page};
use crate::web::WebState;
use crate::web::api::file_detail::{SourceView, sources};
use crate::web::error::Answer;
use crate::web::extract::{InPath, Params, optional, search, word};
use crate::web::fragments::preview::{is_film, picture_address};

use crate::web::spelled;

/// Which models.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ModelsQuery {
    /// Words that names, title, author or trigger words have, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
    /// `checkpoint`, `lora`, `vae` …; `none` is what is of no kind.
    #[serde(deserialize_with = "word")]
    #[param(inline, max_length = 100)]
    kind: Option<String>,
    /// `sdxl`, `flux1` …; `none` where that can't be told.
    #[serde(deserialize_with = "word")]
    #[param(inline, max_length = 100)]
    base: Option<String>,
    /// `fp16`, `fp8_e4m3`, `q4_k_m` …
    #[serde(deserialize_with = "word")]
    #[param(inline, max_length = 100)]
    precision: Option<String>,
    /// `safetensors`, `gguf`, `torch_zip` …
    #[serde(deserialize_with = "word")]
    #[param(inline, max_length = 100)]
    format: Option<String>,
    #[serde(rename = "where", deserialize_with = "optional")]
    #[param(inline)]
    place: Option<ModelWhere>,
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    state: Option<ModelState>,
    /// With a copy in this folder of a root, or below it.
    #[param(value_type = Option<FolderText>, inline)]
    folder: Option<TypedFolder>,
}

impl ModelsQuery {
    async fn filter(self, state: &WebState) -> Answer<ModelFilter> {
        let folder = spelled::folder_of_both(state, Root::Local, self.folder).await?.or_not_found("either folder")?;
        Ok(ModelFilter {
            search: self.q,
            kind: self.kind,
            base: self.base,
            precision: self.precision,
            format: self.format,
            place: self.place,
            state: self.state,
            folder,
        })
    }
}

/// In which order.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ModelOrderQuery {
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    sort: Option<FileSort>,
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    order: Option<FileOrder>,
}

/// Tensors whose names begin alike.
#[derive(Debug, Serialize, ToSchema)]
pub struct TensorsView {
    pub prefix: String,
    /// The type of their numbers, as the format names it.
    pub dtype: String,
    pub n: u64,
    pub bytes: u64,
}

/// A model with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelDetailView {
    #[serde(flatten)]
    pub model: ModelView,
    pub author: Option<String>,
    pub license: Option<String>,
    pub description: Option<String>,
    pub resolution: Option<String>,
    /// Rank and alpha of an adapter, as its maker wrote them.
    pub network_rank: Option<u64>,
    pub network_alpha: Option<f64>,
    /// The SHA-256 of its data as trainers write it: the first ten digits are `CivitAI`'s "AutoV3".
    pub autov3: Option<String>,
    /// Its number on `CivitAI`, and that of its version, as a file beside it says.
    pub civitai_model_id: Option<u64>,
    pub civitai_version_id: Option<u64>,
    /// What else there is to say, mostly where its maker's words and its tensors differ.
    pub remarks: Vec<String>,
    /// What people wrote about it.
    pub notes: String,
    /// Machines outside that have it, as far as they were asked or sent it.
    pub agents: Vec<AgentNameView>,
    /// Why its header could not be read.
    pub unread_because: Option<String>,
    /// What its maker wrote into it.
    pub metadata: BTreeMap<String, String>,
    /// Its tensors summed up, the largest sums first.
    pub tensors: Vec<TensorsView>,
    /// Files that belong to its copies and travel with them.
    pub sidecars: Vec<FileView>,
    /// Public addresses of its content.
    pub sources: Vec<SourceView>,
    /// Whether its content can be had again, as far as is known: never `at_risk`, which is told by its copies.
    pub coverage: Covered,
}

/// A machine outside.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentNameView {
    #[schema(value_type = UuidText)]
    pub id: AgentId,
    pub name: String,
    pub online: bool,
}

/// What its header has to say beside the facts, and where the files beside it say something else.
fn remarks(header: &Description, beside: &[SidecarFacts]) -> Vec<String> {
    let other = beside.iter().flat_map(|facts| disagreement(header, facts));
    header.notes.iter().cloned().chain(other).collect()
}

impl ModelDetailView {
    fn of(detail: ModelDetail, sources: Vec<SourceView>, coverage: Covered, agents: Vec<AgentNameView>) -> Self {
        let metadata = detail.metadata().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let tensors = detail.tensors().iter().map(|sum| TensorsView {
            prefix: sum.prefix.clone(),
            dtype: sum.dtype.clone(),
            n: sum.n,
            bytes: sum.bytes,
        });
        let tensors = tensors.collect();
        let ModelDetail { model, description, unread_because, sidecars, said: beside, notes, agents: _ } = detail;
        let model = with_preview(model);
        let said = description.as_ref();
        let network = said.and_then(|said| said.network.as_ref());
        let text = |of: fn(&Description) -> &Option<String>| said.and_then(|said| of(said).clone());
        Self {
            model,
            author: text(|said| &said.author).or_else(|| beside.iter().find_map(|facts| facts.author.clone())),
            license: text(|said| &said.license).or_else(|| beside.iter().find_map(|facts| facts.license.clone())),
            description: text(|said| &said.description)
                .or_else(|| beside.iter().find_map(|facts| facts.description.clone())),
            resolution: text(|said| &said.resolution),
            network_rank: network.and_then(|network| network.rank),
            network_alpha: network.and_then(|network| network.alpha),
            autov3: text(|said| &said.autov3),
            civitai_model_id: beside.iter().find_map(|facts| facts.civitai_model_id),
            civitai_version_id: beside.iter().find_map(|facts| facts.civitai_version_id),
            remarks: said.map(|said| remarks(said, &beside)).unwrap_or_default(),
            notes,
            agents,
            unread_because,
            metadata,
            tensors,
            sidecars,
            sources,
            coverage,
        }
    }
}

/// A model with the address of its picture.
fn with_preview(mut model: ModelView) -> ModelView {
    model.preview = model.picture.as_ref().and_then(picture_address);
    model.preview_is_film = model.picture.as_ref().is_some_and(|file| is_film(file.path.name()));
    model
}

/// The addresses that are known of a content; none while the Lake's file of them can't be read.
async fn sources_of(state: &WebState, detail: &ModelDetail) -> Vec<SourceView> {
    let kept = match &detail.model.hash {
        Some(hash) => state.services.sources.addresses_of(hash).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let hints = detail.description.iter().flat_map(|description| &description.source_hints);
    sources(kept, hints.map(|hint| (hint.name.as_str(), hint.value.as_str())))
}

/// Everything that is known of a model.
pub(in crate::web) async fn detail(state: &WebState, id: ModelId) -> Answer<ModelDetailView> {
    let detail = state.services.models.show(id).await?;
    let sources = sources_of(state, &detail).await;
    let coverage = match detail.model.hash {
        Some(hash) => state.services.sources.coverages(vec![hash]).await?.remove(&hash),
        None => None,
    };
    let kept = state.services.sources.count_addresses(&[detail.model.hash]).await;
    let model = ModelView { n_sources: kept.into_iter().sum(), ..detail.model };
    let detail = ModelDetail { model, ..detail };
    let mut agents = Vec::new();
    for id in &detail.agents {
        let view = state.services.remote.show_agent(*id).await?;
        agents.push(AgentNameView { id: view.id, name: view.name, online: view.online });
    }
    Ok(ModelDetailView::of(detail, sources, Covered::of(coverage), agents))
}

/// Lists models: each content once, with its copies.
#[utoipa::path(
    get, path = "/api/models", tag = "models", params(ModelsQuery, ModelOrderQuery, PageQuery),
    responses((status = 200, body = ListView<ModelView>))
)]
pub(super) async fn list_models(
    State(state): State<WebState>,
    Params(query): Params<ModelsQuery>,
    Params(order): Params<ModelOrderQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<ModelView>>> {
    let by = (order.sort.unwrap_or_default(), order.order.unwrap_or_default());
    let page = state.services.models.list(query.filter(&state).await?, by, page.request()?).await?;
    Ok(Json(completed(&state, page).await))
}

/// A page of models with what is kept outside of the database.
pub(in crate::web) async fn completed(state: &WebState, page: Page<ModelView>) -> Page<ModelView> {
    let contents: Vec<_> = page.items.iter().map(|model| model.hash).collect();
    let mut counts = state.services.sources.count_addresses(&contents).await.into_iter();
    page.map(|model| ModelView { n_sources: counts.next().unwrap_or_default(), ..with_preview(model) })
}

/// Counts models by what they are.
#[utoipa::path(
    get, path = "/api/models/facets", tag = "models", params(ModelsQuery),
    responses((status = 200, body = Facets), (status = 404))
)]
pub(super) async fn show_facets(
    State(state): State<WebState>,
    Params(query): Params<ModelsQuery>,
) -> Answer<Json<Facets>> {
    let filter = query.filter(&state).await?;
    Ok(Json(state.services.models.groups(filter.clone()).await?.facets(&filter)))
}

/// Shows a model.
#[utoipa::path(
    get, path = "/api/models/{id}", tag = "models", params(("id" = i64, Path, description = "The model")),
    responses((status = 200, body = ModelDetailView))
)]
pub(super) async fn show_model(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
) -> Answer<Json<ModelDetailView>> {
    Ok(Json(detail(&state, id).await?))
}
