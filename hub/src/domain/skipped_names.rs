//! Under which names another system may hold what has a name that not every system can store.
//!
//! `trail .` on Linux is `trail` on Windows, `a:b` may have become `a_b`, or a stream of `a`, and a
//! name in an old encoding is right text on the other side. Whoever compares two roots takes none of
//! these for absent. More names than needed only leave more files alone.

use std::borrow::Cow;
use std::collections::BTreeSet;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, IBM866, KOI8_R, MACINTOSH, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252,
};
use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

/// What archives and old systems wrote names in.
const ENCODINGS: [&Encoding; 10] =
    [WINDOWS_1252, SHIFT_JIS, GB18030, BIG5, EUC_KR, EUC_JP, WINDOWS_1251, IBM866, KOI8_R, MACINTOSH];

/// The keys of other names than `shown` that stand for the entry with the name `raw`. A name that every
/// system can store has none.
pub fn other_names(raw: &[u8], shown: &str) -> Vec<String> {
    if std::str::from_utf8(raw).is_ok() && RelPath::in_folder(None, shown).is_ok() {
        return Vec::new();
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    for text in readings(raw, shown) {
        // Whoever replaces what can't be stored may have cut the end before that.
        for text in [text.as_str(), text.trim_end_matches(['.', ' '])] {
            for way in WAYS {
                add(&mut names, &replaced(text, way));
            }
        }
        // NTFS takes what follows a colon for a stream of the file before it.
        add(&mut names, text.split(':').next().unwrap_or_default());
        add(&mut names, &text);
        if let Some(stem) = text.split('.').next() {
            let rest = text.get(stem.len()..).unwrap_or_default();
            add(&mut names, &format!("_{text}"));
            add(&mut names, &format!("{stem}_{rest}"));
        }
    }
    names.remove(&match_key(shown));
    names.into_iter().collect()
}

/// What the bytes may have meant.
fn readings(raw: &[u8], shown: &str) -> Vec<String> {
    let mut found = vec![shown.to_owned()];
    if std::str::from_utf8(raw).is_err() {
        let decode = |encoding: &&'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(raw);
        found.extend(ENCODINGS.iter().filter_map(decode).map(Cow::into_owned));
        for filler in ["", "_", "?"] {
            found.push(shown.replace('\u{fffd}', filler));
        }
    }
    found
}

/// Adds the key of a name, and of the same without the dots and spaces at its end that Windows drops.
fn add(names: &mut BTreeSet<String>, name: &str) {
    for name in [name, name.trim_end_matches(['.', ' '])] {
        if !name.is_empty() && !name.contains('/') {
            names.insert(match_key(name));
        }
    }
}

/// How a character that can't be stored is written instead.
#[derive(Clone, Copy)]
enum Way {
    /// By this, or left out.
    By(&'static str),
    /// By its wide form, as rclone does.
    Wide,
    /// By U+F000 and its code, as Cygwin, WSL and Linux' cifs do.
    Private,
    /// By the private characters of macOS and Samba.
    Mac,
}

const WAYS: [Way; 7] = [Way::By("_"), Way::By("-"), Way::By(""), Way::By(" "), Way::Wide, Way::Private, Way::Mac];

fn replaced(name: &str, way: Way) -> String {
    let kept = name.trim_end_matches(['.', ' ']).len();
    let mut text = String::with_capacity(name.len());
    for (at, character) in name.char_indices() {
        let is_forbidden =
            matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
        if !is_forbidden && at < kept {
            text.push(character);
            continue;
        }
        match way {
            Way::By(other) => text.push_str(other),
            Way::Wide => text.push(shifted(character, 0xfee0)),
            Way::Private => text.push(shifted(character, 0xf000)),
            Way::Mac => text.push(mac(character)),
        }
    }
    text
}

fn shifted(character: char, by: u32) -> char {
    if character.is_ascii() { char::from_u32(u32::from(character) + by).unwrap_or(character) } else { character }
}

/// Microsoft's services for Macintosh.
fn mac(character: char) -> char {
    let code = match character {
        '\x01'..='\x1f' => 0xf000 + u32::from(character),
        '"' => 0xf020,
        '*' => 0xf021,
        ':' => 0xf022,
        '<' => 0xf023,
        '>' => 0xf024,
        '?' => 0xf025,
        '\\' => 0xf026,
        '|' => 0xf027,
        ' ' => 0xf028,
        '.' => 0xf029,
        other => return other,
    };
    char::from_u32(code).unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("trail .", "trail")]
    #[case("Trail...", "trail")]
    #[case("a:b", "a")]
    #[case("a:b", "a_b")]
    #[case("a:b", "a-b")]
    #[case("a:b", "ab")]
    #[case("a:b", "a\u{ff1a}b")]
    #[case("a:b", "a\u{f03a}b")]
    #[case("a:b", "a\u{f022}b")]
    #[case("what?.pt", "what_.pt")]
    #[case("CON.txt", "_con.txt")]
    #[case("CON.txt", "con_.txt")]
    #[case("x<y>z*.", "x_y_z_")]
    #[case("caf\u{e9}: 1", "cafe\u{301} 1")]
    fn another_system_may_call_it(#[case] name: &str, #[case] other: &str) {
        let found = other_names(name.as_bytes(), name);
        assert!(found.contains(&match_key(other)), "{found:?}");
    }

    #[rstest]
    #[case(b"caf\xe9.pt", "caf\u{e9}.pt")]
    #[case(b"bad\xff", "bad")]
    #[case(b"\x83\x82\x83\x66\x83\x8b", "\u{30e2}\u{30c7}\u{30eb}")]
    fn bytes_of_an_old_encoding_may_be_right_text_there(#[case] raw: &[u8], #[case] other: &str) {
        let found = other_names(raw, &String::from_utf8_lossy(raw));
        assert!(found.contains(&match_key(other)), "{found:?}");
    }

    proptest! {
        #[test]
        fn a_good_name_is_itself_only(name in "[a-z]{1,8}(\\.[a-z]{1,3})?") {
            prop_assume!(RelPath::in_folder(None, &name).is_ok());
            prop_assert!(other_names(name.as_bytes(), &name).is_empty());
        }

        #[test]
        fn no_name_leaves_its_folder(raw in prop::collection::vec(1_u8..=255, 1..12)) {
            prop_assume!(!raw.contains(&b'/'));
            for name in other_names(&raw, &String::from_utf8_lossy(&raw)) {
                prop_assert!(!name.is_empty() && !name.contains('/'));
            }
        }
    }
}
