//! The buttons of the page for making room, and the dialog before files leave Local.

use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::Serde;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::lists::followed;
use super::room::room;
use super::toast::{Toast, partial, respond};
use crate::domain::root::Root;
use crate::services::queue::EvictionReceipt;
use crate::storage::views::files::{self, FileFilter, Totals};
use crate::storage::views::picked;
use crate::web::error::Answer;
use crate::web::extract::{FormBody, Params};
use crate::web::pages::evict::{self, EvictQuery};
use crate::web::pages::frame::{fragment, render};
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;
use crate::web::templates::format;

/// Files that may be evicted without typing anything.
const A_FEW: usize = 10;

/// Paths that are named one by one.
const NAMED: usize = 5;

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

#[derive(Debug, Serialize)]
struct Confirm {
    title: String,
    n: usize,
    size_bytes: u64,
    paths: String,
    first: Vec<String>,
    n_more: usize,
    typed: Option<String>,
    reason: Option<String>,
}

/// The files that are meant, as the index has them.
struct Chosen {
    paths: Vec<RelPath>,
    size_bytes: u64,
    whole: Totals,
}

impl Chosen {
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
        let n = self.paths.len();
        let is_large = n > A_FEW || self.size_bytes.saturating_mul(5) > self.whole.size_bytes;
        is_large.then(|| format!("EVICT {n}"))
    }
}

/// Shows the dialog for what is ticked.
pub(super) async fn confirm(State(state): State<WebState>, RawForm(form): RawForm) -> Answer<Response> {
    let chosen = Chosen::find(&state, paths_in(&form)).await?;
    if chosen.paths.is_empty() {
        return Toast::warning("Tick the files first").answer();
    }
    let roots = &state.services.roots;
    let refusal = roots
        .check_delete(Root::Local)
        .and_then(|()| Root::ALL.into_iter().try_for_each(|root| roots.live(root).map(drop)));
    let n = chosen.paths.len();
    let confirm = Confirm {
        title: format!("Evict {} from Local?", format::n_files(n)),
        n,
        size_bytes: chosen.size_bytes,
        paths: serde_json::to_string(&chosen.paths).unwrap_or_default(),
        first: chosen.paths.iter().take(NAMED).map(RelPath::to_string).collect(),
        n_more: n.saturating_sub(NAMED),
        typed: chosen.typed(),
        reason: refusal.err().map(|error| reason(&error)),
    };
    let room = room(&state, Root::Local, 0);
    fragment("fragments/_evict_confirm.html", context! { confirm => Serde(confirm), room })
}

/// What the dialog sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct EvictConfirmed {
    paths: String,
    size_bytes: u64,
    #[serde(default)]
    typed: String,
}

/// Queues what was confirmed.
pub(super) async fn create(
    State(state): State<WebState>,
    FormBody(request): FormBody<EvictConfirmed>,
) -> Answer<Response> {
    let paths: Vec<RelPath> = serde_json::from_str(&request.paths).unwrap_or_default();
    let n_asked = paths.len();
    let chosen = Chosen::find(&state, paths).await?;
    if chosen.paths.len() != n_asked || chosen.size_bytes != request.size_bytes {
        return refused("The library has changed since: these are other files now. Close this and look again.");
    }
    if chosen.typed().is_some_and(|words| words != request.typed.trim()) {
        return refused("The words are not as asked for.");
    }
    match state.services.queue.evict(chosen.paths).await {
        Ok(receipt) => {
            let undo = format!("/ui/batches/{}/cancel", receipt.batch_id);
            let toast = told(&receipt, "Evicting", "evicted").undo(undo, "Cancel").piece()?;
            // How much was to be freed is done with: the list goes on without it.
            let nothing = context! { page => context! { query => context! { free => () } } };
            Ok(respond(toast + &partial("asked", "innerHTML", "fragments/_evict_asked.html", nothing)?))
        }
        Err(error) => refused(&reason(&error)),
    }
}

/// Brings back what is ticked.
pub(super) async fn bring_back(State(state): State<WebState>, RawForm(form): RawForm) -> Answer<Response> {
    let paths = paths_in(&form);
    if paths.is_empty() {
        return Toast::warning("Tick the files first").answer();
    }
    let receipt = state.services.queue.bring_back(paths).await?;
    told(&receipt, "Bringing back", "brought back").answer()
}

fn told(receipt: &EvictionReceipt, doing: &str, done: &str) -> Toast {
    let batch = format!("/batches/{}", receipt.batch_id);
    let what = format!("{} ({})", format::n_files(receipt.n_transfers), format::bytes(receipt.size_bytes));
    match (receipt.n_transfers, receipt.refused.first()) {
        (0, Some(first)) => Toast::warning(format!("Nothing is {done}: {}: {}", first.path, first.why)),
        (_, Some(_)) => Toast::warning(format!("{doing} {what}; {} can't be {done}", receipt.refused.len())),
        (_, None) => Toast::done(format!("{doing} {what}")),
    }
    .link(batch, "Show")
}

fn refused(text: &str) -> Answer<Response> {
    let mut response = fragment("fragments/_error_line.html", context! { text })?.into_response();
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The values of every field `paths` of a form: a field that is there many times fits no struct.
fn paths_in(form: &[u8]) -> Vec<RelPath> {
    let text = String::from_utf8_lossy(form).replace('+', " ");
    let values = text.split('&').filter_map(|pair| pair.strip_prefix("paths="));
    values.filter_map(|value| RelPath::parse(&percent_decode_str(value).decode_utf8().ok()?).ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn ticked_paths_are_read_from_a_form() {
        let found = paths_in(b"tab=x&paths=loras%2Fa+b%2B.safetensors&paths=..%2Fx&paths=v%C3%A4e%2Fc&paths=");
        let texts: Vec<_> = found.iter().map(RelPath::as_str).collect();
        assert_eq!(texts, ["loras/a b+.safetensors", "v\u{e4}e/c"]);
    }

    #[test]
    fn many_or_much_has_to_be_typed() {
        let chosen = |n: usize, size_bytes| Chosen {
            paths: (0..n).map(|i| RelPath::parse(&i.to_string()).unwrap()).collect(),
            size_bytes,
            whole: Totals { n_files: 1_000, size_bytes: 1_000 },
        };
        assert_eq!(chosen(10, 200).typed(), None);
        assert_eq!(chosen(11, 1).typed().as_deref(), Some("EVICT 11"));
        assert_eq!(chosen(1, 201).typed().as_deref(), Some("EVICT 1"), "over a fifth of Local");
    }
}
