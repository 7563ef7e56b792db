//! What the models are, in one picture: the overview's card.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::labels::{base_label, kind_label};
use crate::domain::treemap::{Rect, divide};
use crate::storage::views::models::ModelFilter;
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::state::WebState;

/// Units of the picture.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 260.0;

/// Parts that are drawn; what is beyond is one more.
const MOST: usize = 24;

/// Parts that are smaller have no words.
const ROOM_FOR_WORDS: (f64, f64) = (90.0, 34.0);

/// Colours that kinds have in turn.
const TONES: usize = 6;

/// A part of the picture: models of one kind and base.
#[derive(Debug, Serialize)]
struct Part {
    rect: Rect,
    label: String,
    n: u64,
    size_bytes: u64,
    link: String,
    tone: usize,
    has_words: bool,
}

/// The card: `{parts, n, n_damaged, n_alone}`.
pub(in crate::web) async fn overview(state: &WebState) -> Answer<Value> {
    let models = &state.services.models;
    let totals = models.by_kind().await?;
    let n: u64 = totals.iter().map(|total| total.n).sum();
    let all = models.facets(ModelFilter::default()).await?;
    let n_damaged = all.state.get("damaged").copied().unwrap_or_default();
    let n_alone = all.places.get("one").copied().unwrap_or_default();
    let mut kinds: Vec<Option<String>> = Vec::new();
    let (shown, rest) = totals.split_at(totals.len().min(MOST));
    let rest_bytes: u64 = rest.iter().map(|total| total.size_bytes).sum();
    let rest_n: u64 = rest.iter().map(|total| total.n).sum();
    let mut weights: Vec<u64> = shown.iter().map(|total| total.size_bytes).collect();
    let mut parts: Vec<Part> = Vec::new();
    for total in shown {
        let tone = kinds.iter().position(|kind| *kind == total.kind).unwrap_or_else(|| {
            kinds.push(total.kind.clone());
            kinds.len() - 1
        });
        let kind = total.kind.as_deref().map_or_else(|| "Not read yet".to_owned(), kind_label);
        let label = total.base.as_deref().map_or_else(|| kind.clone(), |base| format!("{kind} · {}", base_label(base)));
        let link = QueryString::new()
            .with("kind", total.kind.as_deref().unwrap_or("none"))
            .with("base", total.base.as_deref().unwrap_or("none"))
            .into_text();
        let rect = Rect { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
        let (n, size_bytes) = (total.n, total.size_bytes);
        parts.push(Part { rect, label, n, size_bytes, link, tone: tone % TONES, has_words: false });
    }
    if rest_n > 0 {
        // Beyond the smallest that is drawn: it comes last, whatever its size.
        weights.push(rest_bytes.min(weights.last().copied().unwrap_or(rest_bytes)));
        let rect = Rect { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
        let (label, link) = ("Everything else".to_owned(), String::new());
        parts.push(Part { rect, label, n: rest_n, size_bytes: rest_bytes, link, tone: TONES, has_words: false });
    }
    for (part, rect) in parts.iter_mut().zip(divide(WIDTH, HEIGHT, &weights)) {
        part.has_words = rect.width >= ROOM_FOR_WORDS.0 && rect.height >= ROOM_FOR_WORDS.1;
        part.rect = rect;
    }
    Ok(context! { models => context! { parts => Serde(parts), n, n_damaged, n_alone } })
}
