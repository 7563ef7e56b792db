//! Short messages in the corner, and pieces for other places of the page beside the main answer.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use crate::web::error::Answer;
use crate::web::pages::frame::render;

/// A message, perhaps with a way back and a way on.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Toast {
    class: &'static str,
    icon: &'static str,
    text: String,
    undo: Option<Step>,
    link: Option<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    address: String,
    label: &'static str,
    icon: &'static str,
}

impl Toast {
    /// Something was done.
    pub(in crate::web) fn done(text: impl Into<String>) -> Self {
        Self { class: "is-done", icon: "circle-check", text: text.into(), undo: None, link: None }
    }

    /// Something was done, but not all of it.
    pub(in crate::web) fn warning(text: impl Into<String>) -> Self {
        Self { class: "is-warning", icon: "triangle-alert", ..Self::done(text) }
    }

    /// With a sentence more.
    #[must_use]
    pub(in crate::web) fn more(mut self, text: impl AsRef<str>) -> Self {
        self.text = format!("{}. {}", self.text, text.as_ref());
        self
    }

    /// With a button that takes it back.
    #[must_use]
    pub(in crate::web) fn undo(mut self, address: String, label: &'static str) -> Self {
        let icon = if label == "Undo" { "undo-2" } else { "x" };
        self.undo = Some(Step { address, label, icon });
        self
    }

    /// With a link to more.
    #[must_use]
    pub(in crate::web) fn link(mut self, address: String, label: &'static str) -> Self {
        self.link = Some(Step { address, label, icon: "arrow-right" });
        self
    }

    /// The toast as an answer that changes nothing else of the page.
    pub(in crate::web) fn answer(self) -> Answer<Response> {
        Ok(respond(self.piece()?))
    }

    /// The toast as a piece of an answer.
    pub(in crate::web) fn piece(self) -> Answer<String> {
        partial("toasts", "beforeend", "fragments/_toast.html", context! { toast => Serde(self) })
    }
}

/// A rendered template for the place of this id, whatever the main answer is swapped into.
pub(in crate::web) fn partial(id: &str, swap: &str, template: &str, context: Value) -> Answer<String> {
    Ok(format!("<hx-partial hx-target=\"#{id}\" hx-swap=\"{swap}\">{}</hx-partial>", render(template, context)?))
}

/// An answer of rendered pieces.
pub(in crate::web) fn respond(html: String) -> Response {
    let mut response = Html(html).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
