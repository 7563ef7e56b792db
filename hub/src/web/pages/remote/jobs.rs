//! The list of jobs: open, failed, done, dropped.

use std::collections::HashMap;

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use shared_protocol::AgentId;

use crate::domain::remote_job::JobState;
use crate::services::remote::job_view::JobView;
use crate::storage::jobs::{self as stored, JobFilter};
use crate::storage::views::page::PageRequest;
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::optional;
use crate::web::state::WebState;

/// Jobs on one page.
const ROWS: u32 = 100;

/// Which jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum JobsTab {
    /// What has not ended.
    #[default]
    Open,
    /// What was given up.
    Failed,
    Done,
    /// What was dropped.
    Cancelled,
}

impl JobsTab {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Open, "To do"), (Self::Failed, "Failed"), (Self::Done, "Done"), (Self::Cancelled, "Cancelled")];

    fn as_str(self) -> &'static str {
        self.into()
    }

    /// The one state of its jobs; none of those that have not ended.
    const fn state(self) -> Option<JobState> {
        match self {
            Self::Open => None,
            Self::Failed => Some(JobState::Failed),
            Self::Done => Some(JobState::Succeeded),
            Self::Cancelled => Some(JobState::Cancelled),
        }
    }

    fn has(self, state: JobState) -> bool {
        self.state().map_or(!state.is_final(), |own| own == state)
    }
}

/// Everything behind the `?` of the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct JobsQuery {
    #[serde(deserialize_with = "optional")]
    tab: Option<JobsTab>,
    #[serde(deserialize_with = "optional")]
    agent: Option<AgentId>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

impl JobsQuery {
    /// The query of this list, or of a page of it.
    pub(in crate::web) fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new()
            .with_some("tab", self.tab.filter(|tab| *tab != JobsTab::Open).map(JobsTab::as_str))
            .with_some("agent", self.agent.map(|agent| agent.to_string()).as_ref())
            .with_some("cursor", cursor)
            .into_text()
    }
}

#[derive(Debug, Serialize)]
struct TabView {
    name: JobsTab,
    label: &'static str,
    n: u64,
}

/// A job with what only pages say of it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct JobListLine {
    #[serde(flatten)]
    pub view: JobView,
    pub agent_name: String,
    pub title: String,
    pub can_cancel: bool,
    pub can_retry: bool,
    pub is_under_way: bool,
    /// How a success came about, in words.
    pub how_text: Option<&'static str>,
}

/// What the list shows: `{page, tabs}`.
pub(in crate::web) async fn content(state: &WebState, query: &JobsQuery) -> Answer<Value> {
    Ok(context! { page => list(state, query).await?, ..tabs(state, query.agent).await? })
}

/// How many there are of each: `{tabs}`.
async fn tabs(state: &WebState, agent: Option<AgentId>) -> Answer<Value> {
    let counts = state.services.database.read(move |connection| stored::counts(connection, agent)).await?;
    let count = |tab: JobsTab| counts.iter().filter(|(state, _)| tab.has(*state)).map(|(_, n)| n).sum();
    let tabs: Vec<_> = JobsTab::ALL.into_iter().map(|(name, label)| TabView { name, label, n: count(name) }).collect();
    Ok(context! { tabs => Serde(tabs) })
}

/// One list.
async fn list(state: &WebState, query: &JobsQuery) -> Answer<Value> {
    let tab = query.tab.unwrap_or_default();
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let filter = JobFilter { agent: query.agent, state: tab.state(), open: tab == JobsTab::Open };
    let found = state.services.remote.list_jobs(filter, request).await?;
    let names = names(state).await?;
    let rows: Vec<JobListLine> = found.items.into_iter().map(|job| JobListLine::of(job, &names)).collect();
    Ok(context! {
        tab => Serde(tab),
        agent => query.agent.map(|agent| agent.to_string()),
        state => query.address(query.cursor.as_ref()),
        next => found.next_cursor.as_ref().map(|cursor| query.address(Some(cursor))),
        rows => Serde(rows),
    })
}

/// What machines are called.
pub(in crate::web) async fn names(state: &WebState) -> Answer<HashMap<AgentId, String>> {
    let agents = state.services.remote.list_agents().await?;
    Ok(agents.into_iter().map(|agent| (agent.id, agent.name)).collect())
}

impl JobListLine {
    /// A job as the pages show it.
    pub(in crate::web) fn of(view: JobView, names: &HashMap<AgentId, String>) -> Self {
        let repository = || view.url.as_deref().and_then(|url| url.rsplit('/').next()).unwrap_or_default().to_owned();
        Self {
            agent_name: names.get(&view.agent_id).cloned().unwrap_or_default(),
            title: view.path.clone().unwrap_or_else(repository),
            can_cancel: !view.state.is_final() && !view.cancelling,
            can_retry: matches!(view.state, JobState::Failed | JobState::Cancelled),
            is_under_way: matches!(view.state, JobState::Running | JobState::Verifying | JobState::Paused),
            how_text: view.how.as_deref().map(how),
            view,
        }
    }
}

/// How a success came about, in words.
pub(in crate::web) fn how(word: &str) -> &'static str {
    match word {
        "downloaded" => "Downloaded and verified",
        "already_there" => "Was there already",
        "linked" => "Linked to the same content there",
        "copied" => "Copied from the same content there",
        "cloned" => "Cloned",
        "updated" => "Updated",
        _ => "Done",
    }
}
