//! The first page of a hub without folders: two fields, and the demo library.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, page};
use super::settings::TriedSettings;
use crate::config::ValueSource;
use crate::domain::root::Root;
use crate::web::error::Answer;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "setup", title: "Set up", topics: "strip" };

const fn examples() -> (&'static str, &'static str) {
    if cfg!(windows) { (r"D:\ComfyUI\models", r"\\nas\models") } else { ("/home/me/ComfyUI/models", "/mnt/nas/models") }
}

#[derive(Debug, Serialize)]
struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    placeholder: &'static str,
    value: String,
    problem: Option<String>,
    /// Why it can't be changed here.
    is_fixed: Option<&'static str>,
}

pub(super) async fn show_setup(State(state): State<WebState>) -> Answer<Response> {
    let content = context! {
        page => context! {
            can_demo => !state.services.is_demo(),
            is_demo => state.services.is_demo(),
            ..form(&state, &TriedSettings::default())
        },
    };
    page(&state, FRAME, "pages/setup.html", content).await
}

/// The key of a root's folder.
pub(in crate::web) const fn key(root: Root) -> &'static str {
    match root {
        Root::Local => "LOCAL_MODELS_ROOT",
        Root::Lake => "LAKE_MODELS_ROOT",
    }
}

/// What the form shows.
pub(in crate::web) fn form(state: &WebState, tried: &TriedSettings) -> Value {
    let fields = Root::ALL.map(|root| field(state, root, tried));
    let elsewhere = tried.problems.iter().find(|(name, _)| Root::ALL.iter().all(|root| key(*root) != name.as_str()));
    let can_save = fields.iter().any(|field| field.is_fixed.is_none());
    context! { items => Serde(fields), can_save, problem => elsewhere.map(|(name, problem)| format!("{name}: {problem}")) }
}

fn field(state: &WebState, root: Root, tried: &TriedSettings) -> Field {
    let views = state.services.settings.view().items;
    let view = views.iter().find(|view| view.key == key(root));
    let source = view.map_or(ValueSource::Default, |view| view.source);
    // The demo's folders are nobody's choice: the fields begin empty.
    let own = view.and_then(|view| view.value.clone()).filter(|_| !state.services.is_demo()).unwrap_or_default();
    let is_fixed = match source {
        ValueSource::Environment => Some("Set by an environment variable: change it there."),
        ValueSource::Flag if state.services.demo => {
            Some("“hub demo” shows its own folders only. Start “hub” without “demo” to choose yours.")
        }
        ValueSource::Flag => Some("Set on the command line: change it there."),
        _ => None,
    };
    let (local, lake) = examples();
    let (label, hint, placeholder) = match root {
        Root::Local => {
            ("Local: the models folder beside ComfyUI", "The fast, small one, for example on your SSD.", local)
        }
        Root::Lake => {
            ("Lake: the big models folder", "Usually on a NAS or a large disk; it may be offline at times.", lake)
        }
    };
    Field {
        name: key(root),
        label,
        hint,
        placeholder,
        value: tried.values.get(key(root)).cloned().unwrap_or(own),
        problem: tried.problems.get(key(root)).cloned(),
        is_fixed,
    }
}
