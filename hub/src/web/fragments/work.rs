//! Buttons that begin or stop work in the background.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared_protocol::RelPath;

use super::toast::Toast;
use crate::domain::diff::DiffStatus;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::services::Event;
use crate::services::hasher::{HashKind, HashScope};
use crate::storage::views::diff::{self, PairFilter};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, optional};
use crate::web::pages::diff::query::DiffPageQuery;
use crate::web::state::WebState;
use crate::web::templates::format;

#[derive(Debug, Deserialize)]
pub(in crate::web) struct HashForm {
    /// `local`, `lake` or `both`.
    root: String,
    /// One file; everything that has no hash yet if it is missing.
    #[serde(default, deserialize_with = "optional")]
    path: Option<RelPath>,
    /// `1` to read again what has a hash.
    #[serde(default)]
    again: String,
}

/// Begins a scan of both folders. Its progress arrives through the page's socket.
pub(super) async fn begin_scan(State(state): State<WebState>) -> Answer<Response> {
    state.services.indexer.begin(Root::ALL.to_vec()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Stops a scan.
pub(super) async fn cancel_scan(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Response> {
    state.services.indexer.cancel(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Begins to hash a file, or what is missing of one or both folders.
pub(super) async fn begin_hashing(
    State(state): State<WebState>,
    FormBody(request): FormBody<HashForm>,
) -> Answer<Response> {
    let roots = match request.root.as_str() {
        "both" => Root::ALL.to_vec(),
        name => vec![name.parse().map_err(|error| Problem::malformed(format!("root: {error}")))?],
    };
    let kind = if request.again == "1" { HashKind::Verify } else { HashKind::Missing };
    let mut refused = None;
    let mut n_begun = 0;
    for root in &roots {
        let scope = match &request.path {
            Some(path) => HashScope::Paths(vec![path.clone()]),
            None => HashScope::Folder(None),
        };
        match state.services.hasher.start(*root, scope, kind).await {
            Ok(_) => n_begun += 1,
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        // With one folder offline the other is hashed all the same.
        Some(error) if n_begun == 0 => Err(error.into()),
        _ => Toast::done(if kind == HashKind::Verify { "Verifying has begun" } else { "Hashing has begun" })
            .link("/hashes".to_owned(), "Show")
            .answer(),
    }
}

/// Which selection of which side.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct SelectionRequest {
    s: String,
    root: Root,
}

/// Reads what is ticked again, whatever is known of it.
pub(super) async fn verify_selection(
    State(state): State<WebState>,
    FormBody(SelectionRequest { s, root }): FormBody<SelectionRequest>,
) -> Answer<Response> {
    let Some(selection) = state.services.selections.find(&s) else {
        return Toast::warning("Tick the files first").answer();
    };
    let files = state.services.database.read(move |connection| selection.files(connection, root)).await?;
    if files.is_empty() {
        return Toast::warning(format!("None of these files is in {}", root.label())).answer();
    }
    let n = files.len();
    let paths: Vec<RelPath> = files.into_iter().map(|file| file.path).collect();
    state.services.hasher.start(root, HashScope::Paths(paths), HashKind::Verify).await?;
    Toast::done(format!("Verifying {}", format::n_files(n))).link("/hashes".to_owned(), "Show").answer()
}

/// A file that changed on disk without being written.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct RottedRequest {
    root: Root,
    path: RelPath,
}

pub(super) async fn heal(State(state): State<WebState>, FormBody(file): FormBody<RottedRequest>) -> Answer<Response> {
    let receipt = state.services.queue.heal(Some(vec![(file.root, file.path)])).await?;
    let batch = format!("/batches/{}", receipt.batch_id);
    match receipt.skipped.first() {
        Some(skipped) => Toast::warning(format!("Not healed: {}", skipped.why)),
        None => Toast::done("Healing: the right content is copied, the old file goes to the trash"),
    }
    .link(batch, "Show")
    .answer()
}

/// Takes a file as it is.
pub(super) async fn accept_rotted(
    State(state): State<WebState>,
    FormBody(file): FormBody<RottedRequest>,
) -> Answer<Response> {
    let root = file.root;
    state.services.queue.accept_rotted(vec![(file.root, file.path)]).await?;
    state.services.events.send(Event::IndexChanged(root));
    Toast::done("It stays as it is").answer()
}

/// Stops a hash job.
pub(super) async fn cancel_hashing(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Response> {
    state.services.hasher.cancel(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Hashes both sides of everything that could not be told apart.
pub(super) async fn verify(
    State(state): State<WebState>,
    FormBody(query): FormBody<DiffPageQuery>,
) -> Answer<Response> {
    state.services.comparer.refresh().await?;
    let filter = PairFilter { status: Some(DiffStatus::Unverified), ..query.filter() };
    let mut n = 0;
    for root in Root::ALL {
        let wanted = filter.clone();
        let files = state.services.database.read(move |connection| diff::chosen(connection, &wanted, root)).await?;
        n = n.max(files.len());
        let paths: Vec<RelPath> = files.into_iter().map(|file| file.path).collect();
        if !paths.is_empty() {
            state.services.hasher.start(root, HashScope::Paths(paths), HashKind::Missing).await?;
        }
    }
    Toast::done(format!("Hashing both sides of {}", format::n_files(n))).link("/hashes".to_owned(), "Show").answer()
}

/// Reads headers that could not be read, and those that were not read yet.
pub(super) async fn read_headers(State(state): State<WebState>) -> Answer<Response> {
    state.services.models.read_again().await?;
    Toast::done("Reading headers").answer()
}

/// Takes the folder that is there now for a root, because a person said so.
pub(super) async fn adopt(State(state): State<WebState>, InPath(root): InPath<Root>) -> Answer<Response> {
    state.services.adopt(root, &state.tasks).await?;
    Toast::done(format!("{} is this folder from now on; it is being scanned", root.label())).answer()
}
