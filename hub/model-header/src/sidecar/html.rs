//! Plain text of the HTML that sites keep descriptions in. Nothing is rendered: tags go, their ends break
//! lines, entities become characters. What comes out is text and is escaped where it is shown.

use crate::metadata::cut;

/// Bytes of HTML that are looked at: far more than the text that is kept of it.
const MAX_HTML: usize = 512 * 1024;

/// Elements whose ends break the line.
const BLOCKS: [&str; 17] =
    ["p", "br", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "hr", "pre", "blockquote", "table"];

/// Elements whose content is no text.
const HIDDEN: [&str; 6] = ["script", "style", "iframe", "template", "noscript", "head"];

/// Names that descriptions use; others stay as they are.
const ENTITIES: [(&str, &str); 22] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("hellip", "…"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("bull", "•"),
    ("middot", "·"),
    ("times", "×"),
    ("copy", "©"),
    ("reg", "®"),
    ("trade", "™"),
    ("deg", "°"),
];

/// The text of HTML, with at most one empty line between paragraphs. Text without tags stays.
pub(super) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len().min(MAX_HTML));
    let mut rest = cut(html, MAX_HTML);
    while let Some(at) = memchr::memchr2(b'<', b'&', rest.as_bytes()) {
        let (before, mark) = rest.split_at(at);
        text.push_str(before);
        rest = if mark.starts_with('<') { tag(mark, &mut text) } else { entity(mark, &mut text) };
    }
    text.push_str(rest);
    tidy(&text)
}

/// Reads a tag and gives what follows it.
fn tag<'h>(mark: &'h str, text: &mut String) -> &'h str {
    let inside = mark.get(1..).unwrap_or_default();
    if let Some(comment) = inside.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
        text.push('<');
        return inside;
    }
    let is_end = inside.starts_with('/');
    let named = inside.trim_start_matches('/');
    let length = named.bytes().take(16).take_while(u8::is_ascii_alphanumeric).count();
    let name = named.get(..length).unwrap_or_default().to_ascii_lowercase();
    // A tag that never ends hides the rest, as it does in browsers.
    let after = end_of_tag(inside);
    if !is_end && HIDDEN.contains(&name.as_str()) {
        return behind_hidden(after, &name);
    }
    let is_in_item = !is_end && name == "p" && text.ends_with("• ");
    if BLOCKS.contains(&name.as_str()) && !is_in_item {
        text.push('\n');
        if is_end && (name == "p" || name.starts_with('h')) {
            text.push('\n');
        }
        if !is_end && name == "li" {
            text.push_str("• ");
        }
    }
    after
}

/// What follows a tag; a `>` within quotes does not end it.
fn end_of_tag(inside: &str) -> &str {
    let mut quote = None;
    for (at, byte) in inside.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return inside.get(at + 1..).unwrap_or_default(),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    ""
}

fn behind_hidden<'h>(content: &'h str, name: &str) -> &'h str {
    let mut from = 0;
    while let Some(found) = content.get(from..).and_then(|rest| rest.find("</")) {
        let start = from + found + 2;
        let end = start + name.len();
        if content.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return content.get(end..).map(end_of_tag).unwrap_or_default();
        }
        from = start;
    }
    ""
}

/// Reads an entity and gives what follows it; what is none stays as it is.
fn entity<'h>(mark: &'h str, text: &mut String) -> &'h str {
    let inside = mark.get(1..).unwrap_or_default();
    let length = inside.bytes().take(10).position(|byte| byte == b';');
    let named = length.and_then(|length| Some((inside.get(..length)?, inside.get(length + 1..)?)));
    let character = |number: u32| char::from_u32(number).filter(|c| !c.is_control() || *c == '\n');
    let decoded = named.and_then(|(name, after)| {
        if let Some(number) = name.strip_prefix('#') {
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            return Some((character(number.ok()?)?.to_string(), after));
        }
        let (_, character) = ENTITIES.iter().find(|(known, _)| *known == name)?;
        Some(((*character).to_owned(), after))
    });
    if let Some((characters, after)) = decoded {
        text.push_str(&characters);
        return after;
    }
    text.push('&');
    inside
}

/// No space at the ends of lines, at most one empty line.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if !tidied.is_empty() {
            tidied.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        tidied.push_str(line);
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn tags_go_and_lines_stay() {
        let html = "<p>A <strong>style</strong> &amp; more.</p><p>Use <code>ohwx</code>&nbsp;at 0.8:</p><ul><li><p>one</p></li><li>two</li></ul>";
        assert_eq!(plain(html), "A style & more.\n\nUse ohwx at 0.8:\n\n• one\n\n• two");
        assert_eq!(plain("plain, 1 < 2 & 3 > 2\nnext"), "plain, 1 < 2 & 3 > 2\nnext");
        assert_eq!(plain("a<br>b<br/>c"), "a\nb\nc");
    }

    #[test]
    fn programs_are_no_text() {
        assert_eq!(plain("a<script>alert('</x>')</SCRIPT >b"), "ab");
        assert_eq!(plain("a<script>alert(1)"), "a");
        assert_eq!(plain("a<img src=x onerror=\"alert('>')\">b"), "ab");
        assert_eq!(plain("a<!-- <b> -->b<!-- c"), "ab");
        assert_eq!(plain("a<b"), "a");
        assert_eq!(plain("<svg/onload=x()>a"), "a");
    }

    #[test]
    fn entities_become_characters() {
        assert_eq!(plain("&#39;&#x41;&quot;&lt;b&gt;&unknown;&#xD800;&#0;&"), "'A\"<b>&unknown;&#xD800;&#0;&");
        assert_eq!(plain("&amp;lt;"), "&lt;");
    }

    #[test]
    fn hostile_html_takes_no_long_time() {
        for part in ["<a", "<script>", "</", "<!--", "&", "<x '", "<script></", "<p>"] {
            let text = plain(&part.repeat(2_000_000 / part.len()));
            assert!(!text.contains("script"));
        }
    }
}
