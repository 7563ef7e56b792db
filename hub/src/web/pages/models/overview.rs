//! What the models are, in one picture: the overview's card.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::lines::label;
use crate::domain::treemap::{Rect, divide};
use crate::storage::views::models::KindTotals;
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
#[derive(Debug, Default, Serialize)]
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
    let sum = |of: fn(&KindTotals) -> u64| totals.iter().map(of).sum::<u64>();
    let (n, n_damaged, n_alone) = (sum(|of| of.n), sum(|of| of.n_damaged), sum(|of| of.n_alone));
    let (shown, rest) = totals.split_at(totals.len().min(MOST));
    let mut kinds = Vec::new();
    let mut parts: Vec<Part> = shown.iter().map(|total| part(total, &mut kinds)).collect();
    if !rest.is_empty() {
        parts.push(Part {
            label: "Everything else".to_owned(),
            n: rest.iter().map(|total| total.n).sum(),
            size_bytes: rest.iter().map(|total| total.size_bytes).sum(),
            link: String::new(),
            tone: TONES,
            ..Part::default()
        });
        parts.sort_by_key(|part| std::cmp::Reverse(part.size_bytes));
    }
    let weights: Vec<u64> = parts.iter().map(|part| part.size_bytes).collect();
    for (part, rect) in parts.iter_mut().zip(divide(WIDTH, HEIGHT, &weights)) {
        part.has_words = rect.width >= ROOM_FOR_WORDS.0 && rect.height >= ROOM_FOR_WORDS.1;
        part.rect = rect;
    }
    Ok(context! { models => context! { parts => Serde(parts), n, n_damaged, n_alone } })
}

/// A part that is not placed yet. `kinds` are those that have a colour, in their order.
fn part(total: &KindTotals, kinds: &mut Vec<String>) -> Part {
    let KindTotals { kind, base, n, size_bytes, .. } = total;
    let Some(kind) = kind else {
        let (label, link) = ("Not read yet".to_owned(), "?state=unread".to_owned());
        return Part { label, n: *n, size_bytes: *size_bytes, link, tone: TONES, ..Part::default() };
    };
    let at = kinds.iter().position(|known| known == kind).unwrap_or_else(|| {
        kinds.push(kind.clone());
        kinds.len() - 1
    });
    let label = label(kind, base.as_deref());
    let base = base.as_deref().unwrap_or("none");
    let link = QueryString::new().with("kind", kind).with("base", base).into_text();
    Part { label, n: *n, size_bytes: *size_bytes, link, tone: at % TONES, ..Part::default() }
}
