//! Names can lie: characters that turn the reading direction or can't be seen make one name look like
//! another. Where people read, each of them is written as what it is, `⟨U+202E⟩`, and what has such
//! characters or runs from right to left is set apart from its surroundings. A copied text carries the
//! written form; what programs read (values, links) keeps the name itself.

use std::borrow::Cow;
use std::fmt::Write as _;

use minijinja::value::Value;
use minijinja::{Environment, HtmlEscape};

/// Filters that [`super::context`] puts behind what a template prints, by the place where it stands.
pub(super) const IN_TEXT: &str = "_in_text";
pub(super) const IN_LABEL: &str = "_in_label";
pub(super) const FOR_PROGRAMS: &str = "_for_programs";

/// Adds the filters.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter(IN_TEXT, |value: Value| in_text(&value).unwrap_or(value));
    environment.add_filter(IN_LABEL, |value: Value| in_label(&value).unwrap_or(value));
    environment.add_filter(FOR_PROGRAMS, |value: Value| value);
}

/// As markup, where it has to be told apart.
fn in_text(value: &Value) -> Option<Value> {
    let text = value.as_str().filter(|text| !value.is_safe() && (!text.is_ascii() || has_control(text)))?;
    if !text.chars().any(|c| lies(c) || is_right_to_left(c)) && !text.contains(MARK) {
        return None;
    }
    let mut html = "<bdi>".to_owned();
    for piece in pieces(text) {
        // Writing to a text does not fail.
        match piece {
            NamePiece::Plain(plain) => write!(html, "{}", HtmlEscape(plain)),
            NamePiece::Odd(mark) => write!(html, "<span class=\"odd\">{mark}</span>"),
        }
        .ok();
    }
    html.push_str("</bdi>");
    Some(Value::from_safe_string(html))
}

/// As plain text: no markup is read there.
fn in_label(value: &Value) -> Option<Value> {
    let text = value.as_str().filter(|_| !value.is_safe())?;
    match marked(text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(marked) => Some(Value::from(marked)),
    }
}

/// The text with every character that lies written as what it is.
pub(in crate::web) fn marked(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !has_control(text) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            NamePiece::Plain(plain) => result.push_str(plain),
            NamePiece::Odd(mark) => result.push_str(&mark),
        }
    }
    if result == text { Cow::Borrowed(text) } else { Cow::Owned(result) }
}

/// Begins a mark: a name that has one of its own is not taken for ours.
const MARK: &str = "⟨U+";

enum NamePiece<'a> {
    Plain(&'a str),
    Odd(String),
}

fn pieces(text: &str) -> Vec<NamePiece<'_>> {
    let (mut pieces, mut plain) = (Vec::new(), 0);
    let mut before = None;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let rest = text.get(at..).unwrap_or_default();
        let next = rest.chars().nth(1);
        if (lies(c) && !joins_pictures(c, before, next)) || rest.starts_with(MARK) {
            pieces.push(NamePiece::Plain(text.get(plain..at).unwrap_or_default()));
            pieces.push(NamePiece::Odd(format!("⟨U+{:04X}⟩", u32::from(c))));
            plain = end;
        }
        before = Some(c);
    }
    pieces.push(NamePiece::Plain(text.get(plain..).unwrap_or_default()));
    pieces
}

/// Line ends and tabs are at home in messages; they are seen.
fn is_odd_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

fn has_control(text: &str) -> bool {
    text.chars().any(is_odd_control)
}

/// What is not seen, looks like something else that is not there, or moves what stands around it.
fn lies(c: char) -> bool {
    is_odd_control(c)
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}'
            | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}' | '\u{2400}'..='\u{2426}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Pictures are put together with these two, and with nothing else around them they are at home.
fn joins_pictures(c: char, before: Option<char>, next: Option<char>) -> bool {
    let is_picture =
        |c: char| matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}') && !lies_alone(c);
    match c {
        '\u{fe0f}' => before.is_some_and(is_picture),
        '\u{200d}' => before.is_some_and(is_picture) && next.is_some_and(is_picture),
        _ => false,
    }
}

const fn lies_alone(c: char) -> bool {
    matches!(c, '\u{2400}'..='\u{2426}' | '\u{2800}')
}

const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_can_not_be_seen_is_written() {
        for (name, shown) in [
            ("a\u{202e}gpj.safetensors", "a⟨U+202E⟩gpj.safetensors"),
            ("a\u{200b}b", "a⟨U+200B⟩b"),
            ("x\u{a0}.pt", "x⟨U+00A0⟩.pt"),
            ("bell\u{7}", "bell⟨U+0007⟩"),
            ("\u{e0041}tag", "⟨U+E0041⟩tag"),
            ("line\u{2028}", "line⟨U+2028⟩"),
            ("␀", "⟨U+2400⟩"),
            ("⟨U+202E⟩", "⟨U+27E8⟩U+202E⟩"),
            ("a\u{200d}b", "a⟨U+200D⟩b"),
            ("\u{fe0f}", "⟨U+FE0F⟩"),
        ] {
            assert_eq!(marked(name), shown);
        }
        for plain in ["loras/x.safetensors", "日本語　版.pt", "käse", "❤\u{fe0f}.pt", "👩\u{200d}🚀", "a\nb\tc", "שלום"]
        {
            assert_eq!(marked(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_lies_is_left(text in any::<String>()) {
            let shown = marked(&text);
            let alone = |c: char| lies(c) && !matches!(c, '\u{fe0f}' | '\u{200d}');
            prop_assert!(!shown.chars().any(alone), "{:?}", shown);
            // Two names never look the same because of a mark.
            prop_assert_eq!(shown.matches(MARK).count(), pieces(&text).iter().filter(|p| matches!(p, NamePiece::Odd(_))).count());
        }
    }
}
