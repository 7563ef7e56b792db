//! Files of few tensors, and graphs that are known by what goes in and out.

use super::{Verdict, wrapped};
use crate::base::Base;
use crate::contents::Graph;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// Most vectors that a textual inversion has; a prompt holds 75.
const MAX_VECTORS: u64 = 150;

/// Textual inversions: `load_embed` in ComfyUI's `sd1_clip.py`, which takes web UI's, diffusers' and its own.
pub(super) fn embedding(table: &Table, _: &Tally) -> Option<Verdict> {
    let view = View::new(table, "");
    let clip_l = view.shape("clip_l");
    if !clip_l.is_empty() && !view.shape("clip_g").is_empty() {
        return Some(of_vectors(clip_l, Base::Sdxl));
    }
    if let Some(verdict) = wrapped(table).find_map(|view| of_width(view.shape("emb_params"))) {
        return Some(verdict);
    }
    let param = table.iter().find(|(name, _)| name.starts_with(b"string_to_param."));
    if let Some((_, row)) = param {
        return of_width(table.dims(row));
    }
    // A lone tensor is called by its name, as diffusers writes it.
    let [row] = table.rows() else { return None };
    let shape = table.dims(row);
    let name = String::from_utf8_lossy(table.name(row)).into_owned();
    let is_word = name.starts_with('<') && name.ends_with('>');
    if shape.len() == 1 && !is_word && name.contains('.') {
        return None;
    }
    let mut verdict = of_width(shape)?;
    verdict.word = is_word.then_some(name);
    Some(verdict)
}

fn of_width(shape: &[u64]) -> Option<Verdict> {
    let base = match *shape.last()? {
        768 => Base::Sd15,
        1_024 => Base::Sd21,
        1_280 => Base::Sdxl,
        _ => return None,
    };
    let vectors = if shape.len() == 1 { 1 } else { *shape.first()? };
    (shape.len() <= 2 && vectors <= MAX_VECTORS).then(|| of_vectors(shape, base))
}

fn of_vectors(shape: &[u64], base: Base) -> Verdict {
    let vectors = if shape.len() == 1 { 1 } else { shape.first().copied().unwrap_or(1) };
    let word = if vectors == 1 { "vector" } else { "vectors" };
    Verdict::new(Kind::Embedding, base).variant(format!("{vectors} {word}"))
}

/// A graph that makes pictures out of pictures makes them larger, or it is something else.
pub(super) fn graph(graph: &Graph) -> Option<Verdict> {
    let picture = |shapes: &[Vec<u64>]| match shapes {
        [shape] if shape.len() == 4 && matches!(shape.get(1), Some(1 | 3)) => {
            Some((shape.get(2).copied().unwrap_or(0), shape.get(3).copied().unwrap_or(0)))
        }
        _ => None,
    };
    let (input, output) = (picture(&graph.inputs)?, picture(&graph.outputs)?);
    let scale = (input.0 > 0 && output.0 % input.0 == 0).then(|| output.0 / input.0).filter(|scale| *scale > 0);
    let verdict = Verdict::new(Kind::Upscaler, None);
    Some(scale.map_or_else(|| verdict.clone(), |scale| verdict.clone().variant(format!("{scale}x"))))
}
