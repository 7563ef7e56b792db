//! The registry of temporary names: every name that a hub gives to a file that is not what it will be, whose it is,
//! and who finds it again when the work did not end. All are excluded from the library.
//!
//! | name | made by | found again |
//! |---|---|---|
//! | `.<name>.<database>-<transfer>.part` | a copy, beside its destination; a move into a trash without a rename | by the transfer's row; in a trash, by whoever looks through it |
//! | `.<name>.<database>-<transfer>.part.journal`, `….journal~` | a download, beside its part file: what is there of it | with the part file |
//! | `.<name>.<database>-<transfer>-aside.part` | a delete for good, until the file that stays is verified | by the transfer's row, which puts it back |
//! | `.<name>.probe-<random>.part` | a look at what a disk can do; a picture that a person sets, in the top folder of its disk | in the root when it is adopted or comes back, elsewhere where a scan saw it, once it is old |
//! | `<own file>.<random>.part` | a new content of a file of the hub's own | the same |

use shared_protocol::rel_path::MAX_PART;
use uuid::Uuid;

use super::exclusion::{EVICTIONS_FILE, NOTE_ENDINGS, PART_ENDING, ROOT_MARKER, SOURCES_FILE};

/// Begins the token of files that a disk is tried out with, or that are written in one go.
const PROBE: &str = "probe-";

/// Ends the token of a file that is set aside.
const ASIDE: &str = "-aside";

/// Files of the hub's own that are written anew as a whole, each perhaps with a copy of before beside it.
const OWN_FILES: [&str; 3] = [ROOT_MARKER, SOURCES_FILE, EVICTIONS_FILE];

/// Whose temporary file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A transfer's, by the token of its database and its number: a part of a copy, or a person's file that waits
    /// to go.
    Transfer {
        /// The token of the database, see `storage::facts::token`.
        database: &'a str,
        /// The transfer's number.
        id: i64,
        /// It is a whole file of a person's.
        is_aside: bool,
    },
    /// The hub's, of its own files and looks: nobody goes on with it.
    Hub,
}

/// The token of a transfer within its temporary names.
pub fn token_of(database: &str, transfer: i64) -> String {
    format!("{database}-{transfer}")
}

/// The name of the part file of `name`, which lies in the destination's folder. `token` tells whose it is and
/// holds no dot. A name that would become too long is cut; the token alone makes it unique.
pub fn part_name(name: &str, token: &str) -> String {
    part_name_within(MAX_PART, name, token)
}

/// The same of a download: the names of its notes are longer.
pub fn download_name(name: &str, token: &str) -> String {
    let longest = NOTE_ENDINGS.iter().map(|ending| ending.len()).max().unwrap_or(0);
    part_name_within(MAX_PART - longest, name, token)
}

fn part_name_within(max: usize, name: &str, token: &str) -> String {
    let fixed = ".".len() + ".".len() + token.len() + PART_ENDING.len();
    let name = shortened(name, max.saturating_sub(fixed));
    format!(".{name}.{token}{PART_ENDING}")
}

/// The name under which a file waits to be removed for good.
pub fn aside_name(name: &str, token: &str) -> String {
    part_name(name, &format!("{token}{ASIDE}"))
}

/// A name for a file that a disk is tried out with, or that is written in one go.
pub fn probe_name(name: &str) -> String {
    part_name(name, &format!("{PROBE}{}", Uuid::new_v4().simple()))
}

/// The name of the new content of a file of the hub's own: another each time, so that two hubs on one share never
/// write into one file.
pub fn new_name(own_file: &str) -> String {
    format!("{own_file}.{}{PART_ENDING}", Uuid::new_v4().simple())
}

/// Whose temporary file has this name; none if it is no hub's.
pub fn owner_of(file_name: &str) -> Option<Owner<'_>> {
    let file_name = NOTE_ENDINGS.iter().find_map(|ending| file_name.strip_suffix(ending)).unwrap_or(file_name);
    let stem = file_name.strip_suffix(PART_ENDING)?;
    if OWN_FILES.iter().any(|own| stem.strip_prefix(own).is_some_and(|rest| rest.starts_with('.'))) {
        return Some(Owner::Hub);
    }
    let (_, token) = stem.strip_prefix('.')?.rsplit_once('.')?;
    if token.strip_prefix(PROBE).is_some_and(|random| Uuid::try_parse(random).is_ok()) {
        return Some(Owner::Hub);
    }
    let (of_transfer, is_aside) = token.strip_suffix(ASIDE).map_or((token, false), |token| (token, true));
    let (database, id) = of_transfer.rsplit_once('-')?;
    Some(Owner::Transfer { database, id: id.parse().ok()?, is_aside })
}

/// As much of the text as fits into so many bytes.
fn shortened(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::exclusion::{NameKind, of_entry};

    #[test]
    fn every_name_leads_to_its_owner_and_is_no_part_of_the_library() {
        let token = token_of("0123abcd", 17);
        let of_transfer = |is_aside| Owner::Transfer { database: "0123abcd", id: 17, is_aside };
        let longest = "日".repeat(85);
        for name in ["x.safetensors", "no ending", ".hidden", "a-b.probe-c", &longest] {
            let cases = [
                (part_name(name, &token), of_transfer(false)),
                (download_name(name, &token), of_transfer(false)),
                (download_name(name, &token) + ".journal", of_transfer(false)),
                (download_name(name, &token) + ".journal~", of_transfer(false)),
                (aside_name(name, &token), of_transfer(true)),
                (probe_name(name), Owner::Hub),
            ];
            for (made, owner) in cases {
                assert_eq!(owner_of(&made), Some(owner), "{made}");
                assert!(made.len() <= MAX_PART && of_entry(None, &made, NameKind::File).is_some(), "{made}");
            }
        }
        for own in OWN_FILES {
            for file in [own.to_owned(), format!("{own}.bak")] {
                let made = new_name(&file);
                assert_eq!(owner_of(&made), Some(Owner::Hub), "{made}");
                assert!(of_entry(None, &made, NameKind::File).is_some(), "{made}");
            }
        }
    }

    #[test]
    fn what_others_name_so_is_theirs() {
        for other in [
            "x.safetensors.17.part",
            ".part",
            "..part",
            ".x.part",
            "x",
            ROOT_MARKER,
            ".comfy-hub-root.json.bak",
            ".comfy-hub-root.json.damaged-2026-01-01T000000",
            ".x.safetensors.word.part",
            ".x.safetensors.probe-word.part",
            ".x.safetensors.0123abcd-x.part",
        ] {
            assert_eq!(owner_of(other), None, "{other}");
        }
        assert_eq!(part_name("x.safetensors", "hub-17"), ".x.safetensors.hub-17.part");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for name in ["x".repeat(255), "é".repeat(127), "日".repeat(85), "🙂".repeat(63)] {
            let file_name = part_name(&name, "0123456789abcdef-1");
            assert!(file_name.len() <= MAX_PART && file_name.len() > MAX_PART - 4, "{}", file_name.len());
        }
    }
}
