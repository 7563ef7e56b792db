//! The buttons of the trash, and the dialog before anything is removed for good.

use axum::extract::{RawForm, State};
use axum::http::HeaderMap;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};

use super::confirmation::{Confirmation, check_typed, in_dialog};
use super::lists::followed;
use super::toast::Toast;
use crate::domain::confirmation::words;
use crate::domain::root::Root;
use crate::services::trash::{EmptyRequest, ToEmpty};
use crate::web::error::Answer;
use crate::web::extract::{FormBody, Params, optional_parsed, values_of};
use crate::web::pages::frame::fragment;
use crate::web::pages::library::drawer::reason;
use crate::web::pages::trash::{self, TrashPageQuery};
use crate::web::state::WebState;
use crate::web::templates::format;

/// The list. The address in the browser follows what is searched for.
pub(super) async fn show_trash(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<TrashPageQuery>,
) -> Answer<Response> {
    let response = fragment("fragments/_trash.html", context! { page => trash::list(&state, query.clone()).await? })?;
    Ok(followed(response, &headers, "filter", || format!("/trash{}", query.address(None))))
}

/// Puts the ticked files back.
pub(super) async fn restore(State(state): State<WebState>, RawForm(form): RawForm) -> Answer<Response> {
    let ids = values_of(&form, "ids", |id| id.parse().ok());
    if ids.is_empty() {
        return Toast::warning("Tick the files first").answer();
    }
    let receipt = state.services.queue.put_back(ids).await?;
    let batch = format!("/batches/{}", receipt.batch_id);
    let left = receipt.skipped.len();
    let text = format!("Putting back {}", format::n_files(receipt.n_transfers));
    match (receipt.n_transfers, left) {
        (0, _) => Toast::warning(format!("Nothing was put back: {}", first_reason(&receipt.skipped))),
        (_, 0) => Toast::done(text),
        _ => Toast::warning(format!("{text}; {left} can't be put back")),
    }
    .link(batch, "Show")
    .answer()
}

fn first_reason(skipped: &[crate::services::queue::SkippedPath]) -> String {
    skipped.first().map(|one| format!("{}: {}", one.path, one.why)).unwrap_or_default()
}

/// What is to go, as buttons say it.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::web) struct EmptyQuery {
    root: Root,
    #[serde(default, deserialize_with = "optional_parsed")]
    older_than_days: Option<u32>,
    /// Only what is ticked.
    #[serde(default)]
    ticked: String,
}

/// Shows the dialog.
pub(super) async fn confirm(
    State(state): State<WebState>,
    Params(query): Params<EmptyQuery>,
    RawForm(form): RawForm,
) -> Answer<Response> {
    let ids = (!query.ticked.is_empty()).then(|| values_of(&form, "ids", |id| id.parse().ok()));
    if ids.as_ref().is_some_and(Vec::is_empty) {
        return Toast::warning("Tick the files first").answer();
    }
    let request = EmptyRequest { older_than_days: query.older_than_days, ids };
    let found = state.services.trash.to_empty(query.root, &request).await?;
    if found.n == 0 {
        return Toast::warning("There is no such file in this trash").answer();
    }
    let roots = &state.services.roots;
    let own = context! {
        root => Serde(query.root),
        older_than_days => query.older_than_days,
        free_bytes => roots.status(query.root).free_bytes,
    };
    let again = EmptyConfirmed {
        root: query.root,
        older_than_days: request.older_than_days,
        ids: request.ids.map(|ids| ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
        n: found.n,
        size_bytes: found.size_bytes,
        fingerprint: found.fingerprint,
        typed: String::new(),
    };
    let files = format::n_files(found.n);
    let confirm = Confirmation {
        title: format!("Remove {files} for good?"),
        is_danger: true,
        n: found.n,
        size_bytes: found.size_bytes,
        typed: typed(found.n),
        reason: roots.check_delete(query.root).err().map(|error| reason(&error)),
        ..Confirmation::new("/ui/trash/empty", format!("Remove {files}"), &again)
    };
    confirm.show("fragments/_trash_confirm.html", own)
}

fn typed(n: u64) -> Option<String> {
    words("REMOVE", n, false)
}

/// What the dialog sends.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web) struct EmptyConfirmed {
    root: Root,
    #[serde(default, deserialize_with = "optional_parsed")]
    older_than_days: Option<u32>,
    ids: Option<String>,
    n: u64,
    size_bytes: u64,
    fingerprint: i64,
    #[serde(default, skip_serializing)]
    typed: String,
}

/// Removes what was confirmed.
pub(super) async fn empty(
    State(state): State<WebState>,
    FormBody(request): FormBody<EmptyConfirmed>,
) -> Answer<Response> {
    in_dialog(empty_confirmed(&state, request).await)
}

async fn empty_confirmed(state: &WebState, request: EmptyConfirmed) -> Answer<Response> {
    check_typed(typed(request.n).as_deref(), &request.typed)?;
    let expected = ToEmpty { n: request.n, size_bytes: request.size_bytes, fingerprint: request.fingerprint };
    let ids = request.ids.map(|ids| ids.split(',').filter_map(|id| id.parse().ok()).collect());
    let asked = EmptyRequest { older_than_days: request.older_than_days, ids };
    let emptied = state.services.trash.empty(request.root, asked, Some(expected)).await?;
    let text = format!("Removed {}: {} are free again", format::n_files(emptied.n), format::bytes(emptied.size_bytes));
    match emptied.kept.first() {
        None => Toast::done(text),
        Some(first) => Toast::warning(format!("{text}; {} stayed: {}: {}", emptied.kept.len(), first.path, first.why)),
    }
    .answer()
}
