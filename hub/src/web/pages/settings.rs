//! The settings, with where each value came from.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, page};
use crate::config::Source;
use crate::services::settings::SettingView;
use crate::web::error::Answer;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "settings", title: "Settings", topics: "strip" };

/// Which keys stand together under which title.
const GROUPS: [(&str, &[(&str, &str)]); 6] = [
    (
        "Folders",
        &[
            ("LOCAL_MODELS_ROOT", "Local folder"),
            ("LAKE_MODELS_ROOT", "Lake folder"),
            ("LOCAL_ALLOW_DELETE", "Deleting in Local"),
            ("LAKE_ALLOW_DELETE", "Deleting in the Lake"),
        ],
    ),
    ("Queue", &[("QUEUE_CONCURRENCY", "Transfers at once"), ("QUEUE_RETRY_COUNT", "Tries after the first")]),
    (
        "Scans and hashes",
        &[
            ("SCAN_INTERVAL_MINUTES", "Minutes between scans"),
            ("HASH_SHA256", "SHA-256 too"),
            ("LOCAL_HASH_READERS", "Files of Local hashed at once"),
            ("LAKE_HASH_READERS", "Files of the Lake hashed at once"),
            ("SCRUB_GB_PER_DAY", "GB verified per day"),
            ("SCRUB_HOURS", "Hours of verifying"),
        ],
    ),
    (
        "Remote machines",
        &[
            ("REMOTE_BASE_URL", "Public address"),
            ("REMOTE_BIND", "Where it leads to"),
            ("REMOTE_TLS_CERT", "Certificate"),
            ("REMOTE_TLS_KEY", "Key of the certificate"),
            ("REMOTE_SESSION_TTL_MINUTES", "Minutes of a session"),
            ("REMOTE_UPLOAD_LIMIT", "Most that is sent per second"),
            ("REMOTE_STALL_TIMEOUT_SECONDS", "Seconds until a download stalls"),
            ("REMOTE_MIN_SPEED", "Slowest speed"),
            ("REMOTE_RETRY_PER_SOURCE", "Tries per source"),
            ("REMOTE_ALLOW_PRIVATE_SOURCES", "Private sources"),
            ("COMFY_REPO_URL", "ComfyUI's repository"),
            ("AGENT_BINARY", "The agent's program"),
        ],
    ),
    ("Tokens", &[("HF_TOKEN", "Hugging Face"), ("CIVITAI_TOKEN", "Civitai")]),
    ("This hub", &[("HUB_PORT", "Port"), ("APP_DATA_DIR", "Data folder")]),
];

/// Keys that are either `true` or `false`.
const SWITCHES: [&str; 4] = ["LOCAL_ALLOW_DELETE", "LAKE_ALLOW_DELETE", "HASH_SHA256", "REMOTE_ALLOW_PRIVATE_SOURCES"];

#[derive(Debug, Serialize)]
struct Group {
    title: &'static str,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    key: &'static str,
    label: &'static str,
    explanation: &'static str,
    value: String,
    placeholder: String,
    choices: Vec<Choice>,
    is_fixed: bool,
    is_secret: bool,
    needs_restart: bool,
    source_text: String,
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
}

/// What was tried and what was wrong with it.
#[derive(Debug, Default)]
pub(in crate::web) struct Tried {
    /// The values that were sent, by key.
    pub values: BTreeMap<String, String>,
    /// What is wrong, by key.
    pub problems: BTreeMap<String, String>,
    /// What was done.
    pub note: Option<&'static str>,
}

/// Shows the settings.
pub(super) async fn show_settings(State(state): State<WebState>) -> Answer<Response> {
    let file = state.services.settings.current().app_data_dir.join(crate::config::file::NAME);
    let form = form(&state, &Tried::default());
    let content = context! { page => context! { file => file.display().to_string(), ..form } };
    page(&state, FRAME, "pages/settings.html", content).await
}

/// What the form shows.
pub(in crate::web) fn form(state: &WebState, tried: &Tried) -> Value {
    let views = state.services.settings.view().items;
    let groups: Vec<Group> = GROUPS
        .into_iter()
        .map(|(title, keys)| Group {
            title,
            items: keys
                .iter()
                .filter_map(|(key, label)| Some(item(views.iter().find(|view| view.key == *key)?, label, tried)))
                .collect(),
        })
        .collect();
    context! { groups => Serde(groups), note => tried.note, n_problems => tried.problems.len() }
}

/// The keys of the form, as they are sent.
pub(in crate::web) fn keys() -> impl Iterator<Item = &'static str> {
    GROUPS.into_iter().flat_map(|(_, keys)| keys.iter().map(|(key, _)| *key))
}

/// What the fields of the form hold as long as nobody changes them, by key.
pub(in crate::web) fn shown_values(state: &WebState) -> BTreeMap<&'static str, String> {
    state.services.settings.view().items.iter().map(|view| (view.key, shown_value(view))).collect()
}

fn shown_value(view: &SettingView) -> String {
    let own = match view.source {
        Source::Default if view.key != "APP_DATA_DIR" => String::new(),
        _ if view.secret => String::new(),
        _ => view.value.clone().unwrap_or_default(),
    };
    // A switch is never empty.
    if SWITCHES.contains(&view.key) && own.is_empty() { view.default.unwrap_or_default().to_owned() } else { own }
}

fn item(view: &SettingView, label: &'static str, tried: &Tried) -> Item {
    let is_fixed = matches!(view.source, Source::Flag | Source::Environment) || view.key == "APP_DATA_DIR";
    let own = shown_value(view);
    let is_switch = SWITCHES.contains(&view.key);
    let default = view.default.unwrap_or_default();
    let choices = if is_switch {
        vec![Choice { value: "true", label: "Yes" }, Choice { value: "false", label: "No" }]
    } else {
        Vec::new()
    };
    Item {
        key: view.key,
        label,
        explanation: view.help,
        value: tried.values.get(view.key).cloned().filter(|_| !is_fixed).unwrap_or(own),
        placeholder: if view.secret && view.value.is_some() {
            "set; empty keeps it, “none” takes it out".to_owned()
        } else {
            default.to_owned()
        },
        is_secret: view.secret,
        choices,
        is_fixed,
        needs_restart: view.needs_restart && !is_fixed,
        source_text: match view.source {
            Source::Default if default.is_empty() => "Not set".to_owned(),
            Source::Default => "The default".to_owned(),
            Source::File => "From config.toml".to_owned(),
            Source::Environment => format!("Set by the environment variable {}", view.key),
            Source::Flag => "Set on the command line".to_owned(),
        },
        problem: tried.problems.get(view.key).cloned(),
    }
}
