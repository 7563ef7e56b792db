//! Where in a document a template prints a value: as text, as a label for people, or for programs.
//!
//! The engine knows no HTML. When a template is loaded, its text is read through once, and every
//! `{{ … }}` gets the filter of its place: `names` shows people names that can't lie and leaves alone
//! what browsers and scripts read. So no template can forget it.

use super::names::{FOR_PROGRAMS, IN_LABEL, IN_TEXT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShownPlace {
    /// Between tags.
    Text,
    /// Inside of an element that holds text only.
    Plain,
    /// In a tag, outside of its attributes' values.
    Tag,
    /// In the value of an attribute.
    Value { quote: char, for_people: bool },
}

/// The template with the filter of its place behind everything that it prints.
pub(super) fn annotate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + source.len() / 4);
    let mut reader = ContextReader { place: ShownPlace::Text, tag: String::new(), attribute: String::new() };
    let mut rest = source;
    while let Some(at) = rest.find(['{', '<', '>', '"', '\'', '=', ' ', '\n', '/']).map(|at| at.min(rest.len())) {
        let (plain, from) = rest.split_at(at);
        reader.word(plain);
        out.push_str(plain);
        let end = |closing: &str| from.find(closing).map(|at| at + closing.len());
        let (taken, printed) = if from.starts_with("{{") {
            (end("}}"), true)
        } else if from.starts_with("{%") {
            (end("%}"), false)
        } else if from.starts_with("{#") {
            (end("#}"), false)
        } else if from.starts_with("<!--") {
            (end("-->"), false)
        } else {
            let first = from.chars().next().unwrap_or_default();
            reader.sign(first, from);
            (Some(first.len_utf8()), false)
        };
        let (token, behind) = from.split_at(taken.unwrap_or(from.len()));
        match printed.then(|| reader.filtered(token)).flatten() {
            Some(filtered) => out.push_str(&filtered),
            None => out.push_str(token),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

struct ContextReader {
    place: ShownPlace,
    tag: String,
    attribute: String,
}

impl ContextReader {
    /// Letters between two signs.
    fn word(&mut self, word: &str) {
        if self.place == ShownPlace::Tag {
            let slot = if self.tag.is_empty() || self.tag == "/" { &mut self.tag } else { &mut self.attribute };
            slot.push_str(word);
        }
    }

    /// A sign that may lead elsewhere; `from` begins with it.
    fn sign(&mut self, sign: char, from: &str) {
        match (self.place, sign) {
            (ShownPlace::Text, '<')
                if from.chars().nth(1).is_some_and(|next| next.is_ascii_alphabetic() || next == '/') =>
            {
                (self.place, self.tag, self.attribute) = (ShownPlace::Tag, String::new(), String::new());
            }
            (ShownPlace::Plain, '<') if from.get(1..2) == Some("/") => {
                (self.place, self.tag, self.attribute) = (ShownPlace::Tag, String::new(), String::new());
            }
            (ShownPlace::Tag, '>') => {
                let holds_text = ["title", "textarea", "option"].contains(&self.tag.as_str());
                self.place = if holds_text { ShownPlace::Plain } else { ShownPlace::Text };
            }
            (ShownPlace::Tag, '/') if self.tag.is_empty() => self.tag.push('/'),
            (ShownPlace::Tag, ' ' | '\n') => self.attribute.clear(),
            (ShownPlace::Tag, '"' | '\'') => {
                self.place = ShownPlace::Value { quote: sign, for_people: is_for_people(&self.attribute) };
                self.attribute.clear();
            }
            (ShownPlace::Value { quote, .. }, _) if sign == quote => self.place = ShownPlace::Tag,
            _ => {}
        }
    }

    /// `{{ … }}` with the filter of this place.
    fn filtered(&self, token: &str) -> Option<String> {
        let filter = match self.place {
            ShownPlace::Text => IN_TEXT,
            ShownPlace::Plain | ShownPlace::Value { for_people: true, .. } => IN_LABEL,
            ShownPlace::Tag | ShownPlace::Value { .. } => FOR_PROGRAMS,
        };
        let inner = token.strip_prefix("{{")?.strip_suffix("}}")?;
        let (left, inner) = inner.strip_prefix('-').map_or(("", inner), |inner| ("-", inner));
        let (inner, right) = inner.strip_suffix('-').map_or((inner, ""), |inner| (inner, "-"));
        let inner = inner.trim();
        // These two are no values.
        if inner.starts_with("super()") || inner.starts_with("caller()") {
            return None;
        }
        Some(format!("{{{{{left} ({inner})|{filter} {right}}}}}"))
    }
}

/// Attributes that are read out or shown.
fn is_for_people(name: &str) -> bool {
    let name = name.trim_end_matches('=').trim();
    matches!(name, "title" | "placeholder" | "alt" | "label" | "hx-confirm")
        || (name.starts_with("aria-")
            && !matches!(name, "aria-labelledby" | "aria-describedby" | "aria-controls" | "aria-owns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_filter() {
        for (source, annotated) in [
            ("<p>{{ x }}</p>", "<p>{{ (x)|_in_text }}</p>"),
            ("<title>{{ x }}</title>{{ y }}", "<title>{{ (x)|_in_label }}</title>{{ (y)|_in_text }}"),
            (
                "<option value=\"{{ x }}\">{{ x }}</option>",
                "<option value=\"{{ (x)|_for_programs }}\">{{ (x)|_in_label }}</option>",
            ),
            (
                "<a href=\"/x?{{ q }}\" title='{{ t }}'>",
                "<a href=\"/x?{{ (q)|_for_programs }}\" title='{{ (t)|_in_label }}'>",
            ),
            (
                "<i aria-label=\"a > b {{ x }}\">{{ y }}",
                "<i aria-label=\"a > b {{ (x)|_in_label }}\">{{ (y)|_in_text }}",
            ),
            (
                "<i{% if a < b %} class=\"c\"{% endif %} {{ x }}>",
                "<i{% if a < b %} class=\"c\"{% endif %} {{ (x)|_for_programs }}>",
            ),
            ("<b data-value=\"{{ a if b else 'c>' }}\">", "<b data-value=\"{{ (a if b else 'c>')|_for_programs }}\">"),
            ("<br/>{{ x }}", "<br/>{{ (x)|_in_text }}"),
            ("{# <a title=\" #}{{- x -}}", "{# <a title=\" #}{{- (x)|_in_text -}}"),
            ("a < b {{ super() }}{{ x }}", "a < b {{ super() }}{{ (x)|_in_text }}"),
        ] {
            assert_eq!(annotate(source), annotated);
        }
    }
}
