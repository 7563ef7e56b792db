//! Whether the data fill the file: one tensor behind the other, from the first byte behind the header
//! to the last of the file.

use super::building::Entry;
use crate::description::{Damage, part_words, size_words};
use crate::vocabulary::DamageCode;

/// The order in which what is wrong is told: what matters most comes first.
const ORDER: [DamageCode; 12] = [
    DamageCode::TruncatedData,
    DamageCode::UnknownDtype,
    DamageCode::ShapeOverflow,
    DamageCode::BadOffsets,
    DamageCode::ShapeMismatch,
    DamageCode::Overlap,
    DamageCode::Gap,
    DamageCode::TrailingBytes,
    DamageCode::MetadataType,
    DamageCode::DuplicateKey,
    DamageCode::LoneSurrogate,
    DamageCode::LeadingSpace,
];

/// Compares the places of all tensors with each other and with the data that are there. Tells where they end.
pub(super) fn check(entry: &Entry, data_bytes: u64, size: u64, damage: &mut Vec<Damage>) -> u64 {
    damage.extend(entry.faults.iter().cloned());
    let has = |code| entry.faults.iter().any(|fault: &Damage| fault.code == code);
    // A tensor that is listed twice has two places, of which one may be another's.
    let spans = if has(DamageCode::DuplicateKey) { held_spans(entry) } else { entry.spans.clone() };
    let end = spans.iter().map(|(_, end)| *end).max().unwrap_or(0);
    if end > data_bytes {
        let whole = size.saturating_sub(data_bytes).saturating_add(end);
        damage
            .push(Damage::new(DamageCode::TruncatedData, format!("Truncated: {} are there.", part_words(size, whole))));
    } else if end < data_bytes && !has(DamageCode::BadOffsets) {
        let detail = format!("{} stand behind its end.", size_words(data_bytes - end));
        damage.push(Damage::new(DamageCode::TrailingBytes, detail));
    }
    if !has(DamageCode::BadOffsets) {
        damage.extend(holes(spans));
    }
    let rank = |fault: &Damage| ORDER.iter().position(|code| *code == fault.code).unwrap_or(0);
    damage.sort_by_key(rank);
    end
}

fn held_spans(entry: &Entry) -> Vec<(u64, u64)> {
    entry.table.rows().iter().map(|row| (row.begin, row.begin.saturating_add(row.bytes))).collect()
}

fn holes(mut spans: Vec<(u64, u64)>) -> Vec<Damage> {
    if !spans.is_sorted() {
        spans.sort_unstable();
    }
    let (mut gap, mut overlap) = (None, None);
    let mut next = 0;
    for (begin, end) in spans {
        if begin > next && gap.is_none() {
            gap = Some(format!("{} between its tensors belong to none.", size_words(begin - next)));
        } else if begin < next && overlap.is_none() && end > begin {
            overlap = Some("Two of its tensors share bytes.".to_owned());
        }
        next = next.max(end);
    }
    let gap = gap.map(|detail| Damage::new(DamageCode::Gap, detail));
    gap.into_iter().chain(overlap.map(|detail| Damage::new(DamageCode::Overlap, detail))).collect()
}
