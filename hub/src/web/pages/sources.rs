//! Sources: where contents can be fetched from publicly, and what the last look at each address found.

pub(in crate::web) mod drawer;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use lookups::Site;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::frame::{Frame, join, page};
use crate::config::{Key, ValueSource};
use crate::domain::root::Root;
use crate::domain::sources::Standing;
use crate::services::sources::{Covered, SourceFilter, SourceRecord};
use crate::services::{ErrorKind, ServiceError};
use crate::storage::views::contents;
use crate::storage::views::page::{Page, PageRequest};
use crate::web::address::QueryString;
use crate::web::api::sources::discover::finders;
use crate::web::api::sources::{AddressView, UnusableView};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional, search};
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "sources", title: "Sources", topics: "strip,sources" };

/// Contents on one page.
const ROWS: u32 = 100;

/// Everything behind the `?` of this page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct SourcesPageQuery {
    #[serde(deserialize_with = "search")]
    q: Option<String>,
    #[serde(deserialize_with = "optional")]
    show: Option<Standing>,
    #[serde(deserialize_with = "optional")]
    coverage: Option<Covered>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

/// A content with its addresses.
#[derive(Debug, Serialize)]
struct SourceRow {
    hash: String,
    /// The first digits: its name in ids, and for people.
    short: String,
    title: String,
    size_bytes: Option<u64>,
    /// The file that the title leads to, if the index has one.
    file: Option<SourcePlace>,
    n_files: usize,
    urls: Vec<AddressView>,
    unusable: Vec<UnusableView>,
}

#[derive(Debug, Serialize)]
struct SourcePlace {
    root: Root,
    path: RelPath,
}

/// Shows the contents with their addresses.
pub(super) async fn show_sources(
    State(state): State<WebState>,
    Params(query): Params<SourcesPageQuery>,
) -> Answer<Response> {
    let list = context! { page => list(&state, &query).await? };
    let content = join([list, progress(&state).await?, lookups(&state)]);
    page(&state, FRAME, "pages/sources.html", content).await
}

/// The list, or why there is none.
pub(in crate::web) async fn list(state: &WebState, query: &SourcesPageQuery) -> Answer<Value> {
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let filter = SourceFilter { search: query.q.clone(), standing: query.show, covered: query.coverage };
    let (found, problem) = match state.services.sources.list(&filter, &request).await {
        Ok(found) => (found, None),
        Err(error) if is_told(&error) => (Page::empty(), Some(Problem::from(error).detail)),
        Err(error) => return Err(error.into()),
    };
    let tabs = if problem.is_none() { tabs(state, query).await? } else { Vec::new() };
    let (total, next) = (found.total, found.next_cursor);
    let rows = rows(state, found.items).await?;
    Ok(context! {
        query => Serde(query),
        problem,
        tabs => Serde(tabs),
        labels => Serde(labels()),
        closed => closed(state),
        rows => Serde(rows),
        total,
        next => next.as_ref().map(|cursor| query.address(Some(cursor))),
        is_filtered => query.q.is_some() || query.show.is_some() || query.coverage.is_some(),
        standings => Serde(Standing::ALL.map(|one| context! { value => one.as_str(), label => one.label() })),
    })
}

/// What the page itself has to say: the Lake is away, or its file is not as it should be.
fn is_told(error: &ServiceError) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Impossible)
}

/// Why nothing can be written now.
pub(in crate::web) fn closed(state: &WebState) -> Option<String> {
    match state.services.roots.live(Root::Lake) {
        Ok(live) if live.writable => None,
        Ok(_) => Some("The hub may not write to the Lake, where the addresses are kept.".to_owned()),
        Err(error) => Some(Problem::from(error).detail),
    }
}

/// The round of looks under way, and the run of look-ups.
pub(in crate::web) async fn progress(state: &WebState) -> Answer<Value> {
    let check = state.services.source_checks.latest().await?;
    let run = state.services.discoveries.list(PageRequest::latest(1)).await?.items.into_iter().next();
    Ok(context! { check => check.map(Serde), run => run.map(Serde), labels => Serde(labels()) })
}

/// Who may be asked, and whether that can be changed here.
pub(in crate::web) fn lookups(state: &WebState) -> Value {
    let key = Key::Lookups.name();
    let settings = state.services.settings.view();
    let source = settings.items.iter().find(|item| item.key == key).map(|item| item.source);
    let fixed = match source {
        Some(ValueSource::Environment) => Some(format!("Set by the environment variable {key}.")),
        Some(ValueSource::Flag) => Some("Set on the command line.".to_owned()),
        _ => None,
    };
    context! { finders => Serde(finders(state)), lookups_fixed => fixed }
}

/// What sites are called, by their names in the file.
fn labels() -> BTreeMap<&'static str, &'static str> {
    let sites = Site::ALL.iter().map(|site| (site.as_str(), site.label()));
    sites.chain([("header", "the file's header"), ("sidecar", "a file beside it")]).collect()
}

/// The library by whether it can be had again.
#[derive(Debug, Serialize)]
struct CoverageTab {
    value: &'static str,
    label: &'static str,
    address: String,
    about: &'static str,
    n: Option<u64>,
    size_bytes: Option<u64>,
}

async fn tabs(state: &WebState, query: &SourcesPageQuery) -> Answer<Vec<CoverageTab>> {
    let coverage = state.services.sources.coverage().await?;
    let address = |covered| SourcesPageQuery { coverage: covered, cursor: None, ..query.clone() }.address(None);
    let all = CoverageTab {
        value: "",
        label: "With addresses",
        address: address(None),
        about: "",
        n: None,
        size_bytes: None,
    };
    let tab = |covered: &Covered| {
        let sum = coverage.by_coverage.get(covered).copied().unwrap_or_default();
        CoverageTab {
            value: covered.as_str(),
            label: covered.label(),
            address: address(Some(*covered)),
            about: covered.about(),
            n: Some(sum.n),
            size_bytes: Some(sum.size_bytes),
        }
    };
    Ok([all].into_iter().chain(Covered::ALL.iter().map(tab)).collect())
}

async fn rows(state: &WebState, records: Vec<SourceRecord>) -> Answer<Vec<SourceRow>> {
    let read = move |connection: &crate::storage::Connection| {
        let row = |record: SourceRecord| {
            let content = contents::show(connection, &record.hash)?;
            let files = content.map(|content| content.files).unwrap_or_default();
            let n_files = files.len();
            let file = files.into_iter().next().map(|(root, path)| SourcePlace { root, path });
            let short: String = record.hash.to_hex().chars().take(12).collect();
            Ok(SourceRow {
                hash: record.hash.to_string(),
                title: record.names.first().cloned().unwrap_or_else(|| format!("blake3:{short}…")),
                short,
                size_bytes: record.size_bytes,
                file,
                n_files,
                urls: record.urls.into_iter().map(AddressView::from).collect(),
                unusable: record.unusable.into_iter().map(UnusableView::from).collect(),
            })
        };
        records.into_iter().map(row).collect()
    };
    Ok(state.services.database.read(read).await?)
}

impl SourcesPageQuery {
    /// The query of this list, or of a page of it.
    pub(in crate::web) fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new()
            .with_some("q", self.q.as_ref())
            .with_some("show", self.show.map(Standing::as_str))
            .with_some("coverage", self.coverage.map(Covered::as_str))
            .with_some("cursor", cursor)
            .into_text()
    }
}
