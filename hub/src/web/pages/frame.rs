//! What stands around every page: the bar on top, notices, and the token of this run.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value, merge_maps};
use serde::Serialize;

use crate::domain::root::Root;
use crate::services::Services;
use crate::web::error::{Answer, Problem};
use crate::web::state::WebState;
use crate::web::templates::{self, format};

#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Frame {
    /// Its name in the bar on top.
    pub section: &'static str,
    pub title: &'static str,
    /// What its socket tells it about, by the names of [`crate::web::live::Topic`].
    pub topics: &'static str,
}

#[derive(Serialize)]
struct Shell<'a> {
    section: &'a str,
    title: &'a str,
    topics: &'a str,
    token: &'a str,
    launch: String,
    demo: bool,
}

/// Something to know on every page.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Notice {
    icon: &'static str,
    text: String,
    link: Option<&'static str>,
    link_text: &'static str,
}

/// Makes a page of a template and what it shows.
pub(in crate::web) async fn page(state: &WebState, frame: Frame, template: &str, content: Value) -> Answer<Response> {
    let shell = Shell {
        section: frame.section,
        title: frame.title,
        topics: frame.topics,
        token: state.token.as_str(),
        launch: state.token.launch(),
        demo: state.services.is_demo(),
    };
    let context = join([context! { shell => Serde(shell) }, content, strip(state).await?]);
    let mut response = Html(render(template, context)?).into_response();
    // Kept by the browser for Back, asked for again otherwise.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Several contexts as one.
pub(in crate::web) fn join<const N: usize>(contexts: [Value; N]) -> Value {
    merge_maps(contexts)
}

/// Makes a piece of a page.
pub(in crate::web) fn fragment(template: &str, context: Value) -> Answer<Response> {
    let mut response = Html(render(template, context)?).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Renders a template; a template that fails is a fault of the hub.
pub(in crate::web) fn render(template: &str, context: Value) -> Answer<String> {
    templates::render(template, context).map_err(|error| Problem::internal(&error))
}

/// The queue in the bar on top, and the notices below it.
pub(in crate::web) async fn strip(state: &WebState) -> Answer<Value> {
    let queue = super::load::summary(state).await?;
    Ok(context! { strip => Serde(queue), notices => Serde(notices(&state.services)) })
}

fn notices(services: &Services) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(trouble) = services.database.troubles().now() {
        let since = format::since(trouble.since, Timestamp::now());
        notices.push(Notice {
            icon: "triangle-alert",
            text: format!(
                "The database can't be written since {since}: {}. {} Nothing new begins until then, and nothing that \
                 was done is lost.",
                trouble.why, trouble.todo
            ),
            link: None,
            link_text: "",
        });
    }
    for root in Root::ALL {
        let status = services.roots.status(root);
        if !status.configured || status.online {
            continue;
        }
        let since = status.offline_since.map(|at| format!(" since {}", format::since(at, Timestamp::now())));
        let why = status.offline_reason.map(|why| format!(": {why}")).unwrap_or_default();
        let note = status.index_note.map(|note| format!(" {note}")).unwrap_or_default();
        let (what, link) = match (status.can_adopt, root) {
            (true, Root::Local) => ("waits for your decision", Some("/#root-local")),
            (true, Root::Lake) => ("waits for your decision", Some("/#root-lake")),
            (false, _) => ("can't be reached", None),
        };
        notices.push(Notice {
            icon: "wifi-off",
            text: format!("{} {what}{}{why}.{note}", root.label(), since.unwrap_or_default()),
            link,
            link_text: if link.is_some() { "What to do" } else { "" },
        });
    }
    if !services.settings.current().is_set_up() {
        notices.push(Notice {
            icon: "info",
            text: "The two folders are not set up yet.".to_owned(),
            link: Some("/setup"),
            link_text: "Set them up",
        });
    }
    notices
}
