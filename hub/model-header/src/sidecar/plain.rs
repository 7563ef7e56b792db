//! Files without a format of their own: digests and trigger words.

use super::SidecarFacts;
use super::texts::{MAX_TEXT, digest, kept};

/// Lines of a list of digests that are looked at.
const MAX_LINES: usize = 1_000;

/// A text with trigger words is no longer than this.
const MAX_WORDS_TEXT: usize = 1_000;
const MAX_WORDS_LINES: usize = 20;

/// Reads a digest: alone, as `sha256sum` of GNU coreutils writes it (`digest  name`, `digest *name`), or with
/// `--tag` (`SHA256 (name) = digest`). Of several lines the model's is taken.
pub(super) fn sha256(text: &str, model_name: &str, facts: &mut SidecarFacts) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found: Vec<(String, &str)> = lines.take(MAX_LINES).filter_map(digest_of_line).collect();
    let file_name = |path: &'_ str| path.rsplit(['/', '\\']).next().is_some_and(|name| name == model_name);
    let own = found.iter().find(|(_, name)| file_name(name));
    let only = if let [only] = found.as_slice() { Some(only) } else { None };
    facts.sha256 = own.or(only).map(|(digest, _)| digest.clone());
}

fn digest_of_line(line: &str) -> Option<(String, &str)> {
    if let Some((name, found)) = line.strip_prefix("SHA256 (").and_then(|rest| rest.rsplit_once(") = ")) {
        return Some((digest(found, 64)?, name));
    }
    let (found, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = name.trim_start();
    Some((digest(found, 64)?, name.strip_prefix('*').unwrap_or(name)))
}

/// Reads trigger words, one or several in a line, as people keep them beside LoRAs. What is longer or looks
/// like something else is a note, a caption or a licence, and says nothing.
pub(super) fn trigger_words(text: &str, facts: &mut SidecarFacts) {
    let text = text.trim();
    let is_plain =
        |c: char| c == '\n' || c == '\r' || c == '\t' || !(c.is_control() || matches!(c, '{' | '}' | '\u{fffd}'));
    let looks_otherwise = ["http://", "https://", "</", "```"].iter().any(|part| text.contains(part));
    let lines: Vec<String> = text.lines().filter_map(|line| kept(line, MAX_TEXT)).take(MAX_WORDS_LINES + 1).collect();
    let is_short = text.len() <= MAX_WORDS_TEXT && lines.len() <= MAX_WORDS_LINES;
    if is_short && !looks_otherwise && text.chars().all(is_plain) && !lines.iter().any(|line| is_sentence(line)) {
        facts.trigger_words = lines;
    }
}

/// Prose has a capital, several words and a full stop; trigger words have commas.
fn is_sentence(line: &str) -> bool {
    let n_words = line.split_whitespace().count();
    n_words >= 4 && line.ends_with(['.', '!', '?']) && line.starts_with(char::is_uppercase) && !line.contains(',')
}

#[cfg(test)]
mod tests {
    use super::super::{SidecarSource, read};
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut facts = SidecarFacts::new(SidecarSource::Text);
        trigger_words(text, &mut facts);
        facts.trigger_words
    }

    #[test]
    fn digests_of_all_forms() {
        let (own, other) = ("AB".repeat(32), "cd".repeat(32));
        let of = |text: &str| read("m.safetensors", "m.sha256", text.as_bytes()).and_then(|facts| facts.sha256);
        let expected = Some("ab".repeat(32));
        assert_eq!(of(&own), expected);
        assert_eq!(of(&format!("{own}  m.safetensors\n")), expected);
        assert_eq!(of(&format!("\u{feff}{own} *loras\\m.safetensors\r\n")), expected);
        assert_eq!(of(&format!("SHA256 (m.safetensors) = {own}")), expected);
        assert_eq!(of(&format!("{other}  a.safetensors\n{own}  m.safetensors")), expected);
        assert_eq!(of(&format!("{own}  renamed.safetensors")), expected);
        assert_eq!(of(&format!("{other}  a.safetensors\n{own}  b.safetensors")), None);
        assert_eq!(of("not a digest"), None);
    }

    #[test]
    fn trigger_words_are_short_and_plain() {
        assert_eq!(words("ohwx woman, red dress\n\n ohwx man \n"), ["ohwx woman, red dress", "ohwx man"]);
        assert_eq!(words("(masterpiece:1.2), 風景"), ["(masterpiece:1.2), 風景"]);
        for other in [
            "see https://example.com",
            "<p>a</p>",
            "{\"a\": 1}",
            "a\u{1}b",
            "Use this model with care.",
            &"word, ".repeat(400),
            &"word\n".repeat(21),
            "",
        ] {
            assert!(words(other).is_empty(), "{other}");
        }
    }
}
