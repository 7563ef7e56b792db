//! A path below a model folder that is safe on every system we write to.
//!
//! The parser refuses and never rewrites: a name that Windows would store under another name, or
//! that would leave the folder, is no [`RelPath`] at all. The list of forbidden characters and
//! device names is Microsoft's "Naming Files, Paths, and Namespaces".

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A relative path of one or more valid parts, `/`-separated, kept exactly as it was listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(Box<str>);

/// Why a text is not a [`RelPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelPathError {
    /// Nothing at all.
    #[error("the path is empty")]
    Empty,
    /// `a//b`, a leading or a trailing `/`.
    #[error("the path has an empty part")]
    EmptyPart,
    /// `.` or `..`.
    #[error("the path has a part \".\" or \"..\"")]
    Dots,
    /// A character that some system treats specially or can't store.
    #[error("the path has the character {0:?}, which not every system can store")]
    Character(char),
    /// Windows drops trailing dots and spaces silently.
    #[error("a part of the path ends in a dot or a space")]
    TrailingDotOrSpace,
    /// `CON`, `NUL`, `COM1` … name devices on Windows, with any extension.
    #[error("a part of the path is the name of a Windows device")]
    Device,
    /// A part longer than every common file system stores.
    #[error("a part of the path is longer than 255 characters")]
    TooLong,
}

/// Longest part that NTFS, ext4 and SMB all store: 255 UTF-16 units or bytes.
pub const MAX_PART: usize = 255;

impl RelPath {
    /// Parses a path that came from outside.
    pub fn parse(text: &str) -> Result<Self, RelPathError> {
        if text.is_empty() {
            return Err(RelPathError::Empty);
        }
        text.split('/').try_for_each(check_part)?;
        Ok(Self(text.into()))
    }

    /// The path of `name` inside this folder.
    pub fn join(&self, name: &str) -> Result<Self, RelPathError> {
        check_part(name)?;
        Ok(Self(format!("{}/{name}", self.0).into()))
    }

    /// A path of one part, or that part inside `folder`; `None` is the root's own folder.
    pub fn in_folder(folder: Option<&Self>, name: &str) -> Result<Self, RelPathError> {
        if let Some(folder) = folder {
            return folder.join(name);
        }
        check_part(name)?;
        Ok(Self(name.into()))
    }

    /// The whole path.
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts, outermost first.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The folder it lies in, or `None` directly in the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// Whether both lie in the same folder.
    pub fn is_beside(&self, other: &Self) -> bool {
        fn folder(path: &RelPath) -> Option<&str> {
            path.0.rsplit_once('/').map(|(folder, _)| folder)
        }
        folder(self) == folder(other)
    }

    /// Whether this is `folder` itself or lies somewhere below it.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0.strip_prefix(&*folder.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The form under which the two roots are compared.
    pub fn match_key(&self) -> String {
        match_key(&self.0)
    }
}

/// NFC and lower case: two names with the same key may be one file on a case-insensitive or
/// normalising file system.
pub fn match_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = if is_nfc(text) { text.to_lowercase() } else { text.nfc().collect::<String>().to_lowercase() };
    if is_nfc(&lower) { lower } else { lower.nfc().collect() }
}

fn check_part(part: &str) -> Result<(), RelPathError> {
    if part.is_empty() {
        return Err(RelPathError::EmptyPart);
    }
    if part == "." || part == ".." {
        return Err(RelPathError::Dots);
    }
    if let Some(character) = part.chars().find(|c| is_forbidden(*c)) {
        return Err(RelPathError::Character(character));
    }
    if part.ends_with(['.', ' ']) {
        return Err(RelPathError::TrailingDotOrSpace);
    }
    if part.len() > MAX_PART {
        return Err(RelPathError::TooLong);
    }
    if is_device(part) { Err(RelPathError::Device) } else { Ok(()) }
}

const fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*')
}

/// A device keeps its meaning with any extension and with spaces before it (`con .txt`).
fn is_device(part: &str) -> bool {
    let stem = part.split_once('.').map_or(part, |(stem, _)| stem).trim_end();
    if ["con", "prn", "aux", "nul", "conin$", "conout$"].iter().any(|name| stem.eq_ignore_ascii_case(name)) {
        return true;
    }
    let mut characters = stem.chars();
    let Some(last) = characters.next_back() else { return false };
    let port = characters.as_str();
    (port.eq_ignore_ascii_case("com") || port.eq_ignore_ascii_case("lpt"))
        && matches!(last, '1'..='9' | '¹' | '²' | '³')
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RelPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for RelPath {
    type Err = RelPathError;

    fn from_str(text: &str) -> Result<Self, RelPathError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RelPath {
    type Error = RelPathError;

    fn try_from(text: String) -> Result<Self, RelPathError> {
        Self::parse(&text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", RelPathError::Empty)]
    #[case("/a", RelPathError::EmptyPart)]
    #[case("a/", RelPathError::EmptyPart)]
    #[case("a//b", RelPathError::EmptyPart)]
    #[case(".", RelPathError::Dots)]
    #[case("a/../b", RelPathError::Dots)]
    #[case("a\\b", RelPathError::Character('\\'))]
    #[case("C:/x", RelPathError::Character(':'))]
    #[case("C:", RelPathError::Character(':'))]
    #[case("f:stream", RelPathError::Character(':'))]
    #[case("\\\\nas\\models", RelPathError::Character('\\'))]
    #[case("\\\\?\\C:\\x", RelPathError::Character('\\'))]
    #[case("a\0b", RelPathError::Character('\0'))]
    #[case("a\nb", RelPathError::Character('\n'))]
    #[case("a?", RelPathError::Character('?'))]
    #[case("a<b", RelPathError::Character('<'))]
    #[case("a.", RelPathError::TrailingDotOrSpace)]
    #[case("a /b", RelPathError::TrailingDotOrSpace)]
    #[case("con", RelPathError::Device)]
    #[case("x/NUL.safetensors", RelPathError::Device)]
    #[case("nul.tar.gz", RelPathError::Device)]
    #[case("com1", RelPathError::Device)]
    #[case("LPT².txt", RelPathError::Device)]
    #[case("aux .txt", RelPathError::Device)]
    fn is_refused(#[case] text: &str, #[case] why: RelPathError) {
        assert_eq!(RelPath::parse(text), Err(why));
    }

    #[rstest]
    #[case("loras/sdxl/x.safetensors")]
    #[case("console.log")]
    #[case("com0")]
    #[case("com10")]
    #[case("a b/c.d/.hidden")]
    #[case("…/日本語 (1).safetensors")]
    #[case("...a")]
    fn is_kept_as_it_is(#[case] text: &str) {
        assert_eq!(RelPath::parse(text).unwrap().as_str(), text);
    }

    #[test]
    fn a_part_longer_than_any_file_system_stores_is_refused() {
        assert!(RelPath::parse(&"x".repeat(255)).is_ok());
        assert_eq!(RelPath::parse(&"x".repeat(256)), Err(RelPathError::TooLong));
    }

    #[test]
    fn names_that_one_disk_may_hold_as_one_file_share_a_key() {
        let key = |text: &str| RelPath::parse(text).unwrap().match_key();
        assert_eq!(key("Loras/A.safetensors"), key("loras/a.SAFETENSORS"));
        assert_eq!(key("caf\u{e9}"), key("CAFE\u{301}"));
        assert_ne!(key("a"), key("b"));
    }

    #[test]
    fn within_means_by_parts() {
        let path = RelPath::parse("loras/sdxl/x").unwrap();
        assert!(path.is_within(&RelPath::parse("loras").unwrap()));
        assert!(path.is_within(&path));
        assert!(!path.is_within(&RelPath::parse("lora").unwrap()));
        assert_eq!(path.parent().unwrap().as_str(), "loras/sdxl");
        assert_eq!(path.name(), "x");
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_below_the_root(text in "\\PC{0,24}") {
            if let Ok(path) = RelPath::parse(&text) {
                prop_assert_eq!(path.as_str(), &text);
                prop_assert!(std::path::Path::new(path.as_str()).components()
                    .all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }

        #[test]
        fn a_key_is_its_own_key(text in "\\PC{0,24}") {
            let key = match_key(&text);
            prop_assert_eq!(match_key(&key), key);
        }
    }
}
