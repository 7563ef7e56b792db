//! The buttons of the page for making room, and the dialog before files leave Local.

use axum::extract::{RawForm, State};
use axum::http::HeaderMap;
use axum::response::Response;
use minijinja::context;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::confirmation::{Confirmation, check_shown, check_typed, in_dialog};
use super::lists::followed;
use super::room::room;
use super::toast::{Toast, partial, respond};
use crate::domain::confirmation::{is_over_a_fifth, words};
use crate::domain::root::Root;
use crate::services::queue::EvictionReceipt;
use crate::storage::views::files::{self, FileFilter, Totals};
use crate::storage::views::picked;
use crate::web::error::Answer;
use crate::web::extract::{FormBody, Params, values_of};
use crate::web::pages::evict::{self, EvictQuery};
use crate::web::pages::frame::render;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;
use crate::web::templates::format;

/// The lists. The address in the browser follows what is searched for.
pub(super) async fn show_evict(
    State(state): State<WebState>,
    headers: HeaderMap,
    Params(query): Params<EvictQuery>,
) -> Answer<Response> {
    let page = evict::list(&state, &query).await?;
    let mut html = render("fragments/_evict.html", context! { page => page.clone() })?;
    if query.is_chosen() {
        html.push_str(&partial("asked", "innerHTML", "fragments/_evict_asked.html", context! { page })?);
    }
    Ok(followed(respond(html), &headers, "filter", || format!("/evict{}", query.address(None))))
}

/// The files that are meant, as the index has them.
struct ChosenToEvict {
    paths: Vec<RelPath>,
    size_bytes: u64,
    whole: Totals,
}

impl ChosenToEvict {
    async fn find(state: &WebState, paths: Vec<RelPath>) -> Answer<Self> {
        let read = move |connection: &_| {
            let found = picked::files_at(connection, Root::Local, paths.iter())?;
            let whole = files::totals(connection, &FileFilter::whole(Root::Local))?;
            let size_bytes = found.iter().map(|file| file.size_bytes).sum();
            Ok(Self { paths: found.into_iter().map(|file| file.path).collect(), size_bytes, whole })
        };
        Ok(state.services.database.read(read).await?)
    }

    /// What has to be typed before they leave.
    fn typed(&self) -> Option<String> {
        words("EVICT", self.paths.len() as u64, is_over_a_fifth(self.size_bytes, self.whole.size_bytes))
    }
}

/// Shows the dialog for what is ticked.
pub(super) async fn confirm(State(state): State<WebState>, RawForm(form): RawForm) -> Answer<Response> {
    let chosen = ChosenToEvict::find(&state, values_of(&form, "paths", |path| RelPath::parse(path).ok())).await?;
    if chosen.paths.is_empty() {
        return Toast::warning("Tick the files first").answer();
    }
    let roots = &state.services.roots;
    let refusal = roots
        .check_delete(Root::Local)
        .and_then(|()| Root::ALL.into_iter().try_for_each(|root| roots.live(root).map(drop)));
    let files = format::n_files(chosen.paths.len());
    let again = EvictConfirmed {
        paths: serde_json::to_string(&chosen.paths).unwrap_or_default(),
        size_bytes: chosen.size_bytes,
        typed: String::new(),
    };
    let confirm = Confirmation {
        title: format!("Evict {files} from Local?"),
        n: chosen.paths.len() as u64,
        size_bytes: chosen.size_bytes,
        typed: chosen.typed(),
        reason: refusal.err().map(|error| reason(&error)),
        ..Confirmation::new("/ui/evict", format!("Evict {files}"), &again)
    };
    let own = context! { room => room(&state, Root::Local, 0) };
    confirm.naming(&chosen.paths).show("fragments/_evict_confirm.html", own)
}

/// What the dialog sends.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web) struct EvictConfirmed {
    /// A list in JSON.
    paths: String,
    size_bytes: u64,
    #[serde(default, skip_serializing)]
    typed: String,
}

/// Queues what was confirmed.
pub(super) async fn create(
    State(state): State<WebState>,
    FormBody(request): FormBody<EvictConfirmed>,
) -> Answer<Response> {
    in_dialog(evict_confirmed(&state, request).await)
}

async fn evict_confirmed(state: &WebState, request: EvictConfirmed) -> Answer<Response> {
    let paths: Vec<RelPath> = serde_json::from_str(&request.paths).unwrap_or_default();
    let n_asked = paths.len();
    let chosen = ChosenToEvict::find(state, paths).await?;
    check_shown("The library has", chosen.paths.len() == n_asked && chosen.size_bytes == request.size_bytes)?;
    check_typed(chosen.typed().as_deref(), &request.typed)?;
    let receipt = state.services.queue.evict(chosen.paths).await?;
    let undo = format!("/ui/batches/{}/cancel", receipt.batch_id);
    let toast = toast_of(&receipt, "Evicting", "evicted").undo(undo, "Cancel").piece()?;
    // How much was to be freed is done with: the list goes on without it.
    let nothing = context! { page => context! { query => context! { free => () } } };
    Ok(respond(toast + &partial("asked", "innerHTML", "fragments/_evict_asked.html", nothing)?))
}

/// Brings back what is ticked.
pub(super) async fn bring_back(State(state): State<WebState>, RawForm(form): RawForm) -> Answer<Response> {
    let paths = values_of(&form, "paths", |path| RelPath::parse(path).ok());
    if paths.is_empty() {
        return Toast::warning("Tick the files first").answer();
    }
    let receipt = state.services.queue.bring_back(paths).await?;
    toast_of(&receipt, "Bringing back", "brought back").answer()
}

fn toast_of(receipt: &EvictionReceipt, doing: &str, done: &str) -> Toast {
    let batch = format!("/batches/{}", receipt.batch_id);
    let what = format!("{} ({})", format::n_files(receipt.n_transfers), format::bytes(receipt.size_bytes));
    match (receipt.n_transfers, receipt.refused.first()) {
        (0, Some(first)) => Toast::warning(format!("Nothing is {done}: {}: {}", first.path, first.why)),
        (_, Some(_)) => Toast::warning(format!("{doing} {what}; {} can't be {done}", receipt.refused.len())),
        (_, None) => Toast::done(format!("{doing} {what}")),
    }
    .link(batch, "Show")
}
