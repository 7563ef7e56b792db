//! What a page can be told about, and the places that show it.

use minijinja::context;
use minijinja::value::Value;

use crate::domain::root::Root;
use crate::services::Event;
use crate::web::error::{Answer, Problem};
use crate::web::fragments::toast::partial;
use crate::web::pages::remote::machines;
use crate::web::pages::{duplicates, frame, hashes, home, models, queue, remote, sources};
use crate::web::state::WebState;

/// Something that pages show and that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[derive(strum::IntoStaticStr, strum::VariantArray, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub(in crate::web) enum Topic {
    /// The queue in the bar on top, and the notices.
    Strip,
    /// The scan under way.
    Scan,
    /// The cards of both folders.
    Roots,
    /// Counts of the comparison.
    Comparison,
    /// The queue in a few numbers.
    Load,
    /// The latest history.
    Recent,
    /// The queue with what runs.
    Queue,
    /// Coverage and work of hashing.
    Hashes,
    /// The search for duplicates, and their groups.
    Duplicates,
    /// The round of looks at addresses, and the list of addresses.
    Sources,
    /// The list of the library.
    Library,
    /// The list of models.
    Models,
    /// The picture of what the models are.
    Kinds,
    /// The list of differences.
    Diff,
    /// The list of the history.
    History,
    /// The list of the trash.
    Trash,
    /// The lists of what may leave Local and what has left it.
    Evict,
    /// What takes space.
    Space,
    /// The session, the machines and their jobs.
    Remote,
    /// The jobs of machines.
    Jobs,
    /// What machines do, beside the queue.
    Machines,
    /// The machines on the overview, with what they do.
    Fleet,
}

/// One place of a page with what fills it.
#[derive(Debug)]
pub(in crate::web) struct Piece {
    pub id: &'static str,
    /// What fills it, addressed to the place.
    pub html: String,
}

impl Topic {
    /// The topics of a list of names.
    pub(in crate::web) fn read(names: &str) -> Answer<Vec<Self>> {
        let mut topics = Vec::new();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let topic = name.parse().map_err(|_| Problem::malformed("topics: one of them is not known"))?;
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        Ok(topics)
    }

    /// Whether an event changes what its places show.
    pub(in crate::web) const fn is_about(self, event: Event) -> bool {
        match self {
            Self::Strip => matches!(
                event,
                Event::QueueChanged
                    | Event::TransferChanged(_)
                    | Event::RootChanged(_)
                    | Event::SettingsChanged
                    | Event::JobChanged(_)
                    | Event::AgentChanged(_)
            ),
            Self::Machines | Self::Fleet => matches!(event, Event::JobChanged(_) | Event::AgentChanged(_)),
            Self::Scan => matches!(event, Event::ScanChanged(_)),
            Self::Roots => matches!(
                event,
                Event::IndexChanged(_)
                    | Event::RootChanged(_)
                    | Event::ScanChanged(_)
                    | Event::HashChanged(_)
                    | Event::SettingsChanged
            ),
            Self::Kinds => matches!(event, Event::ModelsChanged | Event::IndexChanged(_)),
            Self::Comparison => matches!(event, Event::PairsChanged | Event::RootChanged(_)),
            Self::Load | Self::Queue => matches!(event, Event::QueueChanged | Event::TransferChanged(_)),
            Self::Recent => matches!(event, Event::HistoryAdded),
            Self::Hashes => matches!(event, Event::HashChanged(_) | Event::IndexChanged(_)),
            Self::Duplicates => matches!(event, Event::DuplicateScanChanged(_)),
            Self::Sources => matches!(event, Event::SourceCheckChanged | Event::DiscoveryChanged(_)),
            Self::Remote => {
                matches!(event, Event::SessionChanged | Event::AgentChanged(_) | Event::SettingsChanged)
            }
            Self::Jobs
            | Self::Library
            | Self::Models
            | Self::Diff
            | Self::History
            | Self::Trash
            | Self::Evict
            | Self::Space => false,
        }
    }

    /// The list that belongs to it, which the page fetches itself.
    pub(in crate::web) const fn list(self) -> Option<&'static str> {
        match self {
            Self::Queue => Some("queue"),
            Self::Duplicates => Some("duplicates"),
            Self::Sources => Some("sources"),
            Self::Library => Some("library"),
            Self::Models => Some("models"),
            Self::Diff => Some("diff"),
            Self::History => Some("history"),
            Self::Trash => Some("trash"),
            Self::Evict => Some("evict"),
            Self::Space => Some("space"),
            Self::Jobs => Some("jobs"),
            _ => None,
        }
    }

    /// The list that an event changes. Progress of a transfer moves no list.
    pub(in crate::web) const fn list_of(self, event: Event) -> Option<&'static str> {
        let changes = match self {
            Self::Queue => matches!(event, Event::QueueChanged | Event::BatchChanged(_)),
            Self::Duplicates => matches!(event, Event::DuplicatesChanged | Event::IndexChanged(_)),
            Self::Sources => {
                matches!(event, Event::SourcesChanged | Event::RootChanged(Root::Lake) | Event::SettingsChanged)
            }
            Self::Library => matches!(event, Event::IndexChanged(_) | Event::PairsChanged),
            Self::Models => matches!(event, Event::ModelsChanged | Event::DescribeChanged(_) | Event::IndexChanged(_)),
            Self::Diff => matches!(event, Event::PairsChanged),
            Self::History => matches!(event, Event::HistoryAdded),
            Self::Space => matches!(event, Event::IndexChanged(_) | Event::RootChanged(_)),
            Self::Jobs => matches!(event, Event::JobChanged(_)),
            Self::Trash => matches!(event, Event::IndexChanged(_) | Event::BatchChanged(_)),
            Self::Evict => matches!(event, Event::IndexChanged(_) | Event::BatchChanged(_) | Event::RootChanged(_)),
            _ => false,
        };
        if changes { self.list() } else { None }
    }

    /// Its places, as they are now.
    pub(in crate::web) async fn pieces(self, state: &WebState) -> Answer<Vec<Piece>> {
        match self {
            Self::Strip => {
                let content = frame::strip(state).await?;
                pieces(&content, [("strip", "fragments/_strip.html"), ("notices", "fragments/_notices.html")])
            }
            Self::Scan => pieces(&home::scan_progress(state), [("scan-progress", "fragments/_scan.html")]),
            Self::Roots => {
                let content = context! { page => home::root_cards(state).await? };
                pieces(&content, [("roots", "fragments/_roots.html")])
            }
            Self::Kinds => {
                pieces(&models::overview::overview(state).await?, [("home-models", "fragments/_home_models.html")])
            }
            Self::Comparison => {
                let content = context! { page => home::comparison(state).await? };
                pieces(&content, [("diff-counts", "fragments/_diff_counts.html")])
            }
            Self::Load => pieces(&home::queue_load(state).await?, [("home-queue", "fragments/_home_queue.html")]),
            Self::Recent => pieces(&home::recent(state).await?, [("recent", "fragments/_recent.html")]),
            Self::Queue => pieces(
                &queue::overall(state).await?,
                [
                    ("queue-buttons", "fragments/_queue_buttons.html"),
                    ("queue-figures", "fragments/_queue_figures.html"),
                    ("queue-running", "fragments/_queue_running.html"),
                ],
            ),
            Self::Machines => {
                pieces(&machines::under_way(state).await?, [("machines-jobs", "fragments/_machines_jobs.html")])
            }
            Self::Fleet => {
                pieces(&machines::overview(state).await?, [("home-machines", "fragments/_home_machines.html")])
            }
            Self::Duplicates => pieces(
                &duplicates::progress(state).await?,
                [("duplicates-search", "fragments/_duplicates_search.html")],
            ),
            Self::Sources => pieces(
                &sources::progress(state).await?,
                [("sources-check", "fragments/_sources_check.html"), ("discovery", "fragments/_discovery.html")],
            ),
            Self::Hashes => pieces(
                &hashes::content(state).await?,
                [
                    ("hash-coverage", "fragments/_hash_coverage.html"),
                    ("hash-jobs", "fragments/_hash_jobs.html"),
                    ("scrub", "fragments/_scrub.html"),
                ],
            ),
            Self::Remote => pieces(
                &remote::live(state).await?,
                [
                    ("remote-session", "fragments/_remote_session.html"),
                    ("remote-agents", "fragments/_remote_agents.html"),
                ],
            ),
            Self::Jobs
            | Self::Library
            | Self::Models
            | Self::Diff
            | Self::History
            | Self::Trash
            | Self::Evict
            | Self::Space => Ok(Vec::new()),
        }
    }
}

fn pieces<const N: usize>(content: &Value, places: [(&'static str, &'static str); N]) -> Answer<Vec<Piece>> {
    let piece = |(id, template): (&'static str, &str)| {
        Ok(Piece { id, html: partial(id, "innerMorph", template, content.clone())? })
    };
    places.into_iter().map(piece).collect()
}
