//! Names for files, from what sites call them.

use shared_protocol::RelPath;

/// Bytes of a name: some file systems store 255, and a part file is named after it.
const MAX_NAME: usize = 200;

/// Makes a name that every system can store out of what a site or an address calls a file. `None` if nothing of it is
/// left.
pub fn file_name_from(told: &str) -> Option<String> {
    let last = told.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().map(|c| if is_storable(c) { c } else { '_' }).collect();
    let name = shortened(plain.trim_start().trim_end_matches(is_dropped));
    if name.chars().all(|c| matches!(c, '_' | '.' | ' ')) {
        return None;
    }
    // Names of devices remain: `con.safetensors`.
    [name.clone(), format!("_{name}")].into_iter().find(|name| RelPath::parse(name).is_ok())
}

/// What Windows drops at the end of a name, and space that is not seen there.
fn is_dropped(character: char) -> bool {
    character == '.' || character.is_whitespace()
}

fn is_storable(character: char) -> bool {
    RelPath::parse(&format!("x{character}x")).is_ok() && character != '\u{feff}'
}

/// Cut in the middle, so that its ending stays.
fn shortened(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let ending = name.rfind('.').map(|at| name.split_at(at).1).filter(|ending| ending.len() <= 20).unwrap_or_default();
    let mut end = MAX_NAME - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", name.split_at(end).0.trim_end_matches(is_dropped))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_kept_as_far_as_they_can_be() {
        let of = |told: &str| file_name_from(told);
        assert_eq!(of("loras/Style v2.safetensors").as_deref(), Some("Style v2.safetensors"));
        assert_eq!(of("a:b?.safetensors").as_deref(), Some("a_b_.safetensors"));
        assert_eq!(of("..\\..\\x.pt").as_deref(), Some("x.pt"));
        assert_eq!(of("CON.safetensors").as_deref(), Some("_CON.safetensors"));
        assert_eq!(of("x.safetensors. ").as_deref(), Some("x.safetensors"));
        for nothing in ["", "/", "..", ".", "a/..", "???", " "] {
            assert_eq!(of(nothing), None, "{nothing:?}");
        }
        let long = of(&format!("{}.safetensors", "é".repeat(300))).unwrap();
        assert!(long.len() <= MAX_NAME && long.ends_with("é.safetensors"));
    }

    proptest! {
        #[test]
        fn a_name_can_be_stored_everywhere(told in "\\PC{0,300}") {
            if let Some(name) = file_name_from(&told) {
                prop_assert!(RelPath::parse(&name).is_ok() && !name.contains('/'), "{}", name);
                prop_assert_eq!(file_name_from(&name), Some(name));
            }
        }
    }
}
