//! The settings, with where each value came from.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, page};
use crate::config::keys::KeyKind;
use crate::config::{Key, ValueSource};
use crate::services::settings::SettingView;
use crate::web::error::Answer;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "settings", title: "Settings", topics: "strip" };

#[derive(Debug, Serialize)]
struct SettingsGroup {
    title: &'static str,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each decides about one part of the field")]
struct Item {
    key: &'static str,
    label: &'static str,
    explanation: &'static str,
    value: String,
    placeholder: String,
    is_switch: bool,
    is_fixed: bool,
    is_secret: bool,
    needs_restart: bool,
    source_text: String,
    problem: Option<String>,
}

/// What was tried and what was wrong with it.
#[derive(Debug, Default)]
pub(in crate::web) struct TriedSettings {
    /// The values that were sent, by key.
    pub values: BTreeMap<String, String>,
    /// What is wrong, by key.
    pub problems: BTreeMap<String, String>,
    pub note: Option<&'static str>,
}

pub(super) async fn show_settings(State(state): State<WebState>) -> Answer<Response> {
    let file = state.services.settings.current().app_data_dir.join(crate::config::file::NAME);
    let form = form(&state, &TriedSettings::default());
    let content = context! { page => context! { file => file.display().to_string(), ..form } };
    page(&state, FRAME, "pages/settings.html", content).await
}

/// What the form shows.
pub(in crate::web) fn form(state: &WebState, tried: &TriedSettings) -> Value {
    let mut groups: Vec<SettingsGroup> = Vec::new();
    for view in state.services.settings.view().items {
        let Some(key) = Key::from_name(view.key) else { continue };
        let (title, label) = key.on_page();
        if groups.last().is_none_or(|group| group.title != title) {
            groups.push(SettingsGroup { title, items: Vec::new() });
        }
        groups.last_mut().into_iter().for_each(|group| group.items.push(item(&view, key, label, tried)));
    }
    context! { groups => Serde(groups), note => tried.note, n_problems => tried.problems.len() }
}

/// The keys of the form, as they are sent.
pub(in crate::web) fn keys() -> impl Iterator<Item = &'static str> {
    Key::all().map(Key::name)
}

/// What the fields of the form hold as long as nobody changes them, by key.
pub(in crate::web) fn shown_values(state: &WebState) -> BTreeMap<&'static str, String> {
    state.services.settings.view().items.iter().map(|view| (view.key, shown_value(view))).collect()
}

fn shown_value(view: &SettingView) -> String {
    let own = match view.source {
        ValueSource::Default if view.key != "APP_DATA_DIR" => String::new(),
        _ if view.secret => String::new(),
        _ => view.value.clone().unwrap_or_default(),
    };
    // A switch is never empty.
    let is_switch = Key::from_name(view.key).is_some_and(|key| key.kind() == KeyKind::Switch);
    if is_switch && own.is_empty() { view.default.unwrap_or_default().to_owned() } else { own }
}

fn item(view: &SettingView, key: Key, label: &'static str, tried: &TriedSettings) -> Item {
    let is_fixed = matches!(view.source, ValueSource::Flag | ValueSource::Environment) || view.key == "APP_DATA_DIR";
    let own = shown_value(view);
    let default = view.default.unwrap_or_default();
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
        is_switch: key.kind() == KeyKind::Switch,
        is_fixed,
        needs_restart: view.needs_restart && !is_fixed,
        source_text: match view.source {
            ValueSource::Default if default.is_empty() => "Not set".to_owned(),
            ValueSource::Default => "The default".to_owned(),
            ValueSource::File => "From config.toml".to_owned(),
            ValueSource::Environment => format!("Set by the environment variable {}", view.key),
            ValueSource::Flag => "Set on the command line".to_owned(),
        },
        problem: tried.problems.get(view.key).cloned(),
    }
}
