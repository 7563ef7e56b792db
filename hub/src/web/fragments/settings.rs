//! Saving settings: all of them are judged first, and what is wrong is told beside its field.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::context;

use super::confirmation::refused;
use crate::config::Key;
use crate::domain::root::Root;
use crate::services::SettingsError;
use crate::web::error::{Answer, Problem};
use crate::web::extract::FormBody;
use crate::web::pages::frame::fragment;
use crate::web::pages::settings::{TriedSettings, form, keys, shown_values};
use crate::web::pages::setup;
use crate::web::state::WebState;

/// Leads the browser to another page.
pub(in crate::web) const REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

type SettingsFields = BTreeMap<String, String>;

/// Saves the settings form.
pub(super) async fn save_settings(
    State(state): State<WebState>,
    FormBody(fields): FormBody<SettingsFields>,
) -> Answer<Response> {
    let shown = shown_values(&state);
    // Fields that are set elsewhere are switched off in the form and not sent at all.
    let changes = keys()
        .filter(|key| *key != Key::AppDataDir.name())
        .filter_map(|key| Some((key.to_owned(), fields.get(key)?)))
        // What stands in the file stays as it stands there, unless someone changed it in the form.
        .filter(|(key, value)| shown.get(key.as_str()).is_none_or(|shown| shown != value.trim()))
        // A secret is never sent back to the page, so an empty field says nothing about it.
        .filter(|(key, value)| !(is_secret(key) && value.trim().is_empty()))
        .map(|(key, value)| {
            let default = Key::from_name(&key).and_then(Key::default_value);
            let text = value.trim();
            let is_taken_out = text.is_empty() || Some(text) == default || (is_secret(&key) && text == "none");
            let kept = (!is_taken_out).then(|| text.to_owned());
            (key, kept)
        })
        .collect();
    match state.services.save_settings(changes, &state.tasks).await {
        Ok(changed) => {
            let note = if changed.is_empty() { "Nothing was changed." } else { "Settings saved." };
            let tried = TriedSettings { note: Some(note), ..TriedSettings::default() };
            fragment("fragments/_settings.html", context! { page => form(&state, &tried) })
        }
        Err(error) => {
            let tried = tried(fields, error)?;
            refused("fragments/_settings.html", context! { page => form(&state, &tried) })
        }
    }
}

fn is_secret(key: &str) -> bool {
    Key::from_name(key).is_some_and(Key::is_secret)
}

/// Saves the two folders and begins the first scan.
pub(super) async fn save_setup(
    State(state): State<WebState>,
    FormBody(fields): FormBody<SettingsFields>,
) -> Answer<Response> {
    let mut missing = BTreeMap::new();
    let mut changes = BTreeMap::new();
    for root in Root::ALL {
        let key = setup::key(root);
        match fields.get(key).map(|value| value.trim().trim_matches('"')) {
            Some("") => {
                missing.insert(key.to_owned(), "Expected the path of a folder".to_owned());
            }
            Some(value) => {
                changes.insert(key.to_owned(), Some(value.to_owned()));
            }
            None => {}
        }
    }
    let tried = if missing.is_empty() {
        match state.services.set_up(changes, &state.tasks).await {
            Ok(()) => return Ok(lead_to("/")),
            Err(error) => tried(fields, error)?,
        }
    } else {
        TriedSettings { values: fields, problems: missing, note: None }
    };
    refused("fragments/_setup.html", context! { page => setup::form(&state, &tried) })
}

/// Makes the demo library and shows it.
pub(super) async fn use_demo(State(state): State<WebState>) -> Answer<Response> {
    state.services.set_up_demo(&state.tasks).await?;
    Ok(lead_to("/"))
}

fn lead_to(address: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(REDIRECT, HeaderValue::from_static(address));
    response
}

/// What was wrong, for the fields; a file that can't be written is no field's fault.
fn tried(values: SettingsFields, error: SettingsError) -> Answer<TriedSettings> {
    match error {
        SettingsError::Wrong(problems) => {
            let problems = problems.into_iter().map(|one| (one.key, format!("Expected {}", one.expected))).collect();
            Ok(TriedSettings { values, problems, note: None })
        }
        error @ SettingsError::File(_) => Err(Problem::from(error)),
    }
}
