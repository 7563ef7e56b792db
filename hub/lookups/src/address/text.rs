//! What a pasted text may hold, before anybody parses it: parsers mend what they should refuse.

use percent_encoding::percent_decode_str;

use super::AddressError;

/// Letters of nothing that turn text around, join or hide it (Unicode's bidirectional and default-ignorable ones).
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text without the space around it, if nothing in it hides.
pub(super) fn checked(pasted: &str) -> Result<&str, AddressError> {
    let text = pasted.trim();
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.chars().any(|character| character.is_control() || is_invisible(character)) {
        return Err(AddressError::Invisible);
    }
    Ok(text)
}

/// Refuses what a parser of addresses would change silently: `..`, backslashes, hosts in other letters.
pub(super) fn check_url(text: &str) -> Result<(), AddressError> {
    let place = text.split(['?', '#']).next().unwrap_or_default();
    if place.contains('\\') {
        return Err(AddressError::Path);
    }
    // Parsers take fewer or more slashes for two.
    let (_, rest) = place.split_once("://").ok_or(AddressError::Unreadable)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Err(AddressError::Unreadable);
    }
    if !host.is_ascii() {
        return Err(AddressError::Host);
    }
    path.split('/').try_for_each(|part| decoded(part).map(drop))
}

/// A part of a path as text, if it is one that stays in its place. `%2F` stays a slash inside the part: revisions have
/// them, and each part of those is judged, too.
pub(super) fn decoded(part: &str) -> Result<String, AddressError> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| AddressError::Path)?;
    plain(&text)?;
    Ok(text.into_owned())
}

/// A text that was not encoded, or is no more: nothing in it hides, or leads elsewhere.
pub(super) fn plain(text: &str) -> Result<(), AddressError> {
    if text.chars().any(|character| character.is_control() || is_invisible(character)) {
        return Err(AddressError::Invisible);
    }
    let is_astray = |piece: &str| matches!(piece, "." | "..");
    if text.contains('\\') || text.split('/').any(is_astray) { Err(AddressError::Path) } else { Ok(()) }
}

/// The parts of a path, decoded. Empty ones at the end are left out.
pub(super) fn parts(url: &url::Url) -> Result<Vec<String>, AddressError> {
    let path = url.path().trim_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(decoded).collect()
}

/// A path inside a repository: parts that are neither empty nor lead elsewhere.
pub(super) fn inner_path(parts: &[String]) -> Result<String, AddressError> {
    let path = parts.join("/");
    plain(&path)?;
    let is_fine = |part: &str| !part.is_empty() && part.len() <= 255;
    if path.len() <= 1_024 && path.split('/').all(is_fine) { Ok(path) } else { Err(AddressError::Path) }
}

/// The name of an owner or of a repository: letters, digits, `-`, `_`, `.`, as both sites have them.
pub(super) fn is_repo_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 96 && name.chars().all(is_plain) && !name.chars().all(|c| c == '.')
}

/// A branch, a tag or a commit. Git allows more; nobody needs it.
pub(super) fn is_revision(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    let is_fine = |part: &str| !matches!(part, "" | "." | "..");
    text.len() <= 200 && text.chars().all(is_plain) && text.split('/').all(is_fine)
}
