//! Buttons that begin or stop work in the background.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared_protocol::RelPath;

use super::toast::Toast;
use crate::domain::diff::DiffStatus;
use crate::domain::ids::{HashJobId, ScanId};
use crate::domain::root::Root;
use crate::services::hasher::HashScope;
use crate::storage::views::diff::{self, PairFilter};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, optional};
use crate::web::pages::diff::query::DiffQuery;
use crate::web::state::WebState;
use crate::web::templates::format;

/// What is to be hashed.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct HashRequest {
    /// `local`, `lake` or `both`.
    root: String,
    /// One file; everything that has no hash yet if it is missing.
    #[serde(default, deserialize_with = "optional")]
    path: Option<RelPath>,
}

/// Begins a scan of both folders. Its progress arrives through the page's socket.
pub(super) async fn begin_scan(State(state): State<WebState>) -> Answer<Response> {
    state.services.indexer.begin(Root::ALL.to_vec()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Stops a scan.
pub(super) async fn cancel_scan(State(state): State<WebState>, InPath(id): InPath<ScanId>) -> Answer<Response> {
    state.services.indexer.cancel(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Begins to hash a file, or what is missing of one or both folders.
pub(super) async fn begin_hashing(
    State(state): State<WebState>,
    FormBody(request): FormBody<HashRequest>,
) -> Answer<Response> {
    let roots = match request.root.as_str() {
        "both" => Root::ALL.to_vec(),
        name => vec![name.parse().map_err(|error| Problem::malformed(format!("root: {error}")))?],
    };
    let mut refused = None;
    let mut n_begun = 0;
    for root in &roots {
        let scope = match &request.path {
            Some(path) => HashScope::Paths(vec![path.clone()]),
            None => HashScope::Folder(None),
        };
        match state.services.hasher.start(*root, scope).await {
            Ok(_) => n_begun += 1,
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        // With one folder offline the other is hashed all the same.
        Some(error) if n_begun == 0 => Err(error.into()),
        _ => Toast::done("Hashing has begun").link("/hashes".to_owned(), "Show").answer(),
    }
}

/// Stops a hash job.
pub(super) async fn cancel_hashing(State(state): State<WebState>, InPath(id): InPath<HashJobId>) -> Answer<Response> {
    state.services.hasher.cancel(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Hashes both sides of everything that could not be told apart.
pub(super) async fn verify(State(state): State<WebState>, FormBody(query): FormBody<DiffQuery>) -> Answer<Response> {
    state.services.comparer.refresh().await?;
    let filter = PairFilter { status: Some(DiffStatus::Unverified), ..query.filter() };
    let mut n = 0;
    for root in Root::ALL {
        let wanted = filter.clone();
        let files = state.services.database.read(move |connection| diff::chosen(connection, &wanted, root)).await?;
        n = n.max(files.len());
        let paths: Vec<RelPath> = files.into_iter().map(|file| file.path).collect();
        if !paths.is_empty() {
            state.services.hasher.start(root, HashScope::Paths(paths)).await?;
        }
    }
    Toast::done(format!("Hashing both sides of {}", format::n_files(n))).link("/hashes".to_owned(), "Show").answer()
}

/// Takes the folder that is there now for a root, because a person said so.
pub(super) async fn adopt(State(state): State<WebState>, InPath(root): InPath<Root>) -> Answer<Response> {
    state.services.roots.adopt_anew(root, &state.tasks).await?;
    state.services.indexer.begin(vec![root]).await?;
    Toast::done(format!("{} is this folder from now on; it is being scanned", root.label())).answer()
}
