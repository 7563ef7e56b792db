//! What all dialogs have in common that ask before something is done: what they show, what their answer
//! says again, and how it is told inside of them that it can't be done.

use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use crate::domain::confirmation::is_said;
use crate::web::error::{Answer, Problem};
use crate::web::pages::frame::fragment;

/// Names that are shown one by one.
const NAMED: usize = 5;

/// What `layouts/dialog.html` shows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Confirmation {
    /// Where the answer goes.
    pub post: &'static str,
    pub title: String,
    pub button: String,
    pub is_danger: bool,
    pub n: u64,
    pub size_bytes: u64,
    pub typed: Option<String>,
    /// Why it can't be done now.
    pub reason: Option<String>,
    /// The first of what it is about.
    pub first: Vec<Value>,
    pub n_more: usize,
    /// What the answer says again.
    pub fields: Vec<(String, String)>,
}

impl Confirmation {
    /// A dialog with the text of its button, whose answer says `again`: a struct of plain values, of
    /// which those that say nothing are left out.
    pub(super) fn new(post: &'static str, button: String, again: &impl Serialize) -> Self {
        Self { post, title: format!("{button}?"), button, fields: named(again), ..Self::default() }
    }

    /// Names the first of these, and how many more there are.
    pub(super) fn naming<T: Serialize>(mut self, all: impl IntoIterator<Item = T>) -> Self {
        let mut all = all.into_iter();
        self.first = all.by_ref().take(NAMED).map(|one| Value::from(Serde(one))).collect();
        self.n_more = all.count();
        self
    }

    /// The dialog, with what only its own template knows.
    pub(super) fn show(self, template: &str, own: Value) -> Answer<Response> {
        fragment(template, context! { confirm => Serde(self), ..own })
    }
}

/// The members of a struct of plain values as names and texts.
pub(super) fn named(values: &impl Serialize) -> Vec<(String, String)> {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let members = match serde_json::to_value(values) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

/// Refuses an answer to a dialog that was about other files.
pub(super) fn check_shown(what: &str, is_as_shown: bool) -> Answer<()> {
    let text = || format!("{what} changed since: these are other files now. Close this and look again.");
    if is_as_shown { Ok(()) } else { Err(Problem::impossible(text())) }
}

/// Refuses an answer to a dialog without the words that it asked for.
pub(super) fn check_typed(expected: Option<&str>, typed: &str) -> Answer<()> {
    if is_said(expected, typed) { Ok(()) } else { Err(Problem::impossible("The words are not as asked for.")) }
}

/// What an answer to a dialog came to. What can't be done is told inside of it, and it stays open.
pub(super) fn in_dialog(done: Answer<Response>) -> Answer<Response> {
    let is_told = |status: StatusCode| status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
    match done {
        Err(problem) if is_told(problem.status) => {
            refused("fragments/_error_line.html", context! { text => problem.detail })
        }
        done => done,
    }
}

/// A form with what is wrong with it.
pub(super) fn refused(template: &str, context: Value) -> Answer<Response> {
    let mut response = fragment(template, context)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}
