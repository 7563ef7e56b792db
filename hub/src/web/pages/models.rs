//! Models: what the library's files are, as cards or rows, with what narrows them.

mod labels;
pub(in crate::web) mod lines;
mod metadata;
pub(in crate::web) mod overview;
mod show;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::frame::{Frame, join, page};
use super::home;
use super::paging::Paging;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedFolder;
use crate::storage::saved_filters;
use crate::storage::views::files::{FileOrder, FileSort};
use crate::storage::views::models::{ModelFilter, ModelState, ModelWhere};
use crate::web::address::QueryString;
use crate::web::api::models::completed;
use crate::web::error::Answer;
use crate::web::extract::{Params, folder, optional, search, word};
use crate::web::spelled;
use crate::web::state::WebState;

pub(super) use show::show_model;

use labels::{base_label, kind_label, plain};

const FRAME: Frame = Frame { section: "library", title: "Models", topics: "strip,scan,models" };

/// Everything behind the `?` of the page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct ModelsPageQuery {
    #[serde(deserialize_with = "search")]
    q: Option<String>,
    #[serde(deserialize_with = "word")]
    kind: Option<String>,
    #[serde(deserialize_with = "word")]
    base: Option<String>,
    #[serde(deserialize_with = "word")]
    precision: Option<String>,
    #[serde(deserialize_with = "word")]
    format: Option<String>,
    #[serde(rename = "where", deserialize_with = "optional")]
    place: Option<ModelWhere>,
    #[serde(deserialize_with = "optional")]
    state: Option<ModelState>,
    #[serde(deserialize_with = "folder")]
    folder: Option<RelPath>,
    /// By which of these: the name, the size, the time.
    #[serde(deserialize_with = "optional")]
    sort: Option<FileSort>,
    #[serde(deserialize_with = "optional")]
    order: Option<FileOrder>,
    /// `rows`, or cards.
    #[serde(deserialize_with = "optional")]
    pub(in crate::web) view: Option<ModelsView>,
    #[serde(flatten)]
    pub(in crate::web) paging: Paging,
}

/// How models are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum ModelsView {
    Cards,
    Rows,
}

/// One choice of a filter.
#[derive(Debug, Serialize)]
struct Choice {
    value: String,
    label: String,
    n: u64,
}

impl ModelsPageQuery {
    async fn filter(&self, state: &WebState) -> Answer<ModelFilter> {
        let folder = self.folder.clone().map(TypedFolder::from);
        Ok(ModelFilter {
            search: self.q.clone(),
            kind: self.kind.clone(),
            base: self.base.clone(),
            precision: self.precision.clone(),
            format: self.format.clone(),
            place: self.place,
            state: self.state,
            folder: spelled::folder_of_both(state, Root::Local, folder).await?.any(),
        })
    }

    fn is_filtered(&self) -> bool {
        let words = [&self.q, &self.kind, &self.base, &self.precision, &self.format];
        words.into_iter().any(Option::is_some) || self.place.is_some() || self.state.is_some() || self.folder.is_some()
    }

    /// What says which list it is, without its page.
    pub(in crate::web) fn list(&self) -> QueryString {
        let sort = self.sort.filter(|sort| *sort != FileSort::Name).map(|sort| match sort {
            FileSort::Size => "size",
            FileSort::Name | FileSort::Modified => "modified",
        });
        QueryString::new()
            .with_some("q", self.q.as_ref())
            .with_some("kind", self.kind.as_ref())
            .with_some("base", self.base.as_ref())
            .with_some("precision", self.precision.as_ref())
            .with_some("format", self.format.as_ref())
            .with_some("where", self.place.map(<&str>::from))
            .with_some("state", self.state.map(<&str>::from))
            .with_some("folder", self.folder.as_ref())
            .with_some("sort", sort)
            .with_some("order", self.order.filter(|order| *order == FileOrder::Desc).map(|_| "desc"))
            .with_some("view", self.view.filter(|view| *view == ModelsView::Rows).map(|_| "rows"))
    }
}

/// Shows the models.
pub(super) async fn show_models(
    State(state): State<WebState>,
    Params(query): Params<ModelsPageQuery>,
) -> Answer<Response> {
    let content = join([
        context! { page => results(&state, &query).await? },
        saved(&state, &query).await?,
        home::scan_progress(&state),
    ]);
    page(&state, FRAME, "pages/models.html", content).await
}

/// The kept filters: `{saved, filter}`, with the filter that is shown.
pub(in crate::web) async fn saved(state: &WebState, query: &ModelsPageQuery) -> Answer<Value> {
    let filter = query.list().into_text();
    let kept = state.services.database.read(saved_filters::list).await?;
    let current = kept.iter().find(|kept| kept.query == filter).map(|kept| kept.name.clone());
    Ok(
        context! { saved => Serde(kept), filter => context! { query => filter, is_set => query.is_filtered(), current } },
    )
}

/// The list with the counts beside it.
pub(in crate::web) async fn results(state: &WebState, query: &ModelsPageQuery) -> Answer<Value> {
    let models = &state.services.models;
    let filter = query.filter(state).await?;
    let by = (query.sort.unwrap_or_default(), query.order.unwrap_or_default());
    let found = completed(state, models.list(filter.clone(), by, query.paging.request()?).await?).await;
    let total = found.total;
    let (shown, pager) = query.paging.follow(&query.list(), found.items.len(), found.next_cursor);
    Ok(context! {
        query => Serde(query),
        state => query.list().into_text(),
        rows => Serde(found.items),
        total,
        shown,
        pager => pager.map(Serde),
        is_rows => query.view == Some(ModelsView::Rows),
        is_filtered => query.is_filtered(),
        choices => choices(state, &filter).await?,
        reading => models.running().map(Serde),
    })
}

/// What each filter can be set to, with how many models there are of it among those that the others leave.
async fn choices(state: &WebState, filter: &ModelFilter) -> Answer<Value> {
    let groups = state.services.models.groups(filter.clone()).await?;
    let without = |change: fn(&mut ModelFilter)| {
        let mut other = filter.clone();
        change(&mut other);
        groups.facets(&other)
    };
    let choice = |counts: &std::collections::BTreeMap<String, u64>, label: &dyn Fn(&str) -> String| {
        let mut choices: Vec<Choice> =
            counts.iter().map(|(value, n)| Choice { value: value.clone(), label: label(value), n: *n }).collect();
        choices.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.label.cmp(&b.label)));
        Serde(choices)
    };
    Ok(context! {
        kind => choice(&without(|filter| filter.kind = None).kind, &kind_label),
        base => choice(&without(|filter| filter.base = None).base, &base_label),
        precision => choice(&without(|filter| filter.precision = None).precision, &plain),
        place => choice(&without(|filter| filter.place = None).places, &|value| place_label(value).to_owned()),
        state => choice(&without(|filter| filter.state = None).state, &|value| state_label(value).to_owned()),
    })
}

fn place_label(place: &str) -> &'static str {
    match place {
        "local" => "On Local",
        "lake" => "On the Lake",
        "both" => "On both",
        "one" => "Only one copy",
        "agent" => "On a machine outside",
        _ => "Evicted",
    }
}

fn state_label(state: &str) -> &'static str {
    match state {
        "ok" => "Sound",
        "damaged" => "Damaged",
        "odd" => "Odd",
        _ => "Not read yet",
    }
}
