//! No file is longer than can be read in one go.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Finding;
use super::source::list;

/// Longest allowed file, in lines.
pub const MAX_LINES: usize = 400;

const EXTENSIONS: [&str; 8] = ["rs", "css", "js", "html", "sh", "ps1", "sql", "toml"];

/// Folders of the project that people write in.
const FOLDERS: [&str; 7] = ["agent", "hub", "shared-protocol", "tests", "templates", "scripts", ".ci"];

/// Checks a checkout.
pub fn check(project: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for folder in FOLDERS.iter().filter(|folder| project.join(folder).is_dir()) {
        for extension in EXTENSIONS.iter().copied().chain(["" /* scripts have none */]) {
            for file in list_any(&project.join(folder), extension)? {
                check_file(project, &format!("{folder}/{file}"), &mut findings)?;
            }
        }
    }
    findings.sort();
    Ok(findings)
}

fn list_any(folder: &Path, extension: &str) -> Result<Vec<String>> {
    if !extension.is_empty() {
        return list(folder, extension);
    }
    let mut plain = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_none() {
            plain.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(plain)
}

/// Whether a file was made elsewhere, or by a program.
pub(super) fn is_foreign(file: &str) -> bool {
    file.split('/').any(|part| part == "vendor" || part == "target" || part == "snapshots")
}

fn check_file(project: &Path, file: &str, findings: &mut Vec<Finding>) -> Result<()> {
    if is_foreign(file) {
        return Ok(());
    }
    let bytes = fs::read(project.join(file)).with_context(|| format!("cannot read {file}"))?;
    let n_lines = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1);
    if n_lines > MAX_LINES {
        let what = format!("{n_lines} lines, at most {MAX_LINES}: split it along a seam that has a name");
        findings.push(Finding { file: file.to_owned(), what });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn only_the_long_file_of_our_own_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for (file, n_lines) in [
            ("hub/src/short.rs", 400),
            ("hub/src/long.rs", 401),
            ("hub/static/vendor/long.js", 9_000),
            ("tests/data/long.json", 9_000),
            ("scripts/long", 500),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x\n".repeat(n_lines)).unwrap();
        }
        let found: Vec<_> = check(folder.path()).unwrap().into_iter().map(|finding| finding.file).collect();
        assert_eq!(found, ["hub/src/long.rs", "scripts/long"]);
    }
}
