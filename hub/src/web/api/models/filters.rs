//! Filters of the list of models that people keep under a name.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::storage::saved_filters::{self, MOST, SavedFilter};
use crate::web::WebState;
use crate::web::api::list::{ListView, PageQuery};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, InPath, Params};
use crate::web::pages::models::ModelsPageQuery;

/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 1..=80;

/// Characters of a filter.
const MAX_QUERY: usize = 4_000;

/// What a kept filter is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedFilterBody {
    /// What stands behind `/models` in the address, with or without its `?`.
    #[schema(max_length = 4000)]
    query: String,
}

/// Lists the kept filters by name.
#[utoipa::path(
    get, path = "/api/models/filters", tag = "models", params(PageQuery),
    responses((status = 200, body = ListView<SavedFilter>))
)]
pub(in crate::web::api) async fn list_filters(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<SavedFilter>>> {
    let request = page.request()?;
    let read = move |connection: &_| {
        let all = saved_filters::list(connection)?;
        request.cut(all, |filter| (filter.name.to_lowercase(), filter.name.clone()))
    };
    Ok(Json(state.services.database.read(read).await?))
}

/// Keeps a filter; a name that is there already gets the new one.
#[utoipa::path(
    put, path = "/api/models/filters/{name}", tag = "models", request_body = SavedFilterBody,
    params(("name" = String, Path, description = "Its name, at most 80 characters")),
    responses((status = 200, body = SavedFilter), (status = 409), (status = 422))
)]
pub(in crate::web::api) async fn save_filter(
    State(state): State<WebState>,
    InPath(name): InPath<String>,
    Body(SavedFilterBody { query }): Body<SavedFilterBody>,
) -> Answer<Json<SavedFilter>> {
    Ok(Json(save(&state, &name, &query).await?))
}

/// Lets a kept filter go. No model is touched.
#[utoipa::path(
    delete, path = "/api/models/filters/{name}", tag = "models",
    params(("name" = String, Path, description = "Its name")), responses((status = 204))
)]
pub(in crate::web::api) async fn remove_filter(
    State(state): State<WebState>,
    InPath(name): InPath<String>,
) -> Answer<StatusCode> {
    remove(&state, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a filter.
pub(in crate::web) async fn save(state: &WebState, name: &str, query: &str) -> Answer<SavedFilter> {
    let name = name.trim().to_owned();
    if !NAME.contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "A name has 1 to 80 characters."));
    }
    if query.chars().count() > MAX_QUERY {
        let detail = format!("A filter has at most {MAX_QUERY} characters.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let query = parse(query)?;
    let filter = SavedFilter { name, query: query.list().into_text() };
    let kept = filter.clone();
    if state.services.database.write(move |tx| saved_filters::save(tx, &kept)).await? {
        return Ok(filter);
    }
    Err(Problem::new(StatusCode::CONFLICT, format!("{MOST} filters are kept already: let one go first.")))
}

/// The filter behind the `?` of an address.
pub(in crate::web) fn parse(query: &str) -> Answer<ModelsPageQuery> {
    let wrong = |error: &dyn std::fmt::Display| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("This is no filter of models: {error}."))
    };
    let address: Uri = format!("/models?{}", query.trim_start_matches('?')).parse().map_err(|error| wrong(&error))?;
    let Query(query) = Query::try_from_uri(&address).map_err(|error| wrong(&error))?;
    Ok(query)
}

/// Lets a kept filter go.
pub(in crate::web) async fn remove(state: &WebState, name: String) -> Answer<()> {
    let gone = state.services.database.write(move |tx| saved_filters::remove(tx, &name)).await?;
    if gone { Ok(()) } else { Err(Problem::not_found("There is no such filter.")) }
}
