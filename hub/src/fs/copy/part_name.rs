//! The names of part files: `.<name>.<token>.part`, beside the final file. They are excluded from every
//! listing, and the token tells whose they are.

use shared_protocol::rel_path::MAX_PART;

use crate::domain::exclusion::PART_ENDING;

/// The name of the part file of `name`, which lies in the destination's folder. `token` names the transfer
/// and holds no dot. A name that would become too long is cut; the token alone makes it unique.
pub fn part_name(name: &str, token: &str) -> String {
    let fixed = ".".len() + ".".len() + token.len() + PART_ENDING.len();
    let name = shortened(name, MAX_PART.saturating_sub(fixed));
    format!(".{name}.{token}{PART_ENDING}")
}

/// The token within a part file's name.
pub fn part_token(file_name: &str) -> Option<&str> {
    let inner = file_name.strip_prefix('.')?.strip_suffix(PART_ENDING)?;
    inner.rsplit_once('.').map(|(_, token)| token).filter(|token| !token.is_empty())
}

/// As much of the text as fits into so many bytes.
fn shortened(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exclusion::{Entry, of_entry};

    #[test]
    fn the_token_comes_back() {
        assert_eq!(part_name("x.safetensors", "hub-17"), ".x.safetensors.hub-17.part");
        assert_eq!(part_token(".x.safetensors.hub-17.part"), Some("hub-17"));
        for other in ["x.safetensors.17.part", ".part", "..part", ".x.part", "x"] {
            assert_eq!(part_token(other), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for name in ["x".repeat(255), "é".repeat(127), "日".repeat(85), "🙂".repeat(63)] {
            let file_name = part_name(&name, "0123456789abcdef");
            assert!(file_name.len() <= MAX_PART && file_name.len() > MAX_PART - 4, "{}", file_name.len());
            assert_eq!(part_token(&file_name), Some("0123456789abcdef"));
            assert!(of_entry(None, &file_name, Entry::File).is_some());
        }
    }
}
