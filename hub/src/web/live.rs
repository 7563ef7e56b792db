//! `/ws/ui`: what changes on a page that is open, as pieces of HTML.
//!
//! A page names its topics. A topic is some places of the page, each with the template that fills
//! it; the very functions that made the page make the pieces. A piece that is the same as the last
//! one is not sent again. Long lists are not sent at all: the page is told that they changed and
//! fetches them itself. While the socket is down the page asks [`poll`] for the same pieces.

mod topic;

use std::collections::HashMap;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

pub(super) use topic::Topic;

use super::error::{Answer, Problem};
use super::extract::Params;
use super::socket::{self, Feed, MAX_INCOMING_BYTES, PATIENCE};
use super::state::WebState;
use crate::services::Event;

/// Which topics a page shows.
#[derive(Debug, Deserialize)]
pub(super) struct LiveQuery {
    #[serde(default)]
    topics: String,
}

/// Opens the socket of a page.
pub(super) async fn open_live(
    State(state): State<WebState>,
    Params(query): Params<LiveQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let topics = Topic::read(&query.topics)?;
    let upgrade = upgrade.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let Ok(place) = state.live_pages.clone().try_acquire_owned() else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open."));
    };
    // Held from here on, so that the end of the program waits also for a socket about to open.
    let held = state.tasks.tracker().token();
    Ok(upgrade.max_message_size(MAX_INCOMING_BYTES).max_frame_size(MAX_INCOMING_BYTES).on_upgrade(
        move |socket: WebSocket| async move {
            let shutdown = state.tasks.token().clone();
            Box::pin(socket::serve(socket, &state, &shutdown, PATIENCE, LivePage::new(topics))).await;
            drop((place, held));
        },
    ))
}

/// All pieces of the topics, for a page whose socket is down.
pub(super) async fn poll(State(state): State<WebState>, Params(query): Params<LiveQuery>) -> Answer<Response> {
    let mut html = String::new();
    for topic in Topic::read(&query.topics)? {
        html.extend(topic.pieces(&state).await?.into_iter().map(|piece| piece.html));
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response())
}

/// A page that is open, with what it was told.
struct LivePage {
    topics: Vec<Topic>,
    stale: Vec<Topic>,
    changed: Vec<&'static str>,
    /// Hashes of the last pieces, by place.
    sent: HashMap<&'static str, blake3::Hash>,
    is_new: bool,
}

impl LivePage {
    /// What changed between the page's making and this moment nobody told it: it starts with everything.
    fn new(topics: Vec<Topic>) -> Self {
        let mut page = Self { topics, stale: Vec::new(), changed: Vec::new(), sent: HashMap::new(), is_new: true };
        page.everything();
        page
    }
}

impl Feed for LivePage {
    fn add(&mut self, event: Event) {
        for topic in &self.topics {
            if topic.is_about(event) && !self.stale.contains(topic) {
                self.stale.push(*topic);
            }
            if let Some(list) = topic.list_of(event)
                && !self.changed.contains(&list)
            {
                self.changed.push(list);
            }
        }
    }

    fn everything(&mut self) {
        self.stale.clone_from(&self.topics);
        self.changed.clear();
        self.changed.extend(self.topics.iter().filter_map(|topic| topic.list()));
    }

    fn is_pending(&self) -> bool {
        !self.stale.is_empty() || !self.changed.is_empty()
    }

    async fn messages(&mut self, state: &WebState) -> Vec<String> {
        let mut messages = Vec::new();
        if std::mem::take(&mut self.is_new) {
            // A page of an earlier run finds out that it is one.
            messages.push(serde_json::json!({ "launch": state.token.launch() }).to_string());
        }
        let mut html = String::new();
        for topic in std::mem::take(&mut self.stale) {
            // What could not be made was logged, and the next change comes.
            for piece in topic.pieces(state).await.unwrap_or_default() {
                let hash = blake3::hash(piece.html.as_bytes());
                if self.sent.insert(piece.id, hash) != Some(hash) {
                    html.push_str(&piece.html);
                }
            }
        }
        if !html.is_empty() {
            messages.push(html);
        }
        let changed = std::mem::take(&mut self.changed);
        if !changed.is_empty() {
            messages.push(serde_json::json!({ "changed": changed }).to_string());
        }
        messages
    }
}

#[cfg(test)]
mod tests;
