//! How the table names files and folders.

use super::NameKind;

/// What a name has to be. Case counts only where it says so: most of these names are written by
/// programs, or lie on disks, that know no case.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern {
    /// The whole name.
    Is(&'static str),
    /// The whole name, with its case.
    Exactly(&'static str),
    Begins(&'static str),
    /// Its ending. A folder of such a name has to stand for a file: `x.safetensors.download`.
    Ends(&'static str),
    /// A folder's name and the name of what lies in it.
    Inside(&'static str, &'static str),
    /// What only code can say.
    Like(fn(&str) -> bool),
}

impl Pattern {
    pub(super) fn matches(self, parent: Option<&str>, name: &str, entry: NameKind) -> bool {
        match self {
            Self::Is(known) => name.eq_ignore_ascii_case(known),
            Self::Exactly(known) => name == known,
            Self::Begins(known) => begins(name, known),
            Self::Ends(known) => {
                stem_before(name, known).is_some_and(|stem| entry != NameKind::Folder || stem.contains('.'))
            }
            Self::Inside(folder, known) => {
                name.eq_ignore_ascii_case(known) && parent.is_some_and(|parent| parent.eq_ignore_ascii_case(folder))
            }
            Self::Like(is_like) => is_like(name),
        }
    }
}

fn begins(name: &str, known: &str) -> bool {
    name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
}

/// What stands before an ending.
fn stem_before<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    end.eq_ignore_ascii_case(ending).then_some(stem)
}

/// `.x.safetensors.hub-17.part`: a copy that a hub has not ended, or left behind; `.journal` beside a download.
pub(super) fn is_part_of_a_hub(name: &str) -> bool {
    let name = super::NOTE_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let inner = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(super::PART_ENDING));
    inner.and_then(|inner| inner.rsplit_once('.')).is_some_and(|(_, token)| !token.is_empty())
}

/// `.x.safetensors.Ab3dEf`: rsync's file until it is whole. Six letters of no word: one of them at
/// least is a digit or a capital, so that `.x.safetensors.backup` is none.
pub(super) fn is_rsync_part(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|rest| rest.rsplit_once('.'));
    parts.is_some_and(|(stem, random)| {
        stem.contains('.')
            && random.len() == 6
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && random.bytes().any(|byte| byte.is_ascii_uppercase())
            && random.bytes().any(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// `.x.safetensors.~4f3a`: a file of Nextcloud or ownCloud until it is whole.
pub(super) fn is_cloud_part(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|rest| rest.rsplit_once(".~"));
    parts.is_some_and(|(stem, random)| !stem.is_empty() && is_hex(random))
}

/// `tmpab12_xyz`: what Python names a temporary file, as older downloaders leave it beside the model.
pub(super) fn is_python_temporary(name: &str) -> bool {
    let is_random = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.strip_prefix("tmp").is_some_and(|rest| {
        rest.len() == 8 && rest.bytes().all(is_random) && rest.bytes().any(|byte| byte.is_ascii_digit())
    })
}

/// `FOUND.000`: what a check of the disk has rescued.
pub(super) fn is_rescued(name: &str) -> bool {
    let number = name.get(6..).filter(|_| begins(name, "found."));
    number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `thumbcache_256.db`.
pub(super) fn is_thumbnail_cache(name: &str) -> bool {
    begins(name, "thumbcache_") && stem_before(name, ".db").is_some()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
