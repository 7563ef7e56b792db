//! The page of duplicates: its list, the bar below it, the dialog before anything goes, and its answer.
//!
//! A dialog is about one group, with the file that stays chosen by hand, or about all that are ticked,
//! by the rule. It carries a fingerprint of exactly what it showed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};

use super::confirmation::{Confirmation, check_shown, check_typed, in_dialog};
use super::toast::{Toast, partial, respond};
use crate::domain::confirmation::{is_over_a_fifth, words};
use crate::domain::duplicates::DuplicateAction;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::services::duplicates::{Keep, keeper, resolution};
use crate::services::queue::{BatchReceipt, Resolution};
use crate::storage::views::duplicates::{self as views, DuplicateGroupView};
use crate::storage::views::files::{self, FileFilter};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, Params, optional};
use crate::web::pages::duplicates::bar::{bar, selection};
use crate::web::pages::duplicates::query::{DuplicatesPageQuery, DuplicatesView};
use crate::web::pages::duplicates::{n_copies, results};
use crate::web::pages::frame::render;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

/// The list, the tabs and the bar.
pub(super) async fn show_duplicates(
    State(state): State<WebState>,
    Params(query): Params<DuplicatesPageQuery>,
) -> Answer<Response> {
    let page = results(&state, &query).await?;
    let html = render("fragments/_duplicates_results.html", context! { page => page.clone() })?
        + &partial("duplicates-tabs", "innerMorph", "fragments/_duplicates_tabs.html", context! { page })?
        + &partial("bulk", "innerMorph", "fragments/_duplicates_bulk.html", bar(&state, &query, None).await?)?;
    Ok(respond(html))
}

/// Where to search, as the page's form says it.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct SearchRequest {
    /// `local`, `lake` or `both`.
    roots: String,
    #[serde(default)]
    min_size: u64,
}

/// Begins a search. Its progress arrives through the page's socket.
pub(super) async fn begin_search(
    State(state): State<WebState>,
    FormBody(SearchRequest { roots, min_size }): FormBody<SearchRequest>,
) -> Answer<Response> {
    let roots = match roots.as_str() {
        "both" => {
            // With one folder away the other is searched all the same.
            let live = Root::ALL.into_iter().filter(|root| state.services.roots.live(*root).is_ok());
            let live: Vec<Root> = live.collect();
            if live.is_empty() { Root::ALL.to_vec() } else { live }
        }
        name => vec![name.parse().map_err(|error| Problem::malformed(format!("roots: {error}")))?],
    };
    state.services.duplicates.start(roots, min_size).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Stops a search.
pub(super) async fn cancel_search(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Response> {
    state.services.duplicates.cancel(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a dialog is about. The answer to the dialog says the same again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct ResolveTarget {
    #[serde(flatten)]
    list: DuplicatesPageQuery,
    /// One group, by its digest in hexadecimal digits; all that are ticked without it.
    #[serde(deserialize_with = "optional")]
    group: Option<String>,
    /// The file that stays, as `root:path`, where it was chosen by hand.
    #[serde(deserialize_with = "optional", skip_serializing)]
    stays: Option<String>,
    fingerprint: String,
    #[serde(skip_serializing)]
    typed: String,
}

/// What would happen.
struct Planned {
    groups: Vec<DuplicateGroupView>,
    resolutions: Vec<Resolution>,
    n_files: u64,
    size_bytes: u64,
    touches_lake: bool,
    /// Over a fifth of a side would go.
    is_large: bool,
}

impl Planned {
    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for group in &self.groups {
            hasher.update(group.hash.as_bytes());
            for file in &group.files {
                let line = format!("{}:{}:{}\n", file.root, file.path, file.modified.0);
                hasher.update(line.as_bytes());
            }
        }
        hasher.finalize().to_hex().chars().take(32).collect()
    }

    /// What has to be typed before it happens.
    fn typed(&self, action: DuplicateAction) -> Option<String> {
        let word = match action {
            DuplicateAction::Delete => "DELETE",
            DuplicateAction::Hardlink => "LINK",
            DuplicateAction::Reflink => "SHARE",
        };
        words(word, self.n_files, self.touches_lake || self.is_large)
    }
}

async fn plan(state: &WebState, target: &ResolveTarget) -> Answer<Planned> {
    let filter = target.list.filter();
    let keep = match &target.stays {
        None => Keep::Rule(target.list.keep()),
        Some(text) => {
            let wrong = || Problem::malformed("stays: expected root:path");
            let (root, path) = text.split_once(':').ok_or_else(wrong)?;
            Keep::File(root.parse().map_err(|_| wrong())?, RelPath::parse(path).map_err(|_| wrong())?)
        }
    };
    let one = match &target.group {
        None => None,
        Some(hex) => {
            let digest: Blake3 = format!("blake3:{hex}").parse().map_err(|_| Problem::malformed("group: no digest"))?;
            Some(digest)
        }
    };
    let ticked = selection(state, &target.list);
    let read = move |connection: &crate::storage::Connection| {
        let groups = match one {
            Some(digest) => views::show(connection, filter, &digest)?.into_iter().collect(),
            None => ticked.groups(connection)?,
        };
        let mut whole = Vec::new();
        for root in Root::ALL {
            if crate::storage::roots::active(connection, root)?.is_some() {
                whole.push((root, files::totals(connection, &FileFilter::whole(root))?));
            }
        }
        Ok((groups, whole))
    };
    let (groups, whole): (Vec<DuplicateGroupView>, _) = state.services.database.read(read).await?;
    let groups: Vec<DuplicateGroupView> =
        groups.into_iter().filter(|group| resolution(group, &keep).is_some()).collect();
    let resolutions: Vec<Resolution> = groups.iter().filter_map(|group| resolution(group, &keep)).collect();
    if resolutions.is_empty() {
        return Err(Problem::impossible("None of these files is a duplicate any more."));
    }
    let is_large = whole.iter().any(|(root, of)| is_over_a_fifth(n_on(&resolutions, *root), of.n_files));
    Ok(Planned {
        n_files: groups.iter().map(|group| group.n_files.saturating_sub(1)).sum(),
        size_bytes: groups.iter().map(|group| group.reclaimable_bytes).sum(),
        // By hand the choice may still change: any file of the group may go.
        touches_lake: groups.iter().any(|group| group.files.iter().any(|file| file.root == Root::Lake)),
        is_large,
        groups,
        resolutions,
    })
}

/// Names that go on one side.
fn n_on(resolutions: &[Resolution], root: Root) -> u64 {
    resolutions.iter().flat_map(|one| &one.others).filter(|(of, _)| *of == root).count() as u64
}

/// Shows the dialog.
pub(super) async fn confirm(State(state): State<WebState>, Params(target): Params<ResolveTarget>) -> Answer<Response> {
    let planned = plan(&state, &target).await?;
    let action = target.list.action();
    let choices: Vec<Value> = match (&target.group, planned.groups.first()) {
        (Some(_), Some(group)) => {
            let chosen = keeper(group, &Keep::Rule(target.list.keep())).map(|file| file.id);
            let choice = |file: &views::DuplicateFileView| {
                let (root, path) = (file.root, file.path.as_str());
                context! { value => format!("{root}:{path}"), root => Serde(root), path, chosen => chosen == Some(file.id) }
            };
            group.files.iter().map(choice).collect()
        }
        _ => Vec::new(),
    };
    let per_root = Root::ALL.map(|root| context! { root => Serde(root), n => n_on(&planned.resolutions, root) });
    let own = context! { action => Serde(action), n_groups => planned.groups.len(), per_root, choices };
    let reason = refusal(&state, action, &planned, target.list.view()).await;
    let (title, button) = title_and_button(action, planned.n_files);
    let again = ResolveTarget { fingerprint: planned.fingerprint(), ..target };
    let confirm = Confirmation {
        title,
        is_danger: action == DuplicateAction::Delete,
        n: planned.n_files,
        size_bytes: planned.size_bytes,
        typed: planned.typed(action),
        reason,
        ..Confirmation::new("/ui/duplicates/resolve", button, &again)
    };
    let going = planned.resolutions.iter().flat_map(|one| one.others.iter().map(|(_, path)| (path, &one.keep.1)));
    confirm.naming(going).show("fragments/_duplicates_confirm.html", own)
}

/// Why it can't be done now.
async fn refusal(state: &WebState, action: DuplicateAction, planned: &Planned, view: DuplicatesView) -> Option<String> {
    if view == DuplicatesView::Both && !action.works_across() {
        return Some("Links and shared bytes need one volume: look within Local or within the Lake.".to_owned());
    }
    for root in Root::ALL {
        if planned.resolutions.iter().any(|one| one.others.iter().any(|(of, _)| *of == root))
            && let Some(error) = state.services.queue.refuses(action, root).await
        {
            return Some(reason(&error));
        }
    }
    None
}

fn title_and_button(action: DuplicateAction, n: u64) -> (String, String) {
    let copies = n_copies(n);
    match action {
        DuplicateAction::Delete => (format!("Delete {copies}?"), format!("Delete {copies}")),
        DuplicateAction::Hardlink => (format!("Replace {copies} by hard links?"), format!("Link {copies}")),
        DuplicateAction::Reflink => (format!("Let {copies} share bytes?"), format!("Share {copies}")),
    }
}

/// Queues what was confirmed.
pub(super) async fn resolve(
    State(state): State<WebState>,
    FormBody(target): FormBody<ResolveTarget>,
) -> Answer<Response> {
    in_dialog(resolve_confirmed(&state, target).await)
}

async fn resolve_confirmed(state: &WebState, target: ResolveTarget) -> Answer<Response> {
    let planned = plan(state, &target).await?;
    let action = target.list.action();
    check_shown("The groups have", planned.fingerprint() == target.fingerprint)?;
    check_typed(planned.typed(action).as_deref(), &target.typed)?;
    let receipt = state.services.queue.resolve(action, planned.resolutions).await?;
    let mut html = toast_of(action, &receipt).piece()?;
    if target.group.is_none()
        && let Some(id) = &target.list.s
    {
        state.services.selections.forget(id);
        let list = DuplicatesPageQuery { s: None, ..target.list };
        let bar = bar(state, &list, Some(false)).await?;
        html.push_str(&partial("bulk", "innerHTML", "fragments/_duplicates_bulk.html", bar)?);
    }
    Ok(respond(html))
}

fn toast_of(action: DuplicateAction, receipt: &BatchReceipt) -> Toast {
    let copies = n_copies(receipt.n_transfers);
    let text = match action {
        DuplicateAction::Delete => format!("Deleting {copies}"),
        DuplicateAction::Hardlink => format!("Replacing {copies} by hard links"),
        DuplicateAction::Reflink => format!("Letting {copies} share bytes"),
    };
    let toast = match receipt.skipped.len() {
        0 => Toast::done(text),
        n => Toast::warning(format!("{text}; {n} left out")),
    };
    let batch = receipt.batch_id;
    toast.link(format!("/batches/{batch}"), "Show").undo(format!("/ui/batches/{batch}/cancel"), "Cancel")
}
