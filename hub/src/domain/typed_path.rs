//! Paths as people type and paste them, and what they may mean.
//!
//! Understood are both slashes, doubled, in front and behind; `./`; blanks around the whole; and the path
//! of the models folder itself in front, as a file manager copies it. What leads upwards or to another disk
//! is refused. Existence is asked of the index without regard to case, see `storage::views::spelled`; what
//! is made is made exactly as it was typed.

use serde::Deserialize;
use shared_protocol::RelPath;
use shared_protocol::rel_path::{RelPathError, match_key};

const SEPARATORS: [char; 2] = ['/', '\\'];

/// Why a text is no path that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypedPathError {
    /// `..`
    #[error("\"..\" is not understood: write the path from the models folder down, such as loras/sdxl")]
    Upwards,
    /// `E:` or `E:loras`
    #[error("a drive is not understood without a slash behind it, as in E:\\models\\loras")]
    Drive,
    /// Nothing, or the models folder itself.
    #[error("this names nothing below the models folder: write a path such as loras/sdxl")]
    Nothing,
    /// A part that not every system can store.
    #[error(transparent)]
    Part(#[from] RelPathError),
}

/// A folder as a person typed it; it may be the root's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TypedFolder {
    typed: String,
    /// What it may be below a root, the likeliest first; `None` is the root's own folder.
    below: Vec<Option<RelPath>>,
    /// Its parts, with the drive if there is one, where it begins at the top of a disk.
    absolute: Option<Vec<String>>,
}

/// A file or folder below a root, as a person typed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TypedPath(TypedFolder);

impl TypedFolder {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, TypedPathError> {
        let end = text.trim_end_matches(' ');
        let meant = end.trim_start_matches(' ');
        let (drive, rest) = split_drive(meant)?;
        let path = relative(rest);
        let is_absolute = drive.is_some() || rest.starts_with(SEPARATORS);
        // A name may begin with blanks.
        let kept = (end.len() > meant.len()).then(|| relative(end)).and_then(Result::ok);
        if kept.is_none() {
            path.clone()?;
        }
        let absolute = is_absolute.then(|| {
            let parts = path.iter().flatten().flat_map(RelPath::parts).map(str::to_owned);
            drive.map(|letter| format!("{letter}:")).into_iter().chain(parts).collect()
        });
        let below = if drive.is_some() { Vec::new() } else { kept.into_iter().chain(path.ok()).collect() };
        Ok(Self { typed: text.to_owned(), below, absolute })
    }

    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// What it may mean below the root whose own path on this machine is `root`, the likeliest first. Nothing
    /// if it lies elsewhere.
    pub fn readings(&self, root: Option<&str>) -> Vec<Option<RelPath>> {
        let inside = self.absolute.as_ref().zip(root).and_then(|(parts, root)| inside(parts, root));
        let inside = inside.and_then(|parts| relative(&parts.join("/")).ok());
        let mut readings = Vec::new();
        for reading in self.below.iter().cloned().chain(inside) {
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        readings
    }

    /// What it means where there is no index to ask.
    pub fn plain(&self) -> Option<RelPath> {
        self.below.last().cloned().flatten()
    }
}

impl TypedPath {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, TypedPathError> {
        let folder = TypedFolder::parse(text)?;
        if folder.absolute.as_ref().map_or(folder.below.iter().all(Option::is_none), Vec::is_empty) {
            return Err(TypedPathError::Nothing);
        }
        Ok(Self(folder))
    }

    /// The same as what may also be the root's own folder.
    pub const fn as_folder(&self) -> &TypedFolder {
        &self.0
    }
}

impl From<RelPath> for TypedFolder {
    fn from(path: RelPath) -> Self {
        Self { typed: path.to_string(), below: vec![Some(path)], absolute: None }
    }
}

impl From<TypedPath> for TypedFolder {
    fn from(path: TypedPath) -> Self {
        path.0
    }
}

impl TryFrom<String> for TypedFolder {
    type Error = TypedPathError;

    fn try_from(text: String) -> Result<Self, TypedPathError> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for TypedPath {
    type Error = TypedPathError;

    fn try_from(text: String) -> Result<Self, TypedPathError> {
        Self::parse(&text)
    }
}

/// The letter of the drive in front, and what follows it.
fn split_drive(text: &str) -> Result<(Option<char>, &str), TypedPathError> {
    let Some((drive, rest)) = text.split_once(':') else { return Ok((None, text)) };
    let mut letters = drive.chars();
    match (letters.next().filter(char::is_ascii_alphabetic), letters.next()) {
        (Some(letter), None) if rest.starts_with(SEPARATORS) => Ok((Some(letter), rest)),
        (Some(_), None) => Err(TypedPathError::Drive),
        // What else has a colon is refused with the character.
        _ => Ok((None, text)),
    }
}

/// The path of the parts that say something; `None` if none does.
fn relative(text: &str) -> Result<Option<RelPath>, TypedPathError> {
    let parts: Vec<&str> = text.split(SEPARATORS).filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(TypedPathError::Upwards);
    }
    if parts.is_empty() { Ok(None) } else { Ok(Some(RelPath::parse(&parts.join("/"))?)) }
}

/// The parts of an absolute path that lie below `root`.
fn inside<'a>(parts: &'a [String], root: &str) -> Option<&'a [String]> {
    let above: Vec<&str> = root.split(SEPARATORS).filter(|part| !part.is_empty()).collect();
    let (start, rest) = parts.split_at_checked(above.len())?;
    start.iter().zip(above).all(|(one, other)| match_key(one) == match_key(other)).then_some(rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn read(text: &str, root: Option<&str>) -> Vec<String> {
        let readings = TypedFolder::parse(text).unwrap().readings(root);
        readings.into_iter().map(|path| path.map(String::from).unwrap_or_default()).collect()
    }

    #[rstest]
    #[case("loras/sdxl")]
    #[case("loras\\sdxl")]
    #[case("/loras/sdxl/")]
    #[case("\\loras\\sdxl\\")]
    #[case("./loras/sdxl")]
    #[case(".\\loras\\.\\sdxl\\.")]
    #[case("loras//sdxl")]
    #[case("loras\\/sdxl")]
    #[case("//loras/sdxl//")]
    #[case(" /loras/sdxl ")]
    #[case("loras/sdxl   ")]
    fn one_folder_is_typed_in_many_ways(#[case] text: &str) {
        assert_eq!(read(text, None).last().unwrap(), "loras/sdxl");
        assert_eq!(TypedFolder::parse(text).unwrap().plain().unwrap().as_str(), "loras/sdxl");
        assert!(TypedPath::parse(text).is_ok());
    }

    #[rstest]
    #[case("")]
    #[case("   ")]
    #[case("/")]
    #[case("\\")]
    #[case(".")]
    #[case("./")]
    #[case(" /. ")]
    fn nothing_is_the_roots_own_folder_and_no_file(#[case] text: &str) {
        assert_eq!(read(text, None), [""]);
        assert_eq!(TypedPath::parse(text), Err(TypedPathError::Nothing));
    }

    #[rstest]
    #[case("..", TypedPathError::Upwards)]
    #[case("loras/../../etc", TypedPathError::Upwards)]
    #[case("\\..\\loras", TypedPathError::Upwards)]
    #[case("/nas/models/../x", TypedPathError::Upwards)]
    #[case("E:", TypedPathError::Drive)]
    #[case("e:loras", TypedPathError::Drive)]
    #[case("f:stream", TypedPathError::Drive)]
    #[case("ab:stream", RelPathError::Character(':').into())]
    #[case("\\\\?\\C:\\x", RelPathError::Character('?').into())]
    #[case("a\0b", RelPathError::Character('\0').into())]
    #[case("a\tb", RelPathError::Character('\t').into())]
    #[case("loras\n", RelPathError::Character('\n').into())]
    #[case("loras/con", RelPathError::Device.into())]
    #[case("loras /x", RelPathError::TrailingDotOrSpace.into())]
    #[case("...", RelPathError::TrailingDotOrSpace.into())]
    fn what_is_not_understood_is_told(#[case] text: &str, #[case] why: TypedPathError) {
        assert_eq!(TypedFolder::parse(text), Err(why));
        assert_eq!(TypedPath::parse(text), Err(why));
    }

    #[rstest]
    #[case("/nas/models/loras", "/nas/models", &["nas/models/loras", "loras"])]
    #[case("/nas/models/", "/nas/models", &["nas/models", ""])]
    #[case("/nas/models", "/nas/models/", &["nas/models", ""])]
    #[case("nas/models/loras", "/nas/models", &["nas/models/loras"])]
    #[case("/nas/modelsx/loras", "/nas/models", &["nas/modelsx/loras"])]
    #[case("E:\\models\\loras", "E:\\models", &["loras"])]
    #[case(" e:/Models/Loras/ ", "E:\\models", &["Loras"])]
    #[case("E:\\", "E:\\", &[""])]
    #[case("D:\\models\\loras", "E:\\models", &[])]
    #[case("\\\\nas\\models\\loras", "\\\\nas\\models", &["nas/models/loras", "loras"])]
    fn the_path_of_the_root_in_front_is_understood(#[case] text: &str, #[case] root: &str, #[case] read_as: &[&str]) {
        assert_eq!(read(text, Some(root)), read_as);
    }

    #[test]
    fn a_name_that_begins_with_a_blank_is_found_as_it_is() {
        assert_eq!(read(" loras", None), [" loras", "loras"]);
        assert_eq!(read(" con", None), [" con"], "that is no device");
    }

    #[test]
    fn an_absolute_path_names_something_even_if_it_is_the_root() {
        // Whether it is the root's own folder is known only where the root is.
        assert!(TypedPath::parse("E:\\models").is_ok());
        assert_eq!(TypedPath::parse("/"), Err(TypedPathError::Nothing));
    }

    proptest! {
        #[test]
        fn what_is_a_path_is_read_as_it_is(text in "\\PC{1,24}") {
            if let Ok(path) = RelPath::parse(&text) {
                let readings = TypedFolder::parse(&text).unwrap().readings(None);
                prop_assert_eq!(readings.first(), Some(&Some(path)));
            }
        }

        #[test]
        fn what_is_understood_stays_below_the_root(text in "[a-cA-C./\\\\: ]{0,12}") {
            if let Ok(typed) = TypedFolder::parse(&text) {
                for path in typed.readings(Some("/a")).into_iter().flatten() {
                    prop_assert!(RelPath::parse(path.as_str()).is_ok());
                }
            }
        }
    }
}
