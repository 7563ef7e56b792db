//! A rectangle divided into one for each weight, as near to squares as can be: Bruls, Huizing, van Wijk, "Squarified
//! Treemaps" (2000).

/// A part of the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// Divides a whole of this width and height by the weights, which have to come from the largest to the smallest. Weights
/// of 0 get nothing.
pub fn divide(width: f64, height: f64, weights: &[u64]) -> Vec<Rect> {
    let total: u64 = weights.iter().fold(0, |sum, weight| sum.saturating_add(*weight));
    let mut rest = Rect { x: 0.0, y: 0.0, width, height };
    let mut rects = Vec::with_capacity(weights.len());
    if total == 0 {
        rects.resize(weights.len(), Rect { width: 0.0, height: 0.0, ..rest });
        return rects;
    }
    let areas: Vec<f64> = weights.iter().map(|weight| width * height * number(*weight) / number(total)).collect();
    let mut areas = areas.as_slice();
    while !areas.is_empty() {
        let side = rest.width.min(rest.height);
        let mut n = 1;
        while n < areas.len() && worst(areas.get(..=n), side) <= worst(areas.get(..n), side) {
            n += 1;
        }
        let (row, others) = areas.split_at(n);
        lay(row, &mut rest, &mut rects);
        areas = others;
    }
    rects
}

/// How far the longest of a row is from a square.
fn worst(row: Option<&[f64]>, side: f64) -> f64 {
    let sum: f64 = row.into_iter().flatten().sum();
    if sum <= 0.0 || side <= 0.0 {
        return f64::INFINITY;
    }
    let depth = sum / side;
    row.into_iter().flatten().map(|area| area / depth).fold(0.0, |worst, length| {
        if length <= 0.0 { f64::INFINITY } else { f64::max(worst, (depth / length).max(length / depth)) }
    })
}

/// Lays a row along the shorter side of what is left, and takes it away from there.
fn lay(row: &[f64], rest: &mut Rect, rects: &mut Vec<Rect>) {
    let sum: f64 = row.iter().sum();
    let is_column = rest.width >= rest.height;
    let side = if is_column { rest.height } else { rest.width };
    let depth = if side > 0.0 { sum / side } else { 0.0 };
    let mut at = 0.0;
    for area in row {
        let length = if depth > 0.0 { area / depth } else { 0.0 };
        rects.push(if is_column {
            Rect { x: rest.x, y: rest.y + at, width: depth, height: length }
        } else {
            Rect { x: rest.x + at, y: rest.y, width: length, height: depth }
        });
        at += length;
    }
    if is_column {
        rest.x += depth;
        rest.width = (rest.width - depth).max(0.0);
    } else {
        rest.y += depth;
        rest.height = (rest.height - depth).max(0.0);
    }
}

#[allow(clippy::cast_precision_loss, reason = "it is drawn")]
const fn number(weight: u64) -> f64 {
    weight as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_fill_the_whole_and_none_reaches_out(mut weights in prop::collection::vec(0_u64..1 << 40, 1..60)) {
            weights.sort_unstable_by(|a, b| b.cmp(a));
            let total: u64 = weights.iter().sum();
            let rects = divide(1000.0, 300.0, &weights);
            prop_assert_eq!(rects.len(), weights.len());
            let area: f64 = rects.iter().map(|rect| rect.width * rect.height).sum();
            prop_assert!(total == 0 || (area - 300_000.0).abs() < 1.0, "{}", area);
            for rect in rects {
                prop_assert!(rect.x >= -0.01 && rect.y >= -0.01);
                prop_assert!(rect.x + rect.width <= 1000.01 && rect.y + rect.height <= 300.01, "{:?}", rect);
            }
        }
    }

    #[test]
    fn equal_weights_are_near_squares() {
        for rect in divide(100.0, 100.0, &[1; 4]) {
            assert!((rect.width - 50.0).abs() < 0.01 && (rect.height - 50.0).abs() < 0.01, "{rect:?}");
        }
    }
}
