//! The names of part files: `.<name>.<token>.part`, beside the final file. They are excluded from every
//! listing, and the token tells whose they are.

use std::path::{Path, PathBuf};

use shared_protocol::rel_path::MAX_PART;

use crate::domain::exclusion::PART_ENDING;

/// Where the part file of `name` lies in the destination's folder. `token` names the transfer and holds
/// no dot. A name that would become too long is cut; the token alone makes it unique.
pub fn part_path(folder: &Path, name: &str, token: &str) -> PathBuf {
    let fixed = ".".len() + ".".len() + token.len() + PART_ENDING.len();
    let name = shortened(name, MAX_PART.saturating_sub(fixed));
    folder.join(format!(".{name}.{token}{PART_ENDING}"))
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
    use crate::domain::exclusion::is_excluded;

    #[test]
    fn the_token_comes_back() {
        let path = part_path(Path::new("/models"), "x.safetensors", "hub-17");
        assert_eq!(path, Path::new("/models").join(".x.safetensors.hub-17.part"));
        assert_eq!(part_token(".x.safetensors.hub-17.part"), Some("hub-17"));
        for other in ["x.safetensors.17.part", ".part", "..part", ".x.part", "x"] {
            assert_eq!(part_token(other), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for name in ["x".repeat(255), "é".repeat(127), "日".repeat(85), "🙂".repeat(63)] {
            let path = part_path(Path::new(""), &name, "0123456789abcdef");
            let file_name = path.to_string_lossy();
            assert!(file_name.len() <= MAX_PART && file_name.len() > MAX_PART - 4, "{}", file_name.len());
            assert_eq!(part_token(&file_name), Some("0123456789abcdef"));
            assert!(is_excluded(&file_name));
        }
    }
}
