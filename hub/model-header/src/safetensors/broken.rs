//! Why a header cannot be read, in words.

use crate::description::Damage;
use crate::vocabulary::DamageCode;

/// How deep Python and serde go into nested JSON before they give up.
pub(crate) const MAX_DEPTH: usize = 120;

/// Characters of a name that are shown.
const SHOWN: usize = 80;

/// A name in a sentence: cut, quoted, and without characters that act.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

/// The header holds bytes that are no text.
pub(super) fn not_text(header: &[u8]) -> Damage {
    if header.iter().take(4_096).all(|byte| *byte == 0) {
        return zeros();
    }
    Damage::new(DamageCode::NotUtf8, "Its header holds bytes that are no text.")
}

fn zeros() -> Damage {
    Damage::new(DamageCode::ZeroFilled, "Its header is zeros only: the file was set aside but never written.")
}

/// The header is text, but not the JSON that it should be.
pub(super) fn not_json(text: &str, error: &serde_json::Error) -> Damage {
    let trimmed = text.trim_start();
    if text.bytes().take(4_096).all(|byte| byte == 0) {
        return zeros();
    }
    if depth(text) > MAX_DEPTH {
        return too_deep();
    }
    if !trimmed.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Damage::new(DamageCode::NotAnObject, "Its header is JSON, but no list of tensors.");
    }
    let place = error.column();
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let reason: String = reason.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    Damage::new(DamageCode::JsonError, format!("Its header can't be read: {reason} (character {place})."))
}

pub(crate) fn too_deep() -> Damage {
    Damage::new(DamageCode::DeepJson, "Its header is nested too deep to be read.")
}

/// How deep lists and objects stand in each other.
pub(crate) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
