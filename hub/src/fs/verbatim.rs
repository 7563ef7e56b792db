//! The verbatim form of Windows paths (`\\?\C:\…`, `\\?\UNC\server\share\…`): the one form in which
//! paths over 260 characters work. People never see it.
//!
//! The two directions are plain text work and compiled everywhere, so that they are tested everywhere.

use std::path::Path;

const PREFIX: &str = r"\\?\";
const UNC_PREFIX: &str = r"\\?\UNC\";

/// The verbatim form of an absolute Windows path; `None` for what is no path on a drive or share
/// (`\\.\PhysicalDrive0`).
pub fn verbatim_text(absolute: &str) -> Option<String> {
    if let Some(share) = absolute.strip_prefix(UNC_PREFIX) {
        return (!share.is_empty()).then(|| absolute.to_owned());
    }
    if let Some(rest) = absolute.strip_prefix(PREFIX) {
        return is_drive_path(rest).then(|| absolute.to_owned());
    }
    if absolute.starts_with(r"\\.\") {
        return None;
    }
    if let Some(share) = absolute.strip_prefix(r"\\") {
        return (!share.is_empty()).then(|| format!("{UNC_PREFIX}{share}"));
    }
    is_drive_path(absolute).then(|| format!("{PREFIX}{absolute}"))
}

/// The path as people write it.
pub fn shown(path: &Path) -> String {
    shown_text(&path.to_string_lossy())
}

/// The text without a verbatim prefix.
pub fn shown_text(text: &str) -> String {
    if let Some(share) = text.strip_prefix(UNC_PREFIX) {
        return format!(r"\\{share}");
    }
    text.strip_prefix(PREFIX).unwrap_or(text).to_owned()
}

/// `C:\` and what follows, but not `C:` (the folder that a program last looked at there).
fn is_drive_path(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic())
}

/// `D:` alone, which means a different folder in every program.
pub fn is_bare_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r"C:\models", r"\\?\C:\models")]
    #[case(r"\\nas\share\models", r"\\?\UNC\nas\share\models")]
    #[case(r"\\?\C:\models", r"\\?\C:\models")]
    #[case(r"\\?\UNC\nas\share", r"\\?\UNC\nas\share")]
    fn there_and_back(#[case] plain: &str, #[case] verbatim: &str) {
        assert_eq!(verbatim_text(plain).as_deref(), Some(verbatim));
        assert_eq!(verbatim_text(&shown_text(verbatim)).as_deref(), Some(verbatim));
        assert!(!shown_text(verbatim).contains('?'));
    }

    #[rstest]
    #[case(r"\\.\PhysicalDrive0")]
    #[case(r"\\?\Volume{7}\x")]
    #[case("C:")]
    #[case("C:models")]
    #[case("models")]
    fn what_is_no_folder_has_no_verbatim_form(#[case] text: &str) {
        assert_eq!(verbatim_text(text), None);
    }

    #[test]
    fn a_bare_drive_is_told_apart() {
        assert!(is_bare_drive("D:"));
        assert!(!is_bare_drive(r"D:\"));
        assert!(!is_bare_drive("/d:"));
    }
}
