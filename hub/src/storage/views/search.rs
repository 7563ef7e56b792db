//! Finding names that contain words.
//!
//! The trigram index tells which files hold every three letters of a word; the text itself is then
//! looked at, since the letters may lie apart. When that leaves too many files, walking the list in
//! its order and looking at each name is faster: matches are dense and the page is soon full. The
//! same holds for words under three letters, which have no trigram.

use rusqlite::Connection;
use rusqlite::types::Value;
use shared_protocol::rel_path::match_key;

use super::statement::{Statement, text};
use crate::storage::{StorageError, search};

/// Files up to which the trigram index is worth asking. Beyond it one match in fifty is near.
const FEW: i64 = 4_000;

/// The words of a search in the form of the keys.
pub(super) fn words(search: Option<&str>) -> Vec<String> {
    let mut words: Vec<String> = search.unwrap_or_default().split_whitespace().map(match_key).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Files that may match: those of the trigram index, and those it has not seen yet.
#[derive(Debug)]
pub(super) struct Candidates {
    trigrams: String,
    indexed_to: i64,
}

impl Candidates {
    /// The ids as a subquery.
    pub(super) const IDS: &str =
        "SELECT rowid FROM files_search WHERE files_search MATCH ? UNION ALL SELECT id FROM files WHERE id > ?";

    /// The values of [`Self::IDS`].
    pub(super) fn values(&self) -> [Value; 2] {
        [text(self.trigrams.clone()), self.indexed_to.into()]
    }

    /// Adds a `FROM` that yields each candidate as `f`.
    pub(super) fn add_from(&self, statement: &mut Statement) {
        // CROSS JOIN keeps SQLite from walking all files and asking for each whether it is a hit.
        let source = format!("FROM ({}) hit CROSS JOIN files f ON f.id = hit.rowid", Self::IDS);
        statement.add(&source, self.values());
    }
}

/// Candidates for all words, if there are few enough to be worth it.
pub(super) fn candidates(connection: &Connection, words: &[String]) -> Result<Option<Candidates>, StorageError> {
    let trigrams = trigrams(words);
    if trigrams.is_empty() {
        return Ok(None);
    }
    let indexed_to = search::indexed_to(connection)?.0;
    let candidates = Candidates { trigrams, indexed_to };
    let mut counted = Statement::new("SELECT count(*) FROM (");
    counted.add(Candidates::IDS, candidates.values()).add("LIMIT ?)", [(FEW + 1).into()]);
    let n: i64 = counted.row(connection, |row| row.get(0))?;
    Ok((n <= FEW).then_some(candidates))
}

/// Trigrams that are asked for at most: they only choose candidates, and each costs.
const MOST_TRIGRAMS: usize = 64;

/// The query for the trigrams of all words; empty if there is none. Those with control characters are
/// left out: a NUL would end the query, and the name itself is looked at afterwards.
fn trigrams(words: &[String]) -> String {
    let mut found: Vec<String> = Vec::new();
    for word in words {
        let letters: Vec<char> = word.chars().collect();
        for three in letters.windows(3).filter(|three| !three.iter().any(|letter| letter.is_control())) {
            let quoted = format!("\"{}\"", three.iter().collect::<String>().replace('"', "\"\""));
            if !found.contains(&quoted) {
                found.push(quoted);
            }
            if found.len() == MOST_TRIGRAMS {
                return found.join(" AND ");
            }
        }
    }
    found.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_once() {
        assert_eq!(words(Some("  Flux  DEV flux ")), ["dev", "flux"]);
        assert!(words(Some(" ")).is_empty());
        assert!(words(None).is_empty());
    }

    #[test]
    fn a_word_is_all_its_trigrams() {
        assert_eq!(trigrams(&["flux".to_owned(), "xl".to_owned()]), r#""flu" AND "lux""#);
        assert_eq!(trigrams(&[r#"a"b"#.to_owned()]), r#""a""b""#);
        assert_eq!(trigrams(&["日本語版".to_owned()]), r#""日本語" AND "本語版""#);
        assert_eq!(trigrams(&["xl".to_owned()]), "");
        assert_eq!(trigrams(&["x\0yz1".to_owned()]), r#""yz1""#);
        let long: String = (0..1_000).map(|n| char::from_u32(0x4e00 + n).unwrap_or('x')).collect();
        assert_eq!(trigrams(&[long]).matches(" AND ").count(), MOST_TRIGRAMS - 1);
    }
}
